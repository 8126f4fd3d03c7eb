import pytest

from tests.checks.records import field, finding, passes, pointwise, record, replace, skipped, unfinished

TIMES = [i / 99 for i in range(100)]
PLACES = [(37 * i % 100 + 0.5) / 101 for i in range(100)]


def travelling(base, contrast, worst=0, initial=True):
    residual = [10.0 if int(t * 9.99) == worst else 0.1 for t in TIMES]
    inside = pointwise(field=field([PLACES, TIMES], residual), time_contrast=contrast)
    other = [0.0] * 50 if initial else [1.0] * 50
    edge = pointwise(field=field([PLACES[:50], other]), points=50)
    return replace(base, pointwise={"pde": inside, "bc": edge})


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


def test_does_not_flag():
    assert passes("PD302", travelling(unfinished(), 5.0))
    assert passes("PD302", travelling(record(), 500.0))


def test_not_applicable():
    assert "time" in skipped("PD302", record())
    assert "point by point" in skipped("PD302", replace(record(), pointwise={}))
