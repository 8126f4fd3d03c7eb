import pytest

from pinndiag._diagnosis._judge import judge
from pinndiag._records import Precision
from tests.checks.records import (
    finding,
    held_out,
    passes,
    probe,
    quick,
    record,
    replace,
    skipped,
    unfinished,
    with_terms,
)


def rounded(base, gradient=1e-7, rounding=1e-5, distinct=1.0):
    return replace(base, precision=Precision(gradient=gradient, rounding={"pde": rounding}, distinct={"pde": distinct}))


@pytest.mark.parametrize(
    "figures", [{"gradient": 0.01}, {"rounding": 0.1}, {"distinct": 0.25}], ids=["gradient", "rounding", "distinct"]
)
def test_detects(figures):
    found = finding("PD103", rounded(unfinished(), **figures))
    assert (found.pathology, found.severity) == ("precision_floor", "problem")


def test_with_little_work_it_is_a_problem_only_if_float64_gains():
    low = rounded(record(), gradient=0.5, rounding=0.5)
    assert finding("PD103", replace(low, probe=probe(100.0))).severity == "problem"
    assert finding("PD103", replace(low, probe=None)).severity == "warning"


def test_near_a_minimum_rounding_is_no_sign():
    assert passes("PD103", rounded(replace(record(), probe=probe(3.0)), gradient=0.5, rounding=0.1))
    assert passes("PD103", rounded(replace(unfinished(), probe=probe(1.02)), gradient=0.5, rounding=0.1))
    assert finding("PD103", rounded(replace(unfinished(), probe=probe(1.02)), distinct=0.25)).severity == "problem"


def test_the_gradient_of_a_converged_network_is_rounding_and_no_problem():
    assert finding("PD103", replace(rounded(record(), gradient=0.08), probe=probe(40.0))).severity == "note"


def test_does_not_flag_healthy_rounding_or_shared_corners():
    assert passes("PD103", rounded(unfinished(), 1e-5, 1e-3, 0.97))


def test_not_applicable():
    assert "left out by quick" in skipped("PD103", quick(record()))


def test_points_that_fell_together_are_named_and_have_to_be_made_anew():
    found = finding("PD103", rounded(unfinished(), distinct=0.25))
    assert found.title.startswith("25 % of the points of 'pde' are distinct")
    assert found.evidence[0].value == 0.25
    assert "make them anew" in found.prescriptions[0].code
    assert "make them anew" not in finding("PD103", rounded(unfinished(), rounding=0.1)).prescriptions[0].code


def test_a_residual_at_its_last_digit_on_points_learned_by_heart_is_no_cause():
    overfitted = with_terms(rounded(unfinished(), rounding=0.1), pde={"held_out": held_out(1e5)})
    assert [f.code for f in judge(overfitted).problems][:2] == ["PD303", "PD103"]
