"""What arms are chosen by: the estimated error, else unfinished work; without a look at any solution."""

from __future__ import annotations

import math

import msgspec
import pytest

from pinndiag._remediate._choice import chosen_by, finalists, least, unfinished
from pinndiag._store import Run
from tests.remediate.test_remediate import arm
from tests.remediate.test_remediate import run as arm_run
from tests.store.runs import header, step


def run(*losses: float) -> Run:
    """Steps 0, 10, 20, ...; the second term stays at 2."""
    found = Run(None, header())
    for index, loss in enumerate(losses):
        found.steps.append(step(10 * index, {"pde": loss, "bc": 2.0}, {}))
    return found


def test_it_is_the_median_over_the_last_quarter_in_units_of_work() -> None:
    # work 3 at a loss of 1, so that the losses 5, 1 and 9 of the steps 60, 70, 80 count as 15, 3 and 27; and 4 of bc
    falling = run(100, 80, 60, 50, 40, 30, 5, 1, 9)
    assert unfinished(falling, {"pde": 3.0, "bc": 4.0}, {"pde": 1.0, "bc": 2.0}) == pytest.approx(15 + 4)
    assert unfinished(falling, {"pde": 3.0}, {"pde": 1.0}) == pytest.approx(15)  # a weight of zero leaves a term out


def test_a_spike_at_the_last_step_decides_nothing() -> None:
    calm, spiked = run(*[1.0] * 40), run(*[1.0] * 39, 1e6)
    work, losses = {"pde": 1.0, "bc": 0.0}, {"pde": 1.0, "bc": 2.0}
    assert unfinished(calm, work, losses) == unfinished(spiked, {"pde": 1e6, "bc": 0.0}, {"pde": 1e6, "bc": 2.0})


def test_what_is_not_finite_is_never_the_least() -> None:
    assert unfinished(run(1.0), {"pde": math.nan}, {"pde": 1.0}) == math.inf
    assert unfinished(run(), {"pde": 2.0, "bc": math.inf}, {"pde": 1.0, "bc": 1.0}) == math.inf
    assert unfinished(run(1.0, math.nan), {"pde": 1.0}, {"pde": 1.0}) == math.inf
    assert unfinished(run(1.0, 1.0), {"pde": 0.0}, {"pde": 0.0}) == 0.0


def test_two_go_on_and_one_is_chosen_if_it_betters_training_on() -> None:
    scores = {"lra": 3.0, "ntk": 1.0, "config": math.inf, "dynamic_norm": 2.0}
    assert finalists(scores) == ["ntk", "dynamic_norm"]
    assert least(scores) == "ntk"
    assert least(scores, 1.5) == "ntk"
    assert least(scores, 1.0) is None
    assert least({}) is None


def test_seeds_are_averaged_in_decades() -> None:
    two = arm(1.0, 1.0)
    scored = [msgspec.structs.replace(run, score=score) for run, score in zip(two.runs, (1e-6, 1e-2), strict=True)]
    assert msgspec.structs.replace(two, runs=scored).left("score") == pytest.approx(1e-4)
    diverged = [scored[0], msgspec.structs.replace(scored[1], score=math.inf)]
    assert msgspec.structs.replace(two, runs=diverged).left("score") == math.inf


def test_arms_are_chosen_by_the_estimated_error_where_all_have_one() -> None:
    without = arm_run(0, 1.0)
    with_one = msgspec.structs.replace(without, estimate=0.25)
    assert (without.left("estimate"), with_one.left("estimate"), with_one.left("score")) == (1.0, 0.25, 1.0)
    assert chosen_by([with_one, with_one]) == "estimate"
    assert chosen_by([with_one, without]) == "score"
