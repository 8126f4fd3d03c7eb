from pinndiag._records import Trials, WeightTrial, WeightTrials
from tests.checks.records import (
    finding,
    passes,
    probe,
    quick,
    replace,
    skipped,
    travelling,
    unfinished,
    with_terms,
    work,
)


def contradictory(total=1.05, alone=1e4, cancellation=0.01):
    base = with_terms(unfinished(), pde={"probe_alone": probe(alone)}, bc={"probe_alone": probe(1e6)})
    return replace(base, probe=probe(total), cancellation=cancellation, solution=None)


def test_detects():
    found = finding("PD204", contradictory())
    assert (found.pathology, found.severity, set(found.terms)) == ("inconsistent_terms", "problem", {"pde", "bc"})
    assert "No weight" in found.prescriptions[0].why
    assert "trivial" in found.sure


def test_does_not_flag_a_way_down_or_a_term_that_is_stuck_alone():
    assert passes("PD204", contradictory(total=5.0))
    assert passes("PD204", contradictory(alone=2.0))
    assert passes("PD204", contradictory(cancellation=0.5))


def test_a_term_that_is_solved_need_not_fall():
    third = replace(contradictory().terms["pde"], loss=1e-9, work=work(1e-8), probe_alone=probe(3.0))
    base = replace(contradictory(), terms={**contradictory().terms, "ic": third})
    assert finding("PD204", base).severity == "problem"
    assert passes("PD204", with_terms(base, ic={"work": work(1e-2)}))  # it has work left, and does not fall alone


def test_does_not_flag_a_trivial_solution():
    constant = replace(unfinished().solution, spread=1e-3)
    assert passes("PD204", replace(contradictory(), solution=constant))


def test_not_judged_where_the_solution_has_not_travelled():
    assert "PD302" in skipped("PD204", travelling(contradictory(), 500.0))
    assert finding("PD204", travelling(contradictory(), 5.0, initial=False)).severity == "problem"


def test_not_applicable():
    assert "left out by quick" in skipped("PD204", quick(unfinished()))


def tried(unchanged, *after):
    runs = [
        WeightTrial(term="pde", factor=f, losses={"pde": a, "bc": b}, iterations=60, evaluations=66)
        for f, (a, b) in zip((1.0, 100.0, 0.01), (unchanged, *after), strict=True)
    ]
    before = {"pde": 1e-2, "bc": 1e-2}
    weights = WeightTrials(before=before, unchanged=runs[0], trials=runs[1:], weighted=["pde", "bc"])
    return replace(contradictory(), trials=Trials(weights=weights))


def test_a_front_is_named():
    found = finding("PD204", tried((1e-2, 1e-2), (1e-4, 4e-2), (4e-2, 1e-4)))
    assert found.severity == "problem"
    assert "trade along a front" in found.sure
    assert any("lowers 'pde' and 'bc' together" in e.name and e.value == 1.0 for e in found.evidence)
    assert "not tried" in finding("PD204", contradictory()).sure


def test_no_front_is_said_and_a_weight_that_serves_both_clears():
    assert "speaks against" in finding("PD204", tried((1e-2, 1e-2), (9e-3, 1e-2), (1e-2, 9e-3))).sure
    assert passes("PD204", tried((1e-2, 1e-2), (1e-4, 1e-3), (4e-2, 1e-4)))
