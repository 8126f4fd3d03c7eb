"""Other weights on a copy: contradicting terms with known minima, and runs that equal a descent with other weights."""

from __future__ import annotations

import math

import pytest
import torch

import pinndiag
from pinndiag import PINN, PinndiagError
from pinndiag._records import WeightTrial, WeightTrials, from_plain, to_plain
from pinndiag._terms._view import View
from pinndiag.analyzers import descent_probe, weight_trials
from tests.cases import CASES, mlp, uniform


def contradictory(third: bool = False) -> PINN:
    """u = 1 and u = 3 at the same points (and perhaps k = 2 of a number apart), at the compromise u = 2."""
    model = torch.nn.Linear(1, 1).double()
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.constant_(model.bias, 2.0)
    apart = torch.tensor([5.0], dtype=torch.float64, requires_grad=True)
    x = uniform(20)
    terms = {"one": lambda: model(x) - 1, "three": lambda: model(x) - 3}
    if third:
        terms["apart"] = lambda: apart - 2
    return pinndiag.wrap(model, terms, parameters=[apart] if third else None)


def test_contradicting_terms_reach_the_weighted_mean_and_trade_along_a_front() -> None:
    found = weight_trials(contradictory())
    assert found.before == pytest.approx({"one": 1.0, "three": 1.0})
    assert found.unchanged.losses == pytest.approx({"one": 1.0, "three": 1.0})
    assert [(run.term, run.factor) for run in found.trials] == [("one", 100.0), ("one", 0.01)]
    heavy, light = found.trials
    assert heavy.losses == pytest.approx({"one": (2 / 101) ** 2, "three": (200 / 101) ** 2})  # u = (100 + 3) / 101
    assert light.losses == pytest.approx({"one": (200 / 101) ** 2, "three": (2 / 101) ** 2})
    assert found.common_fall("one", "three") == pytest.approx(1.0)
    assert found.fronts(fall=3.0, stuck=1.2) == [("one", "three")]
    assert found.better(["one", "three"], rise=3.0)[1] < 1
    assert found.better(["one"], rise=3.0) is None or found.better(["one"], rise=3.0)[1] <= 1


def test_of_three_terms_every_weight_is_changed_and_only_the_contradicting_pair_is_a_front() -> None:
    found = weight_trials(contradictory(third=True))
    assert [(run.term, run.factor) for run in found.trials] == [
        (name, factor) for name in ("one", "three", "apart") for factor in (100.0, 0.01)
    ]
    assert found.fronts(fall=3.0, stuck=1.2) == [("one", "three")]
    assert found.common_fall("one", "apart") > 3


@pytest.mark.parametrize("case", ["poisson", "shared", "noisy", "single_precision"])
def test_a_run_is_a_descent_with_that_weight(case: str) -> None:
    pinn = CASES[case]()
    before = [t.detach().clone() for t in pinn.tensors]
    found = weight_trials(pinn, iterations=8)
    first = pinn.names[0]
    assert found.trials[0].term == first
    for factor, run in ((1.0, found.unchanged), (100.0, found.trials[0]), (0.01, found.trials[1])):
        twin = CASES[case]()
        twin.weights[first] *= factor
        expected = descent_probe(twin, iterations=8)
        assert run.losses == pytest.approx(expected.terms, rel=1e-6)
        assert (run.iterations, run.evaluations) == (expected.iterations, expected.evaluations)
    assert all(a.equal(b) and b.grad is None for a, b in zip(before, pinn.tensors, strict=True))
    assert weight_trials(pinn, iterations=8) == found
    assert from_plain(to_plain(found), WeightTrials) == found


def test_two_terms_need_one_weight_only() -> None:
    # the total with b x 100 is a hundred times that with a x 0.01, which the descent does not see
    found = weight_trials(CASES["poisson"](), iterations=8)
    twin = CASES["poisson"]()
    twin.weights["bc"] *= 100
    assert found.trials[1].losses == pytest.approx(descent_probe(twin, iterations=8).terms, rel=1e-6)


def test_terms_of_weight_zero_are_read_but_not_tried() -> None:
    pinn = contradictory(third=True)
    pinn.weights["apart"] = 0.0
    found = weight_trials(pinn, iterations=5)
    assert found.weighted == ["one", "three"]
    assert found.unchanged.losses["apart"] == pytest.approx(9.0)
    assert {run.term for run in found.trials} == {"one"}


def test_what_cannot_be_tried_says_why() -> None:
    weight = torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64))

    def over(**terms: object) -> PINN:
        return pinndiag.wrap(lambda p: p["w"], terms, parameters={"w": weight})

    with pytest.raises(PinndiagError, match="beside another term"):
        weight_trials(over(one=lambda: weight - 1))
    with pytest.raises(PinndiagError, match="not finite"):
        weight_trials(over(one=lambda: weight - 1, nan=lambda: weight * math.nan))
    with pytest.raises(PinndiagError, match="negative"):
        weight_trials(over(one=lambda: weight - 1, negative=lambda: (weight - 5).sum()))


def test_long_point_sets_are_descended_on_a_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = mlp(), uniform(600)
    terms = {"data": lambda x: model(x) - torch.sin(6 * x), "closure": lambda: model(x[:3])}
    pinn = pinndiag.wrap(model, terms, points={"data": x})
    monkeypatch.setattr("pinndiag._descent._descent.POINTS", 200)
    found = weight_trials(pinn, iterations=5)
    assert found.subset == {"data": 200}
    assert found.before == pytest.approx(View(pinn).losses, rel=1e-12)


def trials(before: tuple[float, float], *after: tuple[float, float]) -> WeightTrials:
    runs = [
        WeightTrial(term="a", factor=1.0, losses=dict(zip("ab", pair, strict=True)), iterations=1, evaluations=1)
        for pair in after
    ]
    return WeightTrials(
        before=dict(zip("ab", before, strict=True)), unchanged=runs[0], trials=runs[1:], weighted=["a", "b"]
    )


def test_an_imbalance_is_better_in_both_and_no_front() -> None:
    found = trials((1.0, 1.0), (0.9, 0.9), (1e-3, 1e-2), (0.8, 2.0))
    run, gain = found.better(["a", "b"], rise=3.0)
    assert (run.losses, gain) == ({"a": 1e-3, "b": 1e-2}, pytest.approx(90.0))
    assert found.common_fall("a", "b") == pytest.approx(100.0)
    assert found.fronts(fall=3.0, stuck=1.2) == []


def test_a_term_that_is_finished_may_not_be_given_up() -> None:
    found = trials((1.0, 1e-8), (0.9, 1e-8), (1e-3, 1e-4))
    assert found.better(["a"], rise=3.0) is None
    assert found.better(["a"], rise=1e5)[1] == pytest.approx(900.0)
    assert found.better([], rise=3.0) is None


def test_a_front_needs_a_price_and_a_fall_of_each() -> None:
    assert trials((1.0, 1.0), (1.0, 1.0), (0.1, 1.5), (1.5, 0.1)).fronts(fall=3.0, stuck=1.2) == []  # no price
    assert trials((1.0, 1.0), (1.0, 1.0), (0.1, 9.0), (2.0, 0.9)).fronts(fall=3.0, stuck=1.2) == []  # b never falls
    assert trials((1.0, 1.0), (1.0, 1.0), (0.1, 9.0), (2.0, 0.1)).fronts(fall=3.0, stuck=1.2) == [("a", "b")]


@pytest.mark.parametrize("odd", [math.nan, math.inf, 0.0])
def test_odd_losses_are_no_gain(odd: float) -> None:
    found = trials((1.0, odd), (1.0, odd), (odd, odd), (0.5, math.nan))
    assert found.better(["b"], rise=3.0) is None or not math.isnan(found.better(["b"], rise=3.0)[1])
    assert isinstance(found.fronts(fall=3.0, stuck=1.2), list)
    assert trials((1.0, 1.0), (1.0, 1.0), (math.nan, math.nan)).better(["a", "b"], rise=3.0) is None
