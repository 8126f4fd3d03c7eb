import math

import pytest

from pinndiag._records import OptimizerCard
from tests.checks.records import finding, held_out, passes, quick, record, replace, skipped, with_terms, work


def overfitted(ratio, standard_error=0.1, left=1e-6):
    return with_terms(record(), pde={"held_out": held_out(ratio, standard_error), "work": work(left)})


@pytest.mark.parametrize(("ratio", "severity"), [(40.0, "warning"), (500.0, "problem"), (math.inf, "problem")])
def test_detects_though_the_work_is_small(ratio, severity):
    found = finding("PD303", overfitted(ratio))
    assert (found.pathology, found.severity, found.terms) == ("collocation_overfit", severity, ["pde"])


def test_work_that_is_small_between_the_points_too_is_no_problem():
    assert finding("PD303", overfitted(1e3, left=1e-12)).severity == "note"


def test_without_work_it_is_a_warning():
    bare = with_terms(overfitted(1e4), pde={"work": None}, bc={"work": None})
    assert finding("PD303", bare).severity == "warning"


def test_does_not_flag():
    assert passes("PD303", overfitted(7.0))
    assert passes("PD303", overfitted(40.0, standard_error=20.0))
    assert passes("PD303", overfitted(math.nan))


def test_not_applicable():
    assert "left out by quick" in skipped("PD303", quick(record()))


def test_an_optimizer_that_learns_from_changes_of_the_gradient_gets_more_points_first():
    titles = [p.title for p in finding("PD303", overfitted(500.0)).prescriptions]
    assert titles[0].startswith("Draw new points")
    run = replace(record().run, optimizer=OptimizerCard(kind="LBFGS", lr=1.0))
    titles = [p.title for p in finding("PD303", replace(overfitted(500.0), run=run)).prescriptions]
    assert titles[0].startswith("Use more points")  # and not "Or use"
