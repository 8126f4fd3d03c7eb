import math

import pytest

from pinndiag._records import EstimatedError, Precision
from pinndiag.checks import DEFAULT, Threshold, gate
from tests.checks.records import (
    activation,
    activations,
    constant,
    held_out,
    pointwise,
    quick,
    record,
    replace,
    start,
    travelling,
    unfinished,
    with_terms,
    work,
)


def state(base, thresholds=DEFAULT):
    return gate(base, thresholds).state


def test_finished_is_a_conjunction():
    assert state(record()) == "finished"
    assert state(with_terms(record(), bc={"work": work(1e-4)})) == "unfinished"
    assert state(with_terms(record(), bc={"held_out": held_out(1e3)})) == "unfinished"
    assert state(replace(record(), solution=replace(record().solution, spread=0.01))) == "unfinished"
    lost = Precision(gradient=0.5, rounding={"pde": 0.1}, distinct={})
    assert state(replace(record(), precision=lost)) == "unfinished"
    flat = activations(activation("0"), activation("2", 0.0, 1e-7))
    assert state(replace(record(), solution=None, activations=flat)) == "unfinished"


def test_a_network_no_better_than_a_constant_is_not_finished():
    for ratio, expected in ((1e4, "finished"), (1.0, "unfinished"), (0.0, "finished"), (math.nan, "finished")):
        assert state(replace(record(), solution=None, constant=constant(ratio))) == expected
    assert state(replace(record(), constant=constant(1.0))) == "finished"  # the known solution says more
    unseen = [gate(replace(record(), solution=None, constant=constant(r)), DEFAULT).unseen for r in (1e4, 0.0)]
    assert unseen == [(), ("whether the output is constant",)]


def test_little_work_means_nothing_where_the_inputs_are_not_scaled():
    begun = start(saturation={"0": 0.98, "2": 0.0})
    stuck = activations(activation("0", 0.94, of="pde"), activation("0", 0.5, of="bc"), activation("2", 0.0))
    assert state(replace(record(), start=begun, activations=stuck)) == "unfinished"
    assert state(replace(record(), start=begun)) == "finished"  # it got there all the same
    assert state(replace(record(), activations=stuck)) == "finished"


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, "finished"), (1.9e-5, "finished"), (2.1e-5, "unfinished"), (math.inf, "unfinished")]
)
def test_bound_of_the_work(value, expected):
    assert state(with_terms(record(), pde={"work": work(value)})) == expected


def test_unknown_where_the_work_is_unknown():
    assert state(with_terms(record(), bc={"work": None})) == "unknown"
    assert state(with_terms(record(), bc={"work": work(math.nan)})) == "unknown"


def test_a_scalar_loss_has_only_an_upper_figure():
    assert state(with_terms(record(), bc={"work": work(1e-6, "scalar")})) == "finished"
    assert state(with_terms(record(), bc={"work": work(1e-3, "scalar")})) == "unknown"
    assert state(with_terms(record(), bc={"work": work(10.0, "scalar")})) == "unfinished"


def test_a_term_of_weight_zero_is_watched_only():
    assert state(with_terms(record(), bc={"work": work(10.0), "weight": 0.0})) == "finished"


def test_says_what_was_not_looked_at():
    assert gate(quick(record()), DEFAULT).unseen == ("fresh points", "rounding")
    assert gate(replace(record(), solution=None), DEFAULT).unseen == ("whether the output is constant",)
    assert "Not looked at: fresh points" in gate(quick(record()), DEFAULT).sure()


def test_thresholds_can_be_replaced():
    strict = replace(DEFAULT, work=Threshold.above(1e-9, "stricter"))
    assert state(record(), strict) == "unfinished"


def unsolved(**terms):
    """With terms changed, and no solution known."""
    return with_terms(replace(record(), solution=None), **terms)


def test_severities():
    finished, unfinished = gate(record(), DEFAULT), gate(unsolved(bc={"work": work(1.0)}), DEFAULT)
    unknown = gate(with_terms(record(), bc={"work": None}), DEFAULT)
    assert [g.severity(True) for g in (finished, unknown, unfinished)] == ["note", "warning", "problem"]
    assert [g.severity(False) for g in (finished, unknown, unfinished)] == ["note", "warning", "warning"]


def test_noise_is_no_unfinished_work():
    noisy = {"pde": pointwise(), "bc": pointwise(points=200, agreement=0.05)}
    base = replace(unfinished(pde=1e-7), pointwise=noisy)
    found = gate(base, DEFAULT)
    assert (found.state, found.open) == ("unknown", ())
    assert "neighbouring points" in found.words
    assert found.severity(True) == "warning"
    smooth = {**noisy, "bc": pointwise(points=200, agreement=0.9)}
    assert gate(replace(base, pointwise=smooth), DEFAULT).open == ("bc",)
    both = gate(replace(unfinished(), pointwise=noisy), DEFAULT)
    assert (both.state, both.open) == ("unfinished", ("pde",))  # what is left of the equation is looked at
    far = replace(base, solution=replace(base.solution, rel_l2=0.5))
    assert gate(far, DEFAULT).open == ("bc",)  # noise does not explain an error against the known solution


def test_little_work_means_nothing_while_the_loss_of_a_zero_output_is_left():
    base = replace(record(), solution=None, constant=constant(5.0))  # a fifth of it is left
    found = gate(base, DEFAULT)
    assert (found.state, found.open) == ("unfinished", ("bc", "pde"))
    assert found.words == "unfinished: 20 % of the loss of a zero output is left in 'bc'"
    assert gate(replace(base, constant=constant(1e3)), DEFAULT).state == "finished"
    sizes = {"pde": 1.0, "bc": 1e-3}
    tiny = replace(base.constant, zero=sizes, best=sizes, relative={"pde": 1e-6, "bc": 1.0})
    assert gate(replace(base, constant=tiny), DEFAULT).state == "finished"  # what a zero output solves as well
    assert gate(replace(base, solution=record().solution), DEFAULT).state == "finished"  # the known solution is met


def test_little_work_means_nothing_where_a_constant_does_hardly_worse():
    found = gate(replace(record(), solution=None, constant=constant(50.0)), DEFAULT)
    assert (found.state, found.open, found.suspected) == ("unfinished", ("bc", "pde"), True)
    assert found.words == "unfinished: its loss is only 50 times smaller than that of the best constant"
    assert state(replace(record(), constant=constant(50.0))) == "finished"  # the known solution is met
    solves = replace(constant(1e-4), zero={"pde": 1.0, "bc": 1.0}, relative={"pde": 1e-6, "bc": 1e-7})
    assert state(replace(record(), solution=None, constant=solves)) == "finished"  # a constant solves the terms


def test_little_work_means_nothing_against_a_known_solution():
    far = replace(record(), solution=replace(record().solution, rel_l2=0.3))
    found = gate(far, DEFAULT)
    assert (found.state, found.suspected) == ("unfinished", True)
    assert found.words == "unfinished: its relative error against the known solution is 0.3"
    assert state(replace(record(), solution=replace(record().solution, rel_l2=math.inf))) == "finished"  # of u = 0


def test_a_condition_is_measured_by_the_output():
    """A loss of 1e-3 where the output varies by 0.1: a violation of 32 % of it, although zero solves the condition."""
    flat = replace(constant(1e5), zero={"pde": 1.0, "bc": 0.0}, response={"pde": 0.0, "bc": 1e-2})
    placed = travelling(record(), 1.0)
    base = replace(with_terms(placed, bc={"loss": 1e-3}), solution=None, constant=flat)
    found = gate(base, DEFAULT)
    assert (found.state, found.open) == ("unfinished", ("bc",))
    assert found.words == "unfinished: 'bc' is off by 31.6 % of the output's spread"
    assert state(replace(base, constant=replace(flat, response={"pde": 0.0, "bc": 1.0}))) == "finished"
    assert state(replace(base, constant=replace(flat, ratio=0.0, zero={"pde": 0.0, "bc": 0.0}))) == "finished"
    inside = replace(flat, response={"pde": 1e-9, "bc": 1.0})  # an equation with a little of the unknown in it
    assert state(replace(base, constant=inside)) == "finished"


def test_hardly_beyond_the_bound_is_a_warning_at_most():
    close = with_terms(record(), pde={"work": work(4e-5)})
    assert (gate(close, DEFAULT).state, gate(close, DEFAULT).severity(True)) == ("unfinished", "warning")
    assert gate(unsolved(pde={"work": work(7e-5)}), DEFAULT).severity(True) == "problem"
    wrong = replace(close, solution=replace(record().solution, rel_l2=0.3))
    assert gate(wrong, DEFAULT).severity(True) == "problem"


def test_a_run_without_work_is_judged_by_how_far_it_fell():
    bare = {"work": None}
    begun = with_terms(record(), pde={**bare, "loss": 5.0}, bc={**bare, "loss": 0.4})  # of 10.0 and 0.5
    found = gate(replace(begun, solution=None), DEFAULT)
    assert (found.state, found.words) == (
        "unfinished",
        "unfinished: its loss has fallen by 0.289 decades only since the start",
    )
    assert state(with_terms(record(), pde=bare, bc=bare)) == "unknown"


def test_little_work_means_nothing_where_the_loss_has_hardly_fallen():
    """From 10.0 + 0.5 to 5.0 + 0.4, which only a run is judged by; a trained network that is trained on has no way."""
    base = replace(with_terms(record(), pde={"loss": 5.0}, bc={"loss": 0.4}), solution=None, constant=None)
    assert gate(base, DEFAULT).words == "unfinished: its loss has fallen by 0.289 decades only since the start"
    done = start(work={"pde": work(1e-6), "bc": work(1e-6)})
    assert state(replace(base, start=done)) == "finished"


def test_an_estimated_error_speaks_where_no_solution_is_known_and_it_stands_still():
    bare = replace(record(), solution=None)
    for value, moved, expected in (
        (0.5, 1.0, "unfinished"),
        (0.04, 1.0, "finished"),
        (0.5, 3.0, "finished"),
        (0.5, None, "finished"),
        (math.inf, 1.0, "finished"),
    ):
        assert state(replace(bare, estimated_error=EstimatedError(value=value, moved=moved))) == expected
    far = EstimatedError(value=0.5, moved=1.0)
    assert gate(replace(bare, estimated_error=far), DEFAULT).far
    assert not gate(replace(bare, estimated_error=EstimatedError(value=0.1, moved=1.0)), DEFAULT).far
    assert state(replace(record(), estimated_error=far)) == "finished"  # the solution says more
    noisy = {"pde": pointwise(agreement=0.05), "bc": pointwise(points=200, agreement=0.9)}
    assert state(replace(bare, estimated_error=far, pointwise=noisy)) == "finished"  # it would fit noise as well


def test_a_small_error_makes_no_problem_of_a_little_more_work():
    assert gate(with_terms(record(), pde={"work": work(1e-2)}), DEFAULT).severity(True) == "warning"
    wrong = replace(record(), solution=replace(record().solution, rel_l2=0.5))
    assert gate(with_terms(wrong, pde={"work": work(1e-2)}), DEFAULT).severity(True) == "problem"


def test_beside_noise_the_loss_of_a_constant_that_solves_the_rest_says_nothing():
    """An equation that zero solves, and data fitted down to their noise."""
    base = with_terms(replace(record(), solution=None), bc={"loss": 2e-3})
    noisy = {"pde": pointwise(agreement=0.9), "bc": pointwise(points=200, agreement=0.0)}
    found = replace(constant(1e3), best={"pde": 4e-7, "bc": 0.1}, zero={"pde": 0.0, "bc": 0.1})
    assert gate(replace(base, constant=found, pointwise=noisy), DEFAULT).state != "unfinished"
    more = replace(found, best={"pde": 4e-6, "bc": 1e-5})
    assert gate(replace(base, constant=more, pointwise=noisy), DEFAULT).state == "unfinished"
