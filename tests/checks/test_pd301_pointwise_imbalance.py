import pytest

from tests.checks.records import finding, passes, pointwise, probe, record, replace, skipped, unfinished


def concentrated(base, top, points=1000):
    return replace(base, pointwise={"pde": pointwise(top, points=points)})


@pytest.mark.parametrize(("top", "severity"), [(0.7, "warning"), (0.95, "problem")])
def test_detects(top, severity):
    found = finding("PD301", concentrated(unfinished(), top))
    assert (found.pathology, found.severity, found.terms) == ("pointwise_imbalance", severity, ["pde"])


def test_does_not_flag_healthy_concentration_or_finished_terms():
    assert passes("PD301", concentrated(unfinished(), 0.51))
    assert passes("PD301", concentrated(record(), 0.95))
    assert passes("PD301", concentrated(unfinished(pde=1e-8), 0.95))


def test_not_applicable():
    assert "60 points" in skipped("PD301", concentrated(unfinished(), 1.0, points=4))
    assert "failed" in skipped("PD301", replace(record(), pointwise={}, reasons={"pointwise": "it failed"}))


def test_the_optimizer_that_resolved_the_place_on_a_copy_comes_first():
    assert "residuals" in finding("PD301", concentrated(unfinished(), 0.95)).prescriptions[0].title
    shown = replace(concentrated(unfinished(), 0.95), probe=probe(50.0))
    assert "L-BFGS" in finding("PD301", shown).prescriptions[0].title
