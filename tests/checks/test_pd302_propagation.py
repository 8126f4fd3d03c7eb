import pytest

from tests.checks.records import (
    TIMES,
    field,
    finding,
    passes,
    pointwise,
    probe,
    record,
    replace,
    skipped,
    travelling,
    unfinished,
)


@pytest.mark.parametrize(("contrast", "severity"), [(50.0, "warning"), (500.0, "problem")])
def test_detects(contrast, severity):
    found = finding("PD302", travelling(unfinished(), contrast))
    assert (found.pathology, found.severity, found.terms[0]) == ("causality_violation", severity, "pde")


def test_the_axis_may_not_be_time():
    found = finding("PD302", travelling(unfinished(), 500.0, initial=False))
    assert found.pathology == "propagation_failure"
    assert "guess" in found.sure


def test_a_front_that_has_moved_on_is_propagation():
    assert finding("PD302", travelling(unfinished(bc=1e-8), 500.0, worst=3)).pathology == "propagation_failure"


def test_little_work_in_the_equation_does_not_clear_it_while_the_initial_condition_is_open():
    assert finding("PD302", travelling(unfinished(pde=1e-8), 500.0)).pathology == "causality_violation"
    assert passes("PD302", travelling(unfinished(pde=1e-8), 500.0, initial=False))


def test_does_not_flag():
    assert passes("PD302", travelling(unfinished(), 5.0))
    assert passes("PD302", travelling(record(), 500.0))


def test_not_applicable():
    assert "time" in skipped("PD302", record())
    assert "point by point" in skipped("PD302", replace(record(), pointwise={}))


def turned(base):
    """The record with time as the first coordinate."""

    def swap(found):
        return replace(found, field=replace(found.field, coordinates=found.field.coordinates[::-1]), time_contrast=1.0)

    return replace(base, pointwise={name: swap(found) for name, found in base.pointwise.items()})


def test_time_is_the_axis_at_whose_beginning_a_condition_lies():
    found = finding("PD302", turned(travelling(unfinished(), 500.0)))
    assert (found.pathology, found.severity, found.terms) == ("causality_violation", "problem", ["pde", "bc"])
    assert found.evidence[0].value == pytest.approx(1e4)  # 10^2 against 0.1^2
    assert passes("PD302", turned(travelling(unfinished(), 500.0, initial=False)))
    assert passes("PD302", turned(travelling(unfinished(), 500.0, worst=3)))


def at_rest(base, *, factor=1.02, end=False):
    """One coordinate, and a condition at its low end; each term falls alone, together they do not."""
    other = field([[0.0, 1.0]]) if end else field([[0.0, 0.0]])
    points = {"pde": pointwise(field=field([TIMES])), "bc": pointwise(points=2, field=other)}
    return replace(base, pointwise=points, probe=probe(factor), cancellation=1e-3)


def test_an_initial_value_problem_that_rests_has_not_followed_its_solution():
    found = finding("PD302", at_rest(unfinished()))
    assert (found.pathology, found.severity) == ("causality_violation", "problem")
    assert found.prescriptions[0].title.startswith("March")
    assert "has not travelled" in skipped("PD204", at_rest(unfinished()))


def test_other_problems_may_contradict_themselves():
    assert finding("PD204", replace(at_rest(unfinished(), end=True), solution=None)).severity == "problem"
    assert "time" in skipped("PD302", at_rest(unfinished(), end=True))
    assert "time" in skipped("PD302", at_rest(unfinished(), factor=3.0))
    assert "time" in skipped("PD302", at_rest(record()))
