from tests.checks.records import (
    finding,
    held_out,
    passes,
    quick,
    record,
    replace,
    skipped,
    start,
    unfinished,
    with_terms,
)


def aliased(base, ratio, standard_error=0.1):
    return replace(base, start=start(held_out={"pde": held_out(ratio, standard_error)}))


def test_detects():
    found = finding("PD304", aliased(unfinished(), 1e6))
    assert (found.pathology, found.severity, found.terms) == ("aliasing", "problem", ["pde"])
    assert finding("PD304", aliased(unfinished(), 4.0)).severity == "warning"


def test_a_network_that_got_there_gets_a_note():
    assert finding("PD304", aliased(record(), 1e6)).severity == "note"


def test_does_not_flag_chance():
    assert passes("PD304", aliased(unfinished(), 1.2))
    assert passes("PD304", aliased(unfinished(), 4.0, standard_error=2.0))
    assert passes("PD304", with_terms(aliased(unfinished(), 1e3), pde={"points": 2, "entries": 2}))


def test_not_applicable():
    assert "left out by quick" in skipped("PD304", quick(record()))
    assert "fresh points" in skipped("PD304", replace(record(), start=start(held_out={})))
