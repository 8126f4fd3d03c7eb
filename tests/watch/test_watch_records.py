"""What a watch records: equal to a naive loop of autograd.grad at the same step, and safe on disk."""

from __future__ import annotations

import errno
import gc
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag import PinndiagError
from pinndiag._store import RunWriter, read_run
from pinndiag._terms._terms import mean_square
from pinndiag._watch import _curvature
from pinndiag._watch._watch import WITHOUT_STEP
from pinndiag.analyzers import curvature, gradients
from tests.watch.loops import Problem, plain_sum

WEIGHTS = {"pde": 1.0, "bc": 30.0}


def flat_gradient(problem: Problem, value: Tensor) -> Tensor:
    pulled = torch.autograd.grad(value, problem.parameters, retain_graph=True, materialize_grads=True)
    return torch.cat([g.reshape(-1) for g in pulled])


def naive(problem: Problem) -> dict[str, Tensor]:
    """Each term's gradient, by itself, flat."""
    return {name: flat_gradient(problem, mean_square(term)) for name, term in problem.terms().items()}


def test_figures_are_those_of_a_naive_loop(tmp_path: Path) -> None:
    problem = Problem()
    optimizer = torch.optim.Adam(problem.parameters, lr=1e-2)
    wanted = []
    with pinndiag.watch(
        problem.net, optimizer, to=tmp_path / "run", every=1, weights=WEIGHTS, parameters={"k": problem.k}
    ) as watch:
        for _ in range(4):
            wanted.append((naive(problem), {n: float(mean_square(t.detach())) for n, t in problem.terms().items()}))
            optimizer.zero_grad()
            watch(problem.terms()).backward()
            optimizer.step()
    run = read_run(tmp_path / "run")
    for index, (grads, losses) in enumerate(wanted):
        line = run.steps.at(index)
        for name, g in grads.items():
            term = line.terms[name]
            values = (term.grad_l2, term.grad_l1, term.grad_max, term.grad_mean, term.grad_std, term.grad_kurtosis)
            deviation = g - g.mean()
            by_hand = (
                g.norm(),
                g.abs().sum(),
                g.abs().max(),
                g.abs().mean(),
                deviation.square().mean().sqrt(),
                deviation.pow(4).mean() / deviation.square().mean() ** 2,
            )
            np.testing.assert_allclose(values, [float(v) for v in by_hand], rtol=1e-12)
            assert term.loss == pytest.approx(losses[name], rel=1e-12)
            assert term.weight == WEIGHTS[name]
            assert line.applied[name] == pytest.approx(WEIGHTS[name] * float(g.norm()), rel=1e-12)
        total = sum(WEIGHTS[name] * g for name, g in grads.items())
        assert isinstance(total, Tensor)
        assert line.total.grad_l2 == pytest.approx(float(total.norm()), rel=1e-12)
        cosine = float(grads["pde"] @ grads["bc"] / grads["pde"].norm() / grads["bc"].norm())
        assert line.cosine["pde|bc"] == pytest.approx(cosine, rel=1e-10)
        assert line.alignment == pytest.approx(cosine, rel=1e-10)  # for two terms they are the same
        assert line.lr == 1e-2


def test_sparse_measurements_are_those_of_a_checkpoint(tmp_path: Path) -> None:
    problem = Problem()
    optimizer = torch.optim.SGD(problem.parameters, lr=1e-3)
    pinn = pinndiag.wrap(
        problem.net,
        {"pde": lambda: problem.terms()["pde"], "bc": lambda: problem.terms()["bc"]},
        parameters={"k": problem.k},
        weights=WEIGHTS,
        optimizer=optimizer,
    )
    wanted, curved = gradients(pinn), curvature(pinn, density=False)
    with pinndiag.watch(
        problem.net,
        optimizer,
        to=tmp_path / "run",
        every=1,
        histograms=1,
        curvature=1,
        weights=WEIGHTS,
        parameters={"k": problem.k},
    ) as watch:
        watch(problem.terms()).backward()
        optimizer.step()
    run = read_run(tmp_path / "run")
    found = run.gradients(run.histograms[0])
    assert found.cosine == pytest.approx(wanted.cosine)
    assert found.ratio == pytest.approx(wanted.ratio)
    assert [layer.name for layer in found.layers] == [layer.name for layer in wanted.layers]
    for a, b in zip(found.layers, wanted.layers, strict=True):
        assert a.terms["pde"].grad_l2 == pytest.approx(b.terms["pde"].grad_l2, rel=1e-10)
        assert sum(a.weighted["bc"].counts) == sum(b.weighted["bc"].counts)
    line = run.curvature[0]
    for key, found_of in {"total": line.total, **{f"terms.{name}": term for name, term in line.terms.items()}}.items():
        tri = run.lanczos(line)[key]
        off = np.array(tri.beta[:-1])
        ritz = np.linalg.eigvalsh(np.diag(tri.alpha) + np.diag(off, 1) + np.diag(off, -1))
        assert len(tri.alpha) == len(tri.beta) == found_of.sigma_max.products
        assert (ritz[-1], ritz[0]) == pytest.approx((found_of.sigma_max.value, found_of.sigma_min.value), rel=1e-10)
    for name in ("pde", "bc"):
        assert line.terms[name].sigma_max.value == pytest.approx(curved.terms[name].sigma_max.value, rel=1e-6)
    assert line.total.sigma_max.value == pytest.approx(curved.total.sigma_max.value, rel=1e-6)
    assert line.stability is not None
    assert curved.stability is not None
    assert line.stability.limit == pytest.approx(curved.stability.limit, rel=1e-6)


def test_remaining_work_is_that_of_the_dense_jacobian(tmp_path: Path) -> None:
    problem = Problem()
    optimizer = torch.optim.SGD(problem.parameters, lr=1e-3)
    residual = problem.terms()["pde"].reshape(-1)
    rows = [flat_gradient(problem, r) for r in residual]
    residual = residual.detach()
    wanted = float(residual.square().mean() / torch.stack(rows).square().sum(1).mean())
    with pinndiag.watch(problem.net, optimizer, to=tmp_path / "run", curvature=1, parameters={"k": problem.k}) as watch:
        watch(problem.terms()).backward()
        optimizer.step()
    found = read_run(tmp_path / "run").curvature[0].work["pde"]
    assert found.how == "residuals"
    assert wanted / 3 < found.value < 3 * wanted  # eight random probes


def test_accumulation_is_the_mean_over_micro_batches(tmp_path: Path) -> None:
    problem = Problem()
    optimizer = torch.optim.SGD(problem.parameters, lr=0.0)
    halves = problem.x.split(10)
    grads = [flat_gradient(problem, mean_square(problem.terms(half)["pde"])) for half in halves]
    with pinndiag.watch(problem.net, optimizer, to=tmp_path / "run", every=1, parameters=[problem.k]) as watch:
        for half in halves:
            (watch(problem.terms(half)) / 2).backward()
        optimizer.step()
    term = read_run(tmp_path / "run").steps.at(0).terms["pde"]
    assert term.grad_l2 == pytest.approx(float((grads[0] + grads[1]).norm() / 2), rel=1e-12)


def test_the_error_against_a_known_solution(tmp_path: Path) -> None:
    problem = Problem()
    optimizer = torch.optim.SGD(problem.parameters, lr=0.0)
    exact = torch.sin(problem.x)
    state = torch.get_rng_state()
    with pinndiag.watch(
        problem.net, optimizer, to=tmp_path / "run", every=1, parameters=[problem.k], solution=(problem.x, exact)
    ) as watch:
        for _ in range(22):
            watch(problem.terms()).backward()
            optimizer.step()
    with torch.no_grad():
        wanted = float((problem.net(problem.x) - exact).norm() / exact.norm())
    errors = read_run(tmp_path / "run").steps.run("rel_l2")
    known = {step: float(error) for step, error in enumerate(errors) if not math.isnan(error)}
    assert list(known) == [0, 10, 20]  # ten steps apart, where there are as many reference points as residuals
    assert list(known.values()) == pytest.approx([wanted] * 3, rel=1e-12)
    assert torch.equal(state, torch.get_rng_state())


def test_schedules_are_apart(tmp_path: Path) -> None:
    problem = Problem()
    optimizer = torch.optim.SGD(problem.parameters, lr=1e-4)
    profile = torch.profiler.schedule(wait=1, warmup=1, active=2, repeat=1)
    with pinndiag.watch(
        problem.net,
        optimizer,
        to=tmp_path / "run",
        every=lambda step: step in (1, 5),
        histograms=profile,
        curvature=4,
        parameters=[problem.k],
    ) as watch:
        for _ in range(7):
            watch(problem.terms()).backward()
            optimizer.step()
    run = read_run(tmp_path / "run")
    assert run.steps.steps.tolist() == [1, 5]
    assert [line.step for line in run.histograms] == [2, 3]
    assert [line.step for line in run.curvature] == [0, 4]


def test_nan_is_recorded_and_training_goes_on(tmp_path: Path) -> None:
    problem = Problem()
    optimizer = torch.optim.SGD(problem.parameters, lr=0.0)
    with pinndiag.watch(
        problem.net, optimizer, to=tmp_path / "run", every=1, histograms=1, curvature=1, parameters=[problem.k]
    ) as watch:
        kept = problem.values()
        for factor in (1.0, math.nan, math.inf):
            terms = problem.terms()
            terms["pde"] = terms["pde"] * factor
            watch(terms).backward()
            optimizer.step()
            with torch.no_grad():
                for parameter, value in zip(problem.parameters, kept, strict=True):
                    parameter.copy_(value)
    text = (tmp_path / "run" / "records.jsonl").read_text()
    for line in text.splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    run = read_run(tmp_path / "run")
    assert not [event for event in run.events if event.event == "analyzer_failed"]
    assert math.isnan(run.steps.at(1).terms["pde"].loss)
    assert run.steps.at(1).terms["pde"].nonfinite > 0
    assert run.steps.at(2).terms["pde"].loss == math.inf
    assert run.steps.at(2).terms["bc"].nonfinite == 0


def test_an_analyzer_that_fails_never_ends_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(_curvature, "curvature", broken)
    problem = Problem()
    optimizer = torch.optim.SGD(problem.parameters, lr=1e-3)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with pinndiag.watch(
            problem.net, optimizer, to=tmp_path / "run", every=1, curvature=1, parameters=[problem.k]
        ) as watch:
            for _ in range(3):
                watch(problem.terms()).backward()
                optimizer.step()
    assert [str(w.message) for w in shown if "planted" in str(w.message)] == [
        "pinndiag, step 0: the curvature failed: ZeroDivisionError: planted; the training goes on without it"
    ]
    run = read_run(tmp_path / "run")
    assert [event.event for event in run.events] == ["analyzer_failed", "closed"]
    assert len(run.steps) == 3


def test_a_full_disk_never_ends_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    problem = Problem()
    optimizer = torch.optim.SGD(problem.parameters, lr=1e-3)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with pinndiag.watch(
            problem.net, optimizer, to=tmp_path / "run", every=1, parameters=[problem.k], weights={"typo": 2.0}
        ) as watch:
            monkeypatch.setattr(RunWriter, "write", full)
            monkeypatch.setattr(RunWriter, "update", full)
            for _ in range(WITHOUT_STEP + 1):  # every remark there is falls due
                watch(problem.terms())
    assert any("No space left" in str(w.message) for w in shown)


def test_a_run_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    problem = Problem()

    def train(steps: int, **options: bool) -> None:
        optimizer = torch.optim.SGD(problem.parameters, lr=1e-3)
        with pinndiag.watch(
            problem.net, optimizer, to=tmp_path / "run", every=1, parameters=[problem.k], **options
        ) as watch:
            for _ in range(steps):
                watch(problem.terms()).backward()
                optimizer.step()

    train(3)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(PinndiagError, match="already holds a run"):
        train(2)
    train(2, resume=True)
    assert read_run(tmp_path / "run").steps.steps.tolist() == [0, 1, 2, 3, 4]
    train(2, overwrite=True)
    assert read_run(tmp_path / "run").steps.steps.tolist() == [0, 1]
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_a_state_goes_on_at_its_own_step(tmp_path: Path) -> None:
    problem = Problem()
    optimizer = torch.optim.SGD(problem.parameters, lr=1e-3)
    with pinndiag.watch(problem.net, optimizer, to=tmp_path / "run", every=1, parameters=[problem.k]) as watch:
        for step in range(5):
            if step == 2:
                state = watch.state_dict()
            watch(problem.terms()).backward()
            optimizer.step()
        watch.load_state_dict(state)
        watch(problem.terms()).backward()
        optimizer.step()
    assert read_run(tmp_path / "run").steps.steps.tolist() == [0, 1, 2]


def test_what_cannot_work_is_refused(tmp_path: Path) -> None:
    problem = Problem()
    optimizer = torch.optim.SGD(problem.parameters, lr=1e-3)
    with pytest.raises(PinndiagError, match="every= is not a number of steps"):
        pinndiag.watch(problem.net, optimizer, every=-1)
    with pytest.raises(PinndiagError, match="weights= and scheme= exclude each other"):
        pinndiag.watch(problem.net, optimizer, weights={"pde": 1.0}, scheme="lra")
    with pytest.raises(PinndiagError, match="resume= and overwrite= exclude each other"):
        pinndiag.watch(problem.net, optimizer, to="run", resume=True, overwrite=True)
    with pytest.raises(PinndiagError, match="not a finite number"):
        pinndiag.watch(problem.net, optimizer, weights={"pde": math.nan})
    watch = pinndiag.watch(problem.net, optimizer, every=1, parameters=[problem.k])
    with pytest.raises(PinndiagError, match="no loss terms"):
        watch({})
    with pytest.raises(PinndiagError, match="neither a residual nor a loss"):
        watch({"pde": torch.ones(3, dtype=torch.long)})
    with pytest.raises(PinndiagError, match="cannot be differentiated twice"):
        watch(problem.terms()).backward(create_graph=True)
    watch.close()


def test_a_watch_that_is_dropped_leaves_its_records_and_the_folder_free(tmp_path: Path) -> None:
    problem = Problem()
    watch = pinndiag.watch(problem.net, to=tmp_path / "run", every=np.int64(2), parameters=[problem.k])
    for _ in range(3):
        watch(problem.terms()).backward()
        watch.step()
    del watch
    gc.collect()  # a file that was left open is a warning, and so an error here
    assert not (tmp_path / "run" / "writer.lock").exists()
    assert read_run(tmp_path / "run").steps.steps.tolist() == [0, 2]


def test_a_loop_that_asks_for_the_diagnosis_works_with_measuring_switched_off() -> None:
    problem = Problem()
    with pinndiag.watch(problem.net, every=0, parameters=[problem.k]) as watch:
        watch(problem.terms()).backward()
        found = watch.diagnose()
        assert found.record.verdict.severity == "unknown"
        assert "measuring is switched off" in found.record.reasons["gradients"]
        pinn = pinndiag.wrap(problem.net, {"bc": lambda: problem.terms()["bc"]})
        assert set(watch.diagnose(pinn).record.terms) == {"bc"}


def test_validation_without_grad_counts_nothing() -> None:
    problem = Problem()
    optimizer = torch.optim.SGD(problem.parameters, lr=1e-3)
    watch = pinndiag.watch(problem.net, optimizer, every=1, weights=WEIGHTS, parameters=[problem.k])
    with torch.no_grad():
        before = float(plain_sum(WEIGHTS)({"bc": problem.net(problem.edge)}))
        value = watch({"bc": problem.net(problem.edge)})
    assert not value.requires_grad
    watch(problem.terms()).backward()
    optimizer.step()
    assert len(watch.run().steps) == 1
    assert float(value) == pytest.approx(before, rel=1e-12)
    watch.close()


def test_in_memory_the_run_is_the_same_as_on_disk(tmp_path: Path) -> None:
    lines = []
    for to in (None, tmp_path / "run"):
        problem = Problem()
        optimizer = torch.optim.Adam(problem.parameters, lr=1e-2)
        watch = pinndiag.watch(
            problem.net, optimizer, to=to, every=1, histograms=2, curvature=2, parameters=[problem.k]
        )
        for _ in range(4):
            optimizer.zero_grad()
            watch(problem.terms()).backward()
            optimizer.step()
        run = watch.run()
        diagnosis = watch.diagnose()
        watch.close()
        lines.append(
            (
                [run.steps.at(i).terms for i in range(4)],
                [run.gradients(line).histograms for line in run.histograms],
                [line.terms for line in run.curvature],
                diagnosis.record.verdict,
            )
        )
    assert lines[0] == lines[1]


def test_what_a_term_reaches_is_measured() -> None:
    problem = Problem()
    watch = pinndiag.watch(problem.net, every=1, histograms=0, curvature=0, parameters={"k": problem.k})
    terms = {"first": problem.net[0](problem.x), "k": problem.k * torch.ones(2, dtype=torch.float64)}  # type: ignore[index]
    watch(terms).backward()
    watch.step()
    entries = sum(p.numel() for p in problem.parameters)
    found = {name: term.reached for name, term in watch.run().header.terms.items()}
    assert found == pytest.approx({"first": 20 / entries, "k": 1 / entries})
    assert watch.diagnose().record.terms["k"].reached == pytest.approx(1 / entries)
    watch.close()


def test_a_weight_of_no_term_is_told() -> None:
    problem = Problem()
    optimizer = torch.optim.Adam([*problem.net.parameters(), problem.k])
    watch = pinndiag.watch(problem.net, optimizer, every=1, weights={"bcc": 3.0}, parameters={"k": problem.k})
    watch(problem.terms()).backward()
    optimizer.step()
    with pytest.warns(RuntimeWarning, match="weights= names 'bcc', and no term is called so"):
        watch(problem.terms())
    watch.close()


def test_a_term_that_comes_between_measured_steps_is_not_missed() -> None:
    problem = Problem()
    optimizer = torch.optim.Adam([*problem.net.parameters(), problem.k])
    watch = pinndiag.watch(problem.net, optimizer, every=2, weights={"bc": 3.0}, parameters={"k": problem.k})
    for step in range(4):  # a warning is an error here
        terms = problem.terms()
        watch(terms if step % 2 else {"pde": terms["pde"]}).backward()
        optimizer.step()
    watch.close()
