"""analyze: which analyzers run, that none costs another its figures, and that nothing is changed."""

from __future__ import annotations

import inspect
import json
import math

import pytest
import torch

import pinndiag
from pinndiag import PinndiagError
from pinndiag._analysis import _plan
from pinndiag._analysis._analyze import analyze_weights
from pinndiag._analysis._plan import Event, plan
from pinndiag._analysis._running import run_stages
from tests.cases import CASES


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_analysed_without_a_failure(name: str) -> None:
    diagnosis = pinndiag.analyze(CASES[name](), analyzers=[s.name for s in _plan.stages(2) if not s.beside])
    assert not [why for why in diagnosis.record.reasons.values() if "failed with" in why], diagnosis.record.reasons
    for term in diagnosis.record.terms.values():
        assert term.sigma_max is not None
        assert math.isfinite(term.sigma_max.value)
        assert term.work is not None
    json.dumps(diagnosis.to_dict(), allow_nan=False)


def test_nothing_of_the_model_is_changed() -> None:
    pinn = CASES["poisson"]()
    before = [p.detach().clone() for p in pinn.tensors]
    state = torch.get_rng_state()
    pinndiag.analyze(pinn)
    assert all(torch.equal(a, b) for a, b in zip(before, pinn.tensors, strict=True))
    assert all(p.grad is None for p in pinn.tensors)
    assert torch.equal(state, torch.get_rng_state())


def figures(diagnosis: pinndiag.Diagnosis) -> dict:
    plain = diagnosis.to_dict()
    del plain["run"]
    return plain


def test_the_same_seed_gives_the_same_diagnosis() -> None:
    assert figures(pinndiag.analyze(CASES["poisson"](), seed=3)) == figures(
        pinndiag.analyze(CASES["poisson"](), seed=3)
    )


def test_experiments_beside_the_rest_give_the_same_figures() -> None:
    pinn = CASES["poisson"]().copy()
    chosen = plan(pinn)
    one = run_stages(chosen, pinn, 0, None)
    torch.set_num_threads(2)
    try:
        two = run_stages(chosen, pinn, 0, None)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert set(one[0]) == set(two[0]) == {stage.name for stage in chosen} - set(one[1])
    assert one[0]["descent_probe"].factor == pytest.approx(two[0]["descent_probe"].factor, rel=1e-6)
    assert one[0]["curvature"].total.sigma_max.value == pytest.approx(two[0]["curvature"].total.sigma_max.value)


def test_quick_has_no_experiments() -> None:
    diagnosis = pinndiag.analyze(CASES["poisson"](), quick=True)
    assert diagnosis.record.probe is None
    assert diagnosis.record.reasons["descent_probe"] == "left out by quick"
    assert diagnosis.record.spectrum is not None
    assert diagnosis.record.spectrum.density is None
    assert {diagnosis.record.reasons[f"curvature.{part}"] for part in ("density", "trace")} == {"left out by quick"}


def test_thorough_runs_more_than_the_default() -> None:
    pinn = CASES["poisson"]()
    default, thorough = ({s.name for s in plan(pinn, thorough=t)} for t in (False, True))
    assert default < thorough


def test_chosen_analyzers_only() -> None:
    diagnosis = pinndiag.analyze(CASES["linear"](), analyzers=["gradients"])
    assert diagnosis.record.run.mode == "chosen"
    assert diagnosis.record.terms["data"].sigma_max is None
    assert diagnosis.record.reasons["curvature"] == "was not asked for"


def test_any_subset_gives_what_it_measured() -> None:
    pinn = CASES["linear"]()
    diagnosis = pinndiag.analyze(pinn, analyzers=["curvature"])
    term = diagnosis.record.terms["data"]
    assert term.sigma_max is not None
    assert term.sigma_max.value == pytest.approx(pinndiag.analyzers.curvature(pinn).terms["data"].sigma_max.value)
    assert term.grad_l2 > 0  # a term's record begins with its gradient, which is therefore always measured
    assert term.work is None


def test_unknown_analyzers_are_named() -> None:
    with pytest.raises(PinndiagError, match="no analyzer called 'gradient'") as caught:
        pinndiag.analyze(CASES["linear"](), analyzers=["gradient"])
    assert "gradients" in caught.value.where


def test_an_analyzer_that_fails_costs_no_other_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(_plan.measure, "kernel", broken)
    diagnosis = pinndiag.analyze(CASES["linear"](), analyzers=["gradients", "kernel"])
    assert diagnosis.record.reasons["kernel"] == "the analyzer failed with ZeroDivisionError: planted"
    assert diagnosis.record.terms["data"].grad_l2 > 0


def test_a_file_name_or_a_bare_model_is_refused_with_advice() -> None:
    for wrong in ("heat.pt", torch.nn.Linear(1, 1)):
        with pytest.raises(PinndiagError, match="needs a wrapped PINN") as caught:
            inspect.unwrap(pinndiag.analyze)(wrong)  # without the tests' run-time type checker
        assert "pinndiag.load" in caught.value.fix


def test_progress_is_told_before_each_stage_with_its_cost() -> None:
    events: list[Event] = []
    pinn = CASES["linear"]()
    pinndiag.analyze(pinn, quick=True, progress=events.append)
    assert [e.index for e in events] == list(range(len(events)))
    assert [e.stage for e in events] == [s.words for s in plan(pinn, quick=True)]
    assert all("gradient" in e.cost for e in events)


def test_nan_is_a_finding() -> None:
    model = torch.nn.Linear(1, 1)
    x = torch.ones(4, 1)
    pinn = pinndiag.wrap(
        model, {"bad": lambda: torch.sqrt(model(x) - 100), "good": lambda x: model(x)}, points={"good": x}
    )
    diagnosis = pinndiag.analyze(pinn)
    assert diagnosis.findings[0].pathology == "nonfinite"
    assert diagnosis.findings[0].severity == "problem"
    assert diagnosis.record.terms["good"].grad_l2 > 0
    json.dumps(diagnosis.to_dict(), allow_nan=False)


def test_weights_alone() -> None:
    diagnosis = analyze_weights({"a.weight": torch.tensor([[1.0, math.nan]]), "a.bias": torch.zeros(1)}, name="w")
    assert diagnosis.record.parameters is not None
    assert diagnosis.record.parameters.nonfinite == 1
    assert any(f.pathology == "nonfinite" for f in diagnosis.findings)
    assert "weights only" in diagnosis.record.reasons["gradients"]
