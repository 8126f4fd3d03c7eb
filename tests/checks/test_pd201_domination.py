import math

import pytest

from pinndiag._diagnosis._judge import judge
from tests.checks.records import (
    field,
    finding,
    passes,
    pointwise,
    probe,
    quick,
    record,
    replace,
    skipped,
    start,
    travelling,
    unfinished,
    with_terms,
    work,
)


def dominated(weak="bc", strong="pde"):
    """`strong` has no work left; `weak` has, and its residuals pull a hundred times less."""
    return with_terms(
        unfinished(), **{weak: {"loss": 1e-2, "work": work(1e-1)}, strong: {"loss": 1e-5, "work": work(1e-6)}}
    )


def test_detects_the_residual():
    found = finding("PD201", dominated())
    assert (found.pathology, found.severity, found.terms) == ("pde_dominates", "problem", ["bc", "pde"])
    assert "'bc' has 1e5 times more work left" in found.title
    assert "DynamicNorm(reference='pde')" in found.prescriptions[0].code


def test_detects_a_condition():
    found = finding("PD201", replace(dominated("pde", "bc"), start=start(grad_l2={"pde": 1.0, "bc": 100.0})))
    assert (found.pathology, found.severity, found.terms) == ("condition_dominates", "problem", ["pde", "bc"])
    fixed = next(p for p in found.prescriptions if p.title.startswith("Or set the weight"))
    assert "weights['bc'] = 0.01" in fixed.code


def test_names_do_not_settle_it():
    base = dominated()
    swapped = replace(base, terms={"bc": base.terms["pde"], "pde": base.terms["bc"]}, start=None, pointwise={})
    assert finding("PD201", swapped).pathology == "pde_dominates"  # 1000 points against 200
    edges, inside = field([[0.0, 1.0, 0.0], [0.2, 0.4, 0.0]]), field([[0.3, 0.6, 0.2], [0.2, 0.4, 1.0]])
    crowd = replace(base, pointwise={"pde": pointwise(field=edges), "bc": pointwise(field=inside)}, start=None)
    assert finding("PD201", crowd).pathology == "condition_dominates"  # the larger set lies on the boundary


def test_weights_that_do_not_stand_in_the_way_are_a_warning():
    way_down = replace(probe(1e3), terms={"pde": 1e-8, "bc": 1e-5})
    assert finding("PD201", replace(dominated(), probe=way_down)).severity == "warning"
    not_for_bc = replace(probe(1e3), terms={"pde": 1e-12, "bc": 5e-3})
    assert finding("PD201", replace(dominated(), probe=not_for_bc)).severity == "problem"


def test_what_only_the_pull_says_is_a_warning_where_the_solution_has_not_travelled():
    base = replace(dominated(), start=start(grad_l2={"pde": 1.0, "bc": 1.0}))
    assert finding("PD201", travelling(base, 500.0)).severity == "warning"
    assert finding("PD201", travelling(base, 5.0)).severity == "problem"
    begun = start(grad_l2={"pde": 100.0, "bc": 1.0})
    assert finding("PD201", replace(travelling(base, 500.0), start=begun)).severity == "problem"
    judged = judge(travelling(base, 500.0))
    assert [(f.code, f.caused_by) for f in judged.problems] == [("PD302", "")]


def test_a_term_without_any_gradient_is_not_dominated():
    lost = {"loss": 1e-2, "work": work(math.inf), "grad_l2": 0.0}
    assert passes("PD201", with_terms(dominated(), bc=lost))


def test_no_gradient_at_the_start_is_not_called_infinitely_less():
    found = finding("PD201", replace(dominated(), start=start(grad_l2={"pde": 1.0, "bc": 0.0})))
    assert "received no gradient at the start" in found.title


def test_the_users_own_weights_are_named():
    names = [e.name for e in finding("PD201", with_terms(dominated(), bc={"weight": 1e-3})).evidence]
    assert "your weights: 'pde' / 'bc'" in names
    assert not any("your weights" in e.name for e in finding("PD201", dominated()).evidence)


def test_quick_says_the_main_thing():
    judged = judge(quick(dominated()))
    assert [(f.pathology, f.severity) for f in judged.problems] == [("pde_dominates", "problem")]
    assert "fresh points" in judged.problems[0].sure


@pytest.mark.parametrize("ratio", [1e3, 1e-3])
def test_does_not_flag_a_ratio_in_a_finished_network(ratio):
    assert passes("PD201", with_terms(record(), pde={"grad_l2": ratio}, bc={"grad_l2": 1.0}))


def test_does_not_flag_a_harder_term_that_pulls_harder():
    # an equation that is hard to learn has more work left than its conditions; weights are not the cause
    hard = with_terms(unfinished(), pde={"loss": 10.0, "work": work(1e-2)}, bc={"loss": 1e-7, "work": work(1e-6)})
    assert passes("PD201", hard)


def test_resamples_too_where_the_points_are_overfitted():
    overfitted = with_terms(dominated(), pde={"held_out": record().terms["pde"].held_out})
    assert not any("new points" in p.title for p in finding("PD201", overfitted).prescriptions)
    held = replace(record().terms["pde"].held_out, ratio=1e3)
    both = with_terms(dominated(), pde={"held_out": held})
    assert "new points" in finding("PD201", both).prescriptions[1].title


def test_not_applicable():
    assert "two loss terms" in skipped("PD201", replace(record(), terms={"pde": record().terms["pde"]}))
    bare = with_terms(record(), pde={"work": None}, bc={"work": None})
    assert "left out" in skipped("PD201", replace(bare, reasons={"work": "left out"}))


@pytest.mark.parametrize(("ratio", "weight"), [(16.0, 100), (100.0, 100), (101.0, 100), (300.0, 1000), (1e9, 10_000)])
def test_the_weight_is_the_ratio_rounded_up(ratio, weight):
    found = finding("PD201", replace(dominated(), start=start(grad_l2={"pde": ratio, "bc": 1.0})))
    fixed = next(p for p in found.prescriptions if p.title.startswith("Or set the weight"))
    assert float(fixed.code.split("weights['bc'] = ")[1].split()[0]) == weight


def test_the_weight_does_not_follow_a_ratio_that_proves_nothing():
    found = finding("PD201", replace(dominated(), start=start(grad_l2={"pde": 1.5, "bc": 1.0})))
    fixed = next(p for p in found.prescriptions if p.title.startswith("Or set the weight"))
    assert "weights['bc'] = 100" in fixed.code


def test_the_figure_that_decides_the_severity_comes_first():
    assert finding("PD201", dominated()).evidence[0].name == "remaining work of 'bc' / of 'pde'"
    close = with_terms(unfinished(), bc={"loss": 1e-2, "work": work(1e-1)}, pde={"loss": 1.0, "work": work(2e-3)})
    by_pull = finding("PD201", close)  # 50 times more work is a warning, a pull of 5000 a problem
    assert by_pull.severity == "problem"
    assert by_pull.evidence[0].value == pytest.approx(5000)
    assert by_pull.evidence[0].value == max(e.value for e in by_pull.evidence)


def test_a_term_that_does_not_fall_even_alone_is_not_held_back_by_another():
    base = dominated()
    assert finding("PD201", with_terms(base, bc={"probe_alone": probe(1.2, 60)})).severity == "warning"
    assert finding("PD201", with_terms(base, pde={"probe_alone": probe(1.2, 60)})).severity == "problem"
