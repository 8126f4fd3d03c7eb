"""Training on, as it is and under schemes: equal starts, honest verdicts, resumed pieces, processes, interruption."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN, PinndiagError
from pinndiag._records import Arm, ArmRun, Finding
from pinndiag._remediate import _lanes
from pinndiag._remediate._candidates import candidates
from pinndiag._remediate._optimizers import made
from pinndiag._remediate._starts import placed
from pinndiag._remediate._training import Plan, advance, arrived
from pinndiag._remediate._verdict import judged
from pinndiag._terms._optimizer import OptimizerState
from pinndiag.schemes import DynamicNorm, Fixed, GradNorm, PCGrad, ReLoBRaLo
from tests.checks.records import record as healthy


def problem(weights: dict[str, float] | None = None, steps: int = 0, sampler: bool = False) -> PINN:
    """u'' = -9 sin(3 x), u(0) = u(2) = given, in float64; the residual's gradient is the larger one."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 12), nn.Tanh(), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 1)).double()
    x = torch.linspace(0, 2, 40, dtype=torch.float64)[:, None]
    ends = x[[0, -1]]

    def pde(x: Tensor) -> Tensor:
        x = x.requires_grad_()
        (first,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
        return second + 9 * torch.sin(3 * x)

    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    start = {name: value.clone() for name, value in net.state_dict().items()}
    terms = {"pde": pde, "bc": lambda x: net(x) - torch.sin(3 * x)}

    def wrapped() -> PINN:
        return pinndiag.wrap(
            net,
            terms,
            points={"pde": x, "bc": ends},
            weights=weights,
            solution=(x, torch.sin(3 * x)),
            optimizer=optimizer,
            initial=start,
            sampler={"pde": lambda n: 2 * torch.rand(n, 1, dtype=torch.float64)} if sampler else None,
        )

    pinn = wrapped()
    for _ in range(steps):
        optimizer.zero_grad()
        torch.stack([pinn.weights[name] * loss for name, loss in pinn.losses().items()]).sum().backward()
        optimizer.step()
    return wrapped()


def by_hand(pinn: PINN, steps: int, weights: dict[str, float]) -> list[Tensor]:
    """Plain Adam from the initial parameters."""
    twin = pinn.copy(initial=True)
    optimizer = torch.optim.Adam(twin.tensors, lr=5e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.stack([weights[name] * loss for name, loss in twin.losses().items()]).sum().backward()
        optimizer.step()
    return [t.detach() for t in twin.tensors]


def test_the_arm_as_it_is_is_plain_training() -> None:
    pinn = problem({"bc": 3.0}, steps=5)
    _, twin = advance(pinn, Plan("as it is", None, "initial", 0, 30), None, 30)
    for a, b in zip(twin.tensors, by_hand(pinn, 30, {"pde": 1.0, "bc": 3.0}), strict=True):
        torch.testing.assert_close(a.detach(), b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("scheme", [DynamicNorm(), ReLoBRaLo(), None], ids=["gradients", "random", "none"])
def test_a_training_in_pieces_is_the_training_in_one(scheme: object) -> None:
    pinn = problem(steps=5)
    plan = Plan("arm", scheme, "checkpoint", 0, 24)  # type: ignore[arg-type]
    whole, _ = advance(pinn, plan, None, 24)
    half, _ = advance(pinn, plan, None, 12)
    rest, _ = advance(pinn, plan, half, 24)
    for name, value in whole.parameters.items():
        torch.testing.assert_close(rest.parameters[name], value, rtol=1e-12, atol=1e-14)
    assert rest.weights == pytest.approx(whole.weights)
    assert rest.run.steps.steps.tolist() == whole.run.steps.steps.tolist() == list(range(24))
    assert rest.evaluations == whole.evaluations == 24


def test_from_the_checkpoint_the_optimizer_goes_on() -> None:
    pinn = problem(steps=20)
    state, _ = advance(pinn, Plan("as it is", None, "checkpoint", 0, 10), None, 10)
    for name, value in {n: t.detach() for n, t in problem(steps=30).parameters.items()}.items():
        torch.testing.assert_close(state.parameters[name], value, rtol=1e-8, atol=1e-10)
    assert state.card.has_state


def test_a_trained_copy_has_the_optimizer_of_its_own_training(tmp_path: Path) -> None:
    pinn = problem(steps=20)
    for start, taken in (("checkpoint", 26.0), ("initial", 6.0)):
        plan = Plan("as it is", None, start, 0, 6)
        state, twin = advance(pinn, plan, None, 6)
        for copy in (
            twin,
            arrived(pinn, plan, state),
            pinndiag.load(arrived(pinn, plan, state).save(tmp_path / start)),
        ):
            assert copy.optimizer is not None
            assert {entry["step"] for entry in copy.optimizer.state.values()} == {taken}
            again, _ = advance(copy, Plan("as it is", None, "checkpoint", 0, 4), None, 4)
            whole, _ = advance(pinn, Plan("as it is", None, start, 0, 10), None, 10)
            for name, value in whole.parameters.items():
                torch.testing.assert_close(again.parameters[name], value, rtol=1e-9, atol=1e-11)


def test_the_pinn_is_left_as_it_was() -> None:
    pinn = problem(steps=5)
    before = [t.detach().clone() for t in pinn.tensors]
    generator = torch.get_rng_state()
    pinndiag.remediate(pinn, ["lra"], steps=6, diagnosis=healthy())
    assert all(torch.equal(a, b) for a, b in zip(before, pinn.tensors, strict=True))
    assert torch.equal(generator, torch.get_rng_state())
    assert all(t.grad is None or t.grad.isfinite().all() for t in pinn.tensors)


def test_seeds_redraw_with_the_spread_of_the_stored_start() -> None:
    pinn = problem(steps=5)
    first, second, again = (placed(pinn, start="initial", seed=seed) for seed in (0, 1, 1))
    assert pinn.initial is not None
    for name, value in pinn.initial.items():
        assert torch.equal(first.parameters[name], value)
        assert torch.equal(second.parameters[name], again.parameters[name])
        if value.numel() > 50:
            assert not torch.equal(second.parameters[name], value)
            assert float(second.parameters[name].detach().std()) == pytest.approx(float(value.std()), rel=0.3)


def test_before_and_after_with_seeds_and_the_treated_network(tmp_path: Path) -> None:
    pinn = problem(steps=10)
    found = pinndiag.remediate(
        pinn, [Fixed(weights={"bc": 100.0}), "relobralo"], steps=60, seeds=2, start="initial", diagnosis=healthy()
    )
    record = found.record
    assert record.baseline is not None
    assert [len(arm.runs) for arm in (record.baseline, *record.arms)] == [2, 2, 2]
    assert (record.measure, record.chosen) == (
        "rel_l2",
        min((0, 1), key=lambda i: record.arms[i].left(record.chosen_by)),
    )
    assert record.evaluations == 3 * 2 * 60
    assert all(arm.error is not None and "2 seeds" in arm.words for arm in record.arms)
    path = found.treated.save(tmp_path / "treated.pt")
    again = pinndiag.load(path)
    assert again.weights == pytest.approx(record.arms[record.chosen].runs[0].weights)  # type: ignore[index]
    losses = {name: float(loss.detach()) for name, loss in again.losses().items()}
    assert losses == pytest.approx(record.arms[record.chosen].runs[0].losses, rel=1e-9)  # type: ignore[index]
    assert pinndiag.Comparison(record, None).to_dict() == found.to_dict()


def test_processes_give_what_one_process_gives() -> None:
    pinn = problem(steps=10)
    schemes = ["dynamic_norm", "relobralo"]  # three arms for two processes: each is cut into pieces
    one = pinndiag.remediate(pinn, schemes, steps=18, diagnosis=healthy())
    two = pinndiag.remediate(pinn, schemes, steps=18, jobs=2, diagnosis=healthy())
    assert one.record.evaluations == two.record.evaluations == 3 * 18
    for a, b in zip(one.record.arms, two.record.arms, strict=True):
        assert a.runs[0].losses == pytest.approx(b.runs[0].losses, rel=1e-8)
        assert a.runs[0].rel_l2 == pytest.approx(b.runs[0].rel_l2, rel=1e-8)


def test_deterministic_arms_run_once_from_the_checkpoint() -> None:
    found = pinndiag.remediate(problem(steps=10), ["lra", "relobralo"], steps=4, seeds=3, diagnosis=healthy())
    assert [len(arm.runs) for arm in found.record.arms] == [1, 3]
    assert any("deterministic: one run" in note for note in found.record.notes)


def test_an_interrupt_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = _lanes._piece

    def piece(pinn: PINN, plan: Plan, *rest: Any, **named: Any) -> object:
        calls.append(plan.key)
        if plan.key == "dynamic_norm":
            raise KeyboardInterrupt
        return real(pinn, plan, *rest, **named)

    monkeypatch.setattr(_lanes, "_piece", piece)
    record = pinndiag.remediate(problem(steps=10), ["lra", "dynamic_norm"], steps=4, diagnosis=healthy()).record
    assert record.interrupted
    assert [arm.key for arm in record.arms] == ["lra"]
    assert record.baseline is not None
    assert calls == ["as it is", "lra", "dynamic_norm"]


def test_a_healthy_network_is_not_treated_unless_a_scheme_is_named() -> None:
    found = pinndiag.remediate(problem(steps=5), steps=4, diagnosis=healthy())
    assert found.record.arms == []
    assert found.record.text.startswith("Nothing was treated")
    assert found.record.severity == "alike"
    with pytest.raises(PinndiagError, match="nothing was treated"):
        _ = found.treated
    assert pinndiag.remediate(problem(steps=5), ["lra"], steps=4, diagnosis=healthy()).record.arms


def test_auto_trains_all_candidates_to_the_half_and_two_to_the_end() -> None:
    dominated = Finding(
        code="PD201", pathology="pde_dominates", title="", severity="problem", terms=[], evidence=[], prescriptions=[]
    )
    sick = msgspec.structs.replace(healthy(), findings=[dominated])
    record = pinndiag.remediate(problem(steps=5), steps=20, start="initial", diagnosis=sick).record
    assert [trial.key for trial in record.trials] == ["lra", "dynamic_norm", "ntk", "config"]
    best = sorted(record.trials, key=lambda trial: trial.left("estimate"))[:2]
    assert {trial.key for trial in best} == {trial.key for trial in record.trials if trial.kept}
    assert {trial.key for trial in best} == {arm.key for arm in record.arms}
    assert record.evaluations == 3 * 20 + 2 * 10
    assert all((trial.steps, trial.evaluations) == (10, 10) and trial.seconds > 0 for trial in record.trials)
    assert record.baseline is not None
    scores = [arm.left("estimate") for arm in record.arms]
    least = min(scores)
    assert record.chosen == (scores.index(least) if least < record.baseline.left("estimate") else None)


def test_candidates_fit_the_pinn() -> None:
    pinn = problem()
    finding = Finding(
        code="PD302", pathology="propagation", title="", severity="warning", terms=[], evidence=[], prescriptions=[]
    )
    found = candidates(pinn, msgspec.structs.replace(healthy(), findings=[finding]))
    usual = ["dynamic_norm", "ntk"]  # the rest of four; causal weights need an axis that is told to be the time
    assert [one.key for one in found] == ["rba", "lra", *usual]
    note = msgspec.structs.replace(finding, severity="note")
    assert candidates(pinn, msgspec.structs.replace(healthy(), findings=[note])) == []


def test_lbfgs_is_not_trained_with_directions() -> None:
    pinn = problem()
    pinn.optimizer = OptimizerState("LBFGS", [{"lr": 1.0, "parameters": []}])
    finding = Finding(
        code="PD203",
        pathology="gradient_conflict",
        title="",
        severity="warning",
        terms=[],
        evidence=[],
        prescriptions=[],
    )
    found = candidates(pinn, msgspec.structs.replace(healthy(), findings=[finding]))
    assert [one.key for one in found] == ["lra", "dynamic_norm", "ntk"]
    for scheme in ("config", PCGrad()):
        with pytest.raises(PinndiagError, match="L-BFGS cannot train"):
            pinndiag.remediate(pinn, [scheme], steps=2, diagnosis=healthy())


def run(seed: int, error: float, finite: bool = True) -> ArmRun:
    return ArmRun(
        seed=seed,
        steps=1,
        losses={"a": 4.0, "b": 9.0},
        held_out={"a": 1.0},
        score=1.0,
        rel_l2=error,
        weights={},
        seconds=0.0,
        evaluations=1,
        finite=finite,
    )


def arm(*errors: float) -> Arm:
    return Arm(key="x", title="x", settings={}, runs=[run(seed, error) for seed, error in enumerate(errors)])


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        ([1.0], [0.1], "better"),
        ([1.0], [1.05], "alike"),
        ([1.0], [2.0], "worse"),
        ([1.0, 1.1, 0.9], [0.1, 0.2, 0.15], "better"),
        ([1.0, 1.1, 0.9], [0.2, 4.0, 1.0], "alike"),
        ([1.0, 1.1], [3.0, 3.1], "worse"),
        ([1.0], [math.nan], "diverged"),
    ],
)
def test_better_and_worse_are_called_beyond_the_spread(before: list[float], after: list[float], outcome: str) -> None:
    found = judged(arm(*after), arm(*before), "rel_l2")
    assert found.outcome == outcome
    assert ("one seed, not evidence" in found.words) == (len(before) == 1)


def test_without_a_solution_the_losses_at_fresh_points_count() -> None:
    assert run(0, 1.0).figure("losses") == pytest.approx(3.0)  # sqrt(1 * 9)
    assert run(0, 1.0, finite=False).figure("losses") == math.inf


def test_an_optimizer_that_is_not_known_is_replaced_and_said() -> None:
    pinn = problem()
    optimizer, notes = made(None, pinn.parameters, anew=True)
    assert (type(optimizer).__name__, optimizer.param_groups[0]["lr"]) == ("Adam", 1e-3)
    assert "Adam with a learning rate of 1e-3" in notes[0]


def test_what_cannot_work_is_refused() -> None:
    pinn = problem()
    with pytest.raises(PinndiagError, match="no scheme 'relobrolo'; did you mean 'relobralo'"):
        pinndiag.remediate(pinn, ["relobrolo"], steps=4)
    with pytest.raises(PinndiagError, match="no start 'begin'"):
        pinndiag.remediate(pinn, ["lra"], steps=4, start="begin")
    with pytest.raises(PinndiagError, match="initial parameters are those of the checkpoint"):
        pinndiag.remediate(pinn, ["lra"], steps=4, start="initial")


def test_terms_that_a_scheme_leaves_alone_keep_their_weights() -> None:
    pinn = problem(weights={"bc": 100.0})
    used = DynamicNorm(every=1)
    for _ in range(3):
        used({"pde": 50 * next(iter(pinn.losses().values())), "bc": pinn.losses()["bc"]}).backward()
    found = pinndiag.remediate(pinn, ["rba", "fixed", used, DynamicNorm(every=1)], steps=4).record
    shown = {arm.key: arm.runs[0].weights for arm in found.arms}
    assert found.baseline is not None
    assert found.baseline.runs[0].weights["bc"] == 100.0
    assert shown["rba"]["bc"] == shown["fixed"]["bc"] == 100.0
    assert shown["dynamic_norm"] == shown["dynamic_norm (2)"]  # an arm begins anew, whatever its scheme has seen


AS_CALLED: Any = inspect.unwrap(pinndiag.remediate)  # where nobody checks the types beforehand
WRONG: dict[str, dict[str, object]] = {
    "steps=4.0": {"steps": 4.0},
    "steps=1": {"steps": 1},
    "steps=True": {"steps": True},
    "jobs=0": {"jobs": 0},
    "seeds=0": {"seeds": 0},
    "seeds=[]": {"seeds": []},
    "seeds=[0, 1]": {"seeds": [0, 1]},
    "resample=-1": {"resample": -1},
    "'auto' is asked for beside other schemes": {"schemes": ["auto", "lra"]},
    "no scheme was named": {"schemes": []},
    "schemes= is a int": {"schemes": 3},
    "scheme= is not a balancing scheme": {"schemes": [nn.Linear]},
    "there is no scheme 'lar'; did you mean 'lra'?": {"schemes": ["lar"]},
    "there is no start 'here'": {"start": "here"},
    "remediate treats a wrapped PINN, and this is a Linear": {"pinn": nn.Linear(1, 1)},
}


@pytest.mark.parametrize("words", WRONG)
def test_what_makes_no_sense_is_refused_before_the_training(words: str) -> None:
    with pytest.raises(PinndiagError) as raised:
        AS_CALLED(**{"pinn": problem(), "diagnosis": healthy(), **WRONG[words]})
    assert str(raised.value).startswith(words) or f"asked for {words}\n" in str(raised.value)


def test_numbers_of_numpy_and_classes_of_schemes_are_taken() -> None:
    found = AS_CALLED(problem(), [DynamicNorm, Fixed], steps=np.int64(4), seeds=np.int32(1), diagnosis=healthy()).record
    assert [arm.key for arm in found.arms] == ["dynamic_norm", "fixed"]
    assert found.steps == 4
    assert found.arms[0].settings["reference"] == "pde"  # the default one is told
    assert pinndiag.remediate(problem(), ["auto"], steps=4, diagnosis=healthy()).record.arms == []


def test_a_layer_of_the_live_network_is_found_in_its_copies() -> None:
    pinn = problem()
    whole, last, named = GradNorm(), GradNorm(layer="last"), GradNorm(layer=pinn.tensors[-2:])
    found = pinndiag.remediate(pinn, [whole, last, named], steps=6, diagnosis=healthy()).record
    weights = [arm.runs[0].weights["bc"] for arm in found.arms]
    assert weights[1] == weights[2] != weights[0]
    assert named.layer == pinn.tensors[-2:]  # the scheme that was handed over is as it was
    with pytest.raises(PinndiagError, match="names no parameter that is trained"):
        pinndiag.remediate(pinn, [GradNorm(layer=list(nn.Linear(1, 1).parameters()))], steps=4, diagnosis=healthy())


def test_before_its_first_refresh_a_scheme_applies_the_weights_of_the_pinn() -> None:
    pinn = problem(weights={"bc": 100.0})
    late = DynamicNorm(first=4, every=1)
    shown = pinndiag.remediate(pinn, [late], steps=4, diagnosis=healthy()).record.arms[0].runs[0]
    assert shown.weights == {"pde": 1.0, "bc": 100.0}
    assert late.given == {}


def test_one_seed_has_no_spread() -> None:
    one, two = [run(0, 1.0)], [run(0, 1.0), run(1, 1.0)]
    arms = [Arm(key="a", title="a", settings={}, runs=runs, diagnosis=None, points=[]) for runs in (one, two)]
    assert judged(arms[0], arms[0], "losses").words == "no clear difference (one seed, not evidence)"
    assert judged(arms[1], arms[1], "losses").words == "no difference beyond the spread (2 seeds)"
