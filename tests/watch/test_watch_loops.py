"""Training with and without a watch, parameter by parameter, for every kind of loop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag._store import read_run
from tests.watch.loops import LOOPS, STEPS, Loop, Problem, plain_sum


def train(loop: Loop, to: Path | None, **options: object) -> list[Tensor]:
    """The parameters after training; plainly where `to` is None."""
    problem = Problem()
    optimizers = loop.optimizers(problem)
    if to is None:
        loop.run(problem, optimizers, plain_sum())
        return problem.values()
    with pinndiag.watch(problem.net, optimizers, to=to, parameters={"k": problem.k}, **options) as watch:  # type: ignore[arg-type]
        loop.run(problem, optimizers, watch)
    return problem.values()


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("every", [1, 3])
def test_training_is_that_of_the_plain_loop(name: str, every: int, tmp_path: Path) -> None:
    wanted = train(LOOPS[name], None)
    found = train(LOOPS[name], tmp_path / "run", every=every, histograms=2, curvature=4)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    run = read_run(tmp_path / "run")
    assert not [event for event in run.events if event.event == "analyzer_failed"], run.events


@pytest.mark.parametrize("name", LOOPS)
def test_measuring_off_is_the_plain_loop_bit_for_bit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = train(LOOPS[name], None)
    for found in (train(LOOPS[name], tmp_path / "run", every=0), None):
        if found is None:
            monkeypatch.setenv("PINNDIAG_OFF", "1")
            found = train(LOOPS[name], tmp_path / "run", every=1)
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("adam", STEPS),
        ("closure of adam", STEPS),
        ("lbfgs", STEPS),
        ("accumulated", STEPS),
        ("adam, then lbfgs", 2 * STEPS),
        ("two optimizers", STEPS),
        ("scaler", STEPS),
        ("terms come and go", STEPS),
    ],
)
def test_one_record_a_step(name: str, steps: int, tmp_path: Path) -> None:
    train(LOOPS[name], tmp_path / "run", every=1)
    run = read_run(tmp_path / "run")
    assert run.steps.steps.tolist() == list(range(steps))
    assert not run.steps.run("skipped").any()
    assert set(run.steps.run("batches")) == {2.0 if name == "accumulated" else 1.0}


def test_without_an_optimizer_the_user_counts(tmp_path: Path) -> None:
    problem = Problem()
    with pinndiag.watch(problem.net, to=tmp_path / "run", every=1, parameters={"k": problem.k}) as watch:
        for _ in range(3):
            watch(problem.terms()).backward()
            watch.step()
    assert read_run(tmp_path / "run").steps.steps.tolist() == [0, 1, 2]


def test_a_leaf_that_nobody_named_still_gets_its_gradient(tmp_path: Path) -> None:
    problem = Problem()
    optimizer = torch.optim.Adam(problem.net.parameters(), lr=1e-2)
    with pinndiag.watch(problem.net, optimizer, to=tmp_path / "run", every=1) as watch:
        for _ in range(3):
            problem.k.grad = None
            terms = problem.terms()
            (wanted,) = torch.autograd.grad(plain_sum()(terms), [problem.k], retain_graph=True)
            watch(terms).backward()
            torch.testing.assert_close(problem.k.grad, wanted, rtol=1e-12, atol=1e-15)


def test_a_step_that_the_scaler_skips_is_recorded_as_skipped(tmp_path: Path) -> None:
    problem = Problem(dtype=torch.float32)
    optimizer = torch.optim.Adam(problem.parameters, lr=1e-2)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    with pinndiag.watch(problem.net, optimizer, to=tmp_path / "run", every=1, parameters=[problem.k]) as watch:
        for step in range(4):
            optimizer.zero_grad()
            terms = problem.terms()
            if step == 1:  # overflows once scaled
                terms["bc"] = terms["bc"] * torch.tensor(1e18)
            scaler.scale(watch(terms)).backward()
            scaler.step(optimizer)
            scaler.update()
    run = read_run(tmp_path / "run")
    assert run.steps.steps.tolist() == [0, 1, 1, 2]
    assert run.steps.run("skipped").tolist() == [0.0, 1.0, 0.0, 0.0]
    assert run.steps.at(3).terms["bc"].nonfinite == 0


def test_half_precision_figures_are_unscaled(tmp_path: Path) -> None:
    problem = Problem(dtype=torch.float32)
    optimizer = torch.optim.SGD(problem.parameters, lr=0.0)
    with pinndiag.watch(problem.net, optimizer, to=tmp_path / "run", every=1, parameters=[problem.k]) as watch:
        for factor in (1.0, 4096.0):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = watch(problem.terms())
            (factor * loss).backward()
            optimizer.step()
    run = read_run(tmp_path / "run")
    first, second = run.steps.at(0), run.steps.at(1)
    assert first.terms["pde"].grad_l2 == pytest.approx(second.terms["pde"].grad_l2, rel=1e-2)


def grown(joined: object, *, at: int, steps: int) -> list[Tensor]:
    """A network that gets a part of its own, and points drawn anew whose gradient is read, from a step on."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(1, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1)).double()
    late = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    join = pinndiag.watch(net, optimizer, every=5, histograms=0, curvature=0) if joined == "watch" else joined
    generator, moved = torch.Generator().manual_seed(1), []
    for step in range(steps):
        if step == at:
            net.append(torch.nn.Linear(1, 1).double())
            optimizer.add_param_group({"params": [*net[-1].parameters(), late]})
        optimizer.zero_grad()
        x = torch.rand(8, 1, dtype=torch.float64, generator=generator).requires_grad_()
        u = net(x)
        ends = u[:2] if step > at + 3 else net(x[:2].detach())  # from then on the terms share a forward pass
        join({"pde": u - 1 + (late if step >= at else 0.0), "bc": ends}).backward()  # type: ignore[operator]
        optimizer.step()
        assert x.grad is not None
        moved.append(x.grad.sum())
    return [*(p.detach() for p in net.parameters()), late.detach(), torch.stack(moved)]


def test_what_joins_later_gets_its_gradient_on_measured_steps_too() -> None:
    wanted = grown(plain_sum(), at=23, steps=41)
    for a, b in zip(grown("watch", at=23, steps=41), wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_running_statistics_are_not_moved_by_the_error() -> None:
    nets = []
    for watched in (True, False):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1)).double()
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-2)
        x = torch.linspace(0, 1, 10, dtype=torch.float64)[:, None]
        join = pinndiag.watch(net, optimizer, every=1, solution=(x + 5, x)) if watched else plain_sum()
        for _ in range(3):
            optimizer.zero_grad()
            join({"data": net(x) - 1}).backward()
            optimizer.step()
        nets.append(net)
    for a, b in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_without_counted_steps_it_complains_once() -> None:
    problem = Problem()
    watch = pinndiag.watch(problem.net, every=0, histograms=1, curvature=0)
    for _ in range(999):
        watch({"bc": problem.net(problem.edge)})
    with pytest.warns(RuntimeWarning, match=r"watch.step\(\) forgotten"):
        watch({"bc": problem.net(problem.edge)})
    watch({"bc": problem.net(problem.edge)})
    assert [event.event for event in watch.run().events] == ["warning"]
    watch.close()
