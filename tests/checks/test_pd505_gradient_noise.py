import pytest

from pinndiag._diagnosis._judge import judge
from tests.checks.records import (
    card,
    course,
    finding,
    held_out,
    noise,
    passes,
    probe,
    record,
    replace,
    skipped,
    unfinished,
    with_terms,
)


def noisy(ratio=0.5, factor=1e3, **fields):
    """Fewer residuals (64) than parameters (1000), and fresh points no worse than those: the points change."""
    few = {"entries": 32, "points": 32}
    few = with_terms(unfinished(), pde={**few, "held_out": held_out(1.1)}, bc={**few, **fields})
    return replace(few, noise=noise(ratio, factor), run=card(parameters=1000))


@pytest.mark.parametrize(("factor", "severity"), [(20.0, "warning"), (1e3, "problem")])
def test_detects(factor, severity):
    found = finding("PD505", noisy(factor=factor))
    assert (found.pathology, found.severity, found.terms) == ("gradient_noise", severity, ["pde"])
    assert "0.5 times its own noise" in found.title
    assert "more points" in found.prescriptions[0].title


def test_where_the_points_may_stay_the_same_it_takes_a_run_and_is_a_warning_with_that_condition():
    base = noisy()
    for other in (
        with_terms(base, pde={"entries": 200, "points": 200}),  # too many to be learned by heart so early
        with_terms(base, pde={"held_out": held_out(50.0)}),  # they are
        with_terms(base, pde={"held_out": None}, bc={"held_out": None}),
    ):
        assert passes("PD505", other)
        found = finding("PD505", replace(other, history=course(0.001)))
        assert found.severity == "warning"
        assert "Only if each step" in found.sure
    drawn = with_terms(base, pde={"entries": 5000, "points": 5000, "random": True})
    assert finding("PD505", drawn).severity == "problem"  # it draws its points by itself


def test_causes_what_looks_like_a_training_that_ended_too_early():
    judged = judge(replace(noisy(), probe=probe(1e3)))
    assert [f.code for f in judged.problems] == ["PD505"]


def test_does_not_flag():
    assert passes("PD505", noisy(ratio=5.0))
    assert passes("PD505", noisy(factor=8.0))  # a large fixed set would not get further
    assert passes("PD505", replace(record(), noise=noise(0.1, 1e3)))  # finished
    assert passes("PD505", replace(noisy(), history=course(0.5)))  # the loss still falls
    assert finding("PD505", replace(noisy(), history=course(0.001))).severity == "problem"


def test_not_applicable():
    why = {"noise": "no term draws new points"}
    assert "no term draws" in skipped("PD505", replace(unfinished(), reasons=why))


def test_a_batch_that_is_fitted_at_once_is_no_training_that_ended_too_early():
    """A few points are always fitted; what counts is the large fixed set."""
    judged = judge(replace(noisy(factor=20.0), probe=probe(1e20)))
    assert [f.code for f in judged.findings if f.severity != "note"] == ["PD505"]
    assert [f.code for f in judge(replace(noisy(factor=None), probe=probe(1e20))).problems] == ["PD503"]


def jumping(history, scatter=0.2):
    return replace(unfinished(), noise=None, history=replace(history, scatter=scatter))


def test_jumps_beside_terms_that_draw_no_new_points_are_no_problem():
    """Steps that are too large at full batches jump as well; terms that draw by themselves are batches."""
    full = replace(jumping(course(0.0)), run=card(origin="live"))
    found = finding("PD505", full)
    assert found.severity == "warning"
    assert "draw no new points" in found.sure
    assert finding("PD505", with_terms(full, pde={"random": True})).severity == "problem"


@pytest.mark.parametrize(
    ("scatter", "decades", "severity"),
    [(0.05, 0.0, None), (0.12, 0.0, "warning"), (0.2, 0.0, "problem"), (0.2, 0.2, "problem"), (0.2, 2.0, "warning")],
)
def test_a_run_whose_losses_jump_to_and_fro(scatter, decades, severity):
    """A fall of 0.2 decades is within the chance of such losses: 3 x 1.5 x 0.2 x sqrt(2 / 10) = 0.4."""
    run = replace(jumping(course(decades), scatter), run=card(origin="run"))
    if severity is None:
        assert passes("PD505", run)
        return
    found = finding("PD505", run)
    assert (found.pathology, found.severity) == ("gradient_noise", severity)
    assert "to and fro" in found.title


def test_a_finished_run_may_jump():
    assert passes("PD505", replace(record(), noise=None, history=replace(course(0.0), scatter=0.3)))


def test_a_short_run_is_not_applicable():
    assert "too few records" in skipped("PD505", replace(unfinished(), noise=None, history=course(0.0)))


def test_a_batch_that_is_fitted_at_once_among_gradients_of_noise_only_is_a_warning():
    """Nothing gets far with the large set either, as where the frequency is high as well."""
    found = finding("PD505", replace(noisy(ratio=0.1, factor=1.7), probe=probe(1e20)))
    assert found.severity == "warning"
    assert passes("PD505", replace(noisy(ratio=0.1, factor=1.7), probe=probe(1.0)))
    assert passes("PD505", replace(noisy(ratio=1.0, factor=1.7), probe=probe(1e20)))
