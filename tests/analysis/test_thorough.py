"""What a thorough analysis adds, where it stands in the diagnosis, and what it says it cannot try."""

from __future__ import annotations

from pinndiag import PINN, analyze
from pinndiag._analysis._plan import plan, stages
from pinndiag._records import DiagnosisRecord, from_plain, to_plain
from tests.cases import CASES

TRIALS = ["weight_trials", "restart", "rescaled"]


def trained() -> PINN:
    pinn = CASES["poisson"]()
    pinn.initial = {name: 0.5 * tensor.detach() for name, tensor in pinn.parameters.items()}
    return pinn


def test_everything_is_tried_and_the_rest_says_what_it_needs() -> None:
    record = analyze(trained(), thorough=True).record
    assert record.run.mode == "thorough"
    assert record.trials.weights.weighted == ["pde", "bc"]
    assert record.trials.restart.steps == record.trials.rescaled.steps == 200
    assert record.trials.rescaling > 0
    assert set(TRIALS) <= set(record.run.costs)
    for name in ("wider", "fourier_features"):
        assert "needs another network" in record.reasons[name]
        assert "pinndiag compare" in record.reasons[name]
    again = from_plain(to_plain(record), DiagnosisRecord)
    assert to_plain(again) == to_plain(record)


def test_by_default_they_are_left_out_with_the_reason() -> None:
    chosen = ["gradients"]
    record = analyze(trained(), analyzers=chosen).record
    assert record.trials is None
    assert record.reasons["restart"] == "was not asked for"
    quick = analyze(trained(), quick=True).record
    assert quick.trials is None
    assert {quick.reasons[name] for name in TRIALS} == {"left out by quick"}
    names = [stage.name for stage in plan(trained())]
    assert not set(TRIALS) & set(names)
    assert [stage.name for stage in plan(trained(), thorough=True)] == [*names, *TRIALS]


def test_one_can_be_asked_for_by_name_and_a_failure_is_a_reason() -> None:
    record = analyze(CASES["poisson"](), analyzers=["restart", "weight_trials"]).record
    assert record.trials.restart is None
    assert record.trials.weights is not None
    assert "initial parameters are those of the checkpoint" in record.reasons["restart"]
    assert "wider" not in record.reasons


def test_costs_grow_with_the_terms() -> None:
    costs = {terms: {s.name: s.gradients for s in stages(terms)}["weight_trials"] for terms in (2, 3, 5)}
    assert costs == {2: 390, 3: 910, 5: 1430}
