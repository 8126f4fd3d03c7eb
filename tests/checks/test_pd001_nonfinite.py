import math

import pytest

from pinndiag._records import LayerParameters, OptimizerCard, Parameters
from tests.checks.records import (
    card,
    course,
    field,
    finding,
    passes,
    pointwise,
    record,
    replace,
    skipped,
    start,
    with_terms,
)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_detects_a_loss(value):
    found = finding("PD001", with_terms(record(), bc={"loss": value}))
    assert (found.pathology, found.severity, found.terms) == ("nonfinite", "problem", ["bc"])


def test_detects_a_gradient_behind_a_finite_loss_and_names_the_trap():
    found = finding("PD001", with_terms(record(), pde={"grad_l2": math.nan, "nonfinite": 7}))
    assert "though the loss is not" in found.title
    assert "torch.where" in found.prescriptions[0].code


def test_detects_parameters_and_names_their_layer():
    layer = LayerParameters(
        name="net.2", entries=10, trainable=10, nonfinite=3, zeros=0, norm=math.nan, spectral_norm=None, dead_rows=0
    )
    parameters = Parameters(layers=[layer], entries=10, trainable=10, nonfinite=3)
    found = finding("PD001", replace(record(), parameters=parameters))
    assert any("net.2" in e.name for e in found.evidence)


def test_names_the_points():
    spoiled = pointwise(field=field([[0.0, 1.0], [2.0, 3.0]], [math.nan, 1.0]), nonfinite=1)
    found = finding("PD001", replace(record(), pointwise={"pde": spoiled}))
    assert any(e.value == "(0, 2)" for e in found.evidence)


def test_divergence_is_told_from_a_bad_point_by_the_start():
    spoiled = with_terms(record(), bc={"loss": math.nan})
    titles = [p.title for p in finding("PD001", spoiled).prescriptions]
    assert any("learning rate" in title for title in titles)
    assert not any("learning rate" in p.title for p in finding("PD001", replace(spoiled, start=None)).prescriptions)


def test_after_divergence_the_rate_is_by_the_limit_at_the_start():
    spoiled = replace(with_terms(record(), bc={"loss": math.nan}), spectrum=None)
    descent = card(optimizer=OptimizerCard(kind="SGD", lr=3.0))
    steep = replace(spoiled, run=descent, start=start(lr_sigma_max=1500.0))
    assert finding("PD001", steep).prescriptions[-1].title == "Lower the learning rate to about 0.002, and begin anew."
    long = replace(steep, start=start(lr_sigma_max=1500.0, update=90.0))  # 3 x 0.015 / 90
    assert "about 0.0005, and" in finding("PD001", long).prescriptions[-1].title


def test_of_a_run_the_limit_at_the_start_belongs_to_its_first_rate():
    descent = card(mode="run", optimizer=OptimizerCard(kind="SGD", lr=1.0))
    begun = record(spectrum=None, run=descent, start=start(lr_sigma_max=1500.0), history=course(0.1, lr=(3.0, 1.0)))
    diverged = with_terms(begun, bc={"loss": math.nan})
    assert "about 0.002, and" in finding("PD001", diverged).prescriptions[-1].title


def test_does_not_flag_a_kurtosis_without_meaning():
    assert passes("PD001", with_terms(record(), bc={"grad_kurtosis": math.nan}))


def test_not_applicable_to_nothing():
    assert "nothing" in skipped("PD001", replace(record(), terms={}, parameters=None))


def test_points_that_coincide_are_named_once():
    nan = math.nan
    bad = field([[0.0, 0.0, 1.0, 2.0, 3.0, 4.0], [0.0] * 6], [nan, nan, nan, nan, nan, nan])
    base = replace(record(), pointwise={"pde": pointwise(field=bad, nonfinite=6)})
    where = next(e.value for e in finding("PD001", base).evidence if e.name.startswith("where"))
    assert where == "(0, 0); (1, 0); (2, 0) and 2 more"
