from tests.checks.records import finding, passes, probe, quick, replace, skipped, unfinished, with_terms


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


def test_does_not_flag_a_trivial_solution():
    constant = replace(unfinished().solution, spread=1e-3)
    assert passes("PD204", replace(contradictory(), solution=constant))


def test_not_applicable():
    assert "left out by quick" in skipped("PD204", quick(unfinished()))
