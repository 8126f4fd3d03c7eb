import pytest

from tests.checks.records import finding, passes, record, replace, skipped, unfinished, with_terms, work


def vanishing(ratio, bc=1e-2, pde=1e-2):
    changes = {"pde": {"grad_l2": ratio, "work": work(pde)}, "bc": {"grad_l2": 1.0, "work": work(bc)}}
    return with_terms(unfinished(), **changes)


@pytest.mark.parametrize(("ratio", "severity"), [(2e3, "warning"), (1e4, "problem")])
def test_detects(ratio, severity):
    found = finding("PD202", vanishing(ratio))
    assert (found.pathology, found.severity, found.terms) == ("pde_dominates", severity, ["bc", "pde"])


def test_sees_weighted_gradients():
    assert passes("PD202", with_terms(vanishing(1e4), bc={"grad_l2": 1.0, "weight": 1e4}))


def test_does_not_flag_a_finished_term_or_the_lesser_work():
    assert passes("PD202", vanishing(1e5, bc=1e-7))
    assert passes("PD202", vanishing(1e5, bc=1e-3, pde=1.0))
    assert passes("PD202", with_terms(record(), pde={"grad_l2": 3e3}, bc={"grad_l2": 1.0}))


def test_without_work_it_is_a_warning():
    assert finding("PD202", with_terms(vanishing(1e6), pde={"work": None}, bc={"work": None})).severity == "warning"


def test_not_applicable():
    assert "two loss terms" in skipped("PD202", replace(record(), terms={}))
    assert "PD201" in skipped("PD202", vanishing(1e5, bc=1.0, pde=1e-6))
