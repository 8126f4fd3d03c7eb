import math

import pytest

from pinndiag._records import Band
from tests.checks.records import (
    finding,
    passes,
    probe,
    record,
    replace,
    run,
    skipped,
    spectrum,
    start,
    unfinished,
    with_terms,
    work,
)


@pytest.mark.parametrize(("sharpness", "severity"), [(1.5, "warning"), (5.0, "problem")])
def test_detects_now(sharpness, severity):
    found = finding("PD501", replace(unfinished(pde=5.0), spectrum=spectrum(sharpness)))
    assert (found.pathology, found.severity) == ("lr_too_high", severity)
    assert f"{0.5e-3 / sharpness:.2g}" in found.prescriptions[0].title


def test_detects_plain_descent_at_the_start():
    assert finding("PD501", replace(unfinished(), start=start(lr_sigma_max=3.0))).severity == "problem"


def test_detects_a_loss_that_has_grown():
    base = unfinished(pde=500.0)
    assert finding("PD501", base).severity == "problem"


@pytest.mark.parametrize(("update", "severity"), [(0.2, "warning"), (1.7, "problem")])
def test_detects_a_first_step_as_long_as_the_parameters(update, severity):
    assert finding("PD501", replace(unfinished(), start=start(update=update))).severity == severity
    assert finding("PD501", replace(record(), start=start(update=update))).severity == "note"
    assert passes("PD501", replace(unfinished(), start=start(update=0.07)))


def test_two_signs_that_agree_are_a_problem():
    grown = replace(unfinished(), start=start(update=0.2, losses={"pde": 2e-3, "bc": 2e-3}))
    assert finding("PD501", grown).severity == "problem"
    assert finding("PD501", replace(grown, start=replace(grown.start, update=0.01))).severity == "warning"


def test_a_network_at_rest_has_not_overshot():
    base = replace(unfinished(pde=5.0), spectrum=spectrum(5.0))
    assert passes("PD501", replace(base, probe=probe(1.05)))  # L-BFGS after Adam, whose state is of before
    assert finding("PD501", replace(base, probe=None)).severity == "problem"


def test_where_the_loss_has_fallen_far_another_optimizer_had_the_last_word():
    assert finding("PD501", replace(unfinished(pde=1e-3), spectrum=spectrum(100.0))).severity == "warning"


@pytest.mark.parametrize(("peak", "severity"), [(5.0, None), (20.0, "warning"), (500.0, "problem")])
def test_a_run_whose_first_steps_raised_the_loss(peak, severity):
    losses = [1.0, peak, *[0.7] * 38]
    band = Band(low=losses, high=losses)
    leapt = replace(unfinished(), history=run(list(range(40)), total=band, losses={"pde": band, "bc": band}))
    if severity is None:
        assert passes("PD501", leapt)
        return
    assert finding("PD501", leapt).severity == severity
    assert finding("PD501", leapt).evidence[0].value == pytest.approx(peak)


@pytest.mark.parametrize(("factor", "severity"), [(5.0, "warning"), (100.0, "problem")])
def test_a_run_whose_loss_has_risen_again(factor, severity):
    losses = [10 ** (-i / 10) if i < 30 else factor * 10**-2.45 for i in range(40)]  # the median of the best quarter
    band = Band(low=losses, high=losses)
    course = run(list(range(40)), total=band, losses={"pde": band, "bc": band})
    found = finding("PD501", replace(unfinished(), history=course))
    assert found.severity == severity
    assert found.evidence[0].value == pytest.approx(factor, rel=0.01)
    weighted = with_terms(replace(unfinished(), history=course), pde={"weight": 1e-3})  # weights of the end for both
    assert finding("PD501", weighted).evidence[0].value == pytest.approx(factor, rel=0.01)


@pytest.mark.parametrize(
    ("update", "rate"),
    [
        (1.5, "1e-05"),  # the first step is a hundred times too long
        (0.01, "0.0001"),  # not too long: then by the present place, a tenth
        (None, "0.0001"),
    ],
)
def test_the_start_says_which_rate_would_have_been_stable(update, rate):
    grown = replace(unfinished(pde=500.0), start=start(update=update), spectrum=spectrum(0.1))
    (cure,) = finding("PD501", grown).prescriptions
    assert cure.title == f"Lower the learning rate to about {rate}, and begin anew."


def test_detects_a_gradient_that_was_lost_in_the_training():
    dead = {"loss": 1.0, "grad_l2": 0.0, "work": work(math.inf)}
    found = finding("PD501", with_terms(unfinished(), pde=dead))
    assert found.severity == "problem"
    assert "no gradient of 'pde' is left" in found.title
    begun = replace(unfinished(), start=start(grad_l2={"pde": 0.0, "bc": 1.0}))
    assert passes("PD501", with_terms(begun, pde=dead))  # it never had one


@pytest.mark.parametrize("make", [record, unfinished])
def test_the_edge_is_a_note(make):
    found = finding("PD501", replace(make(), spectrum=spectrum(1.0)))
    assert found.severity == "note"
    assert not found.prescriptions


def test_a_finished_network_gets_a_note():
    assert finding("PD501", replace(record(), spectrum=spectrum(5.0))).severity == "note"


def test_does_not_flag():
    assert passes("PD501", replace(unfinished(), spectrum=spectrum(0.3)))


def test_not_applicable():
    bare = replace(record(), spectrum=None, start=None, reasons={"curvature.stability": "no optimizer is known"})
    assert "no optimizer" in skipped("PD501", bare)
    twice = replace(bare, reasons={"curvature.stability": "not applicable: the optimizer is unknown"})
    assert skipped("PD501", twice) == "needs the stability limit: the optimizer is unknown"
