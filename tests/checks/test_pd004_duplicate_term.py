import math

from tests.checks.records import constant, finding, passes, probe, record, replace, skipped, start, unfinished


def twins(cosine=1.0, now=(2.0, 0.1), then=(10.0, 0.5)):
    found = unfinished(pde=now[0], bc=now[1])
    losses = dict(zip(("pde", "bc"), then, strict=True))
    return replace(found, cosine={"pde|bc": cosine}, start=start(losses=losses))


def test_detects_one_course():
    found = finding("PD004", twins())
    assert (found.pathology, found.severity, found.terms) == ("duplicate_term", "warning", ["bc", "pde"])


def test_a_single_look_is_a_note():
    assert finding("PD004", replace(twins(), start=None)).severity == "note"


def test_other_parameters_tell_it_as_well_as_the_start():
    """2 : 0.1 at present, and 20 : 1 at a zero output."""
    bare = replace(twins(), start=None)
    same = replace(constant(10.0), zero={"pde": 20.0, "bc": 1.0})
    assert finding("PD004", replace(bare, constant=same)).severity == "warning"
    assert passes("PD004", replace(bare, constant=replace(same, zero={"pde": 20.0, "bc": 2.0})))
    probed = replace(probe(20.0), terms={"pde": 0.1, "bc": 0.005})
    assert finding("PD004", replace(bare, probe=probed)).severity == "warning"


def test_does_not_flag_other_courses_or_other_directions():
    assert passes("PD004", twins(now=(2.0, 0.2)))
    assert passes("PD004", twins(cosine=0.99))
    assert passes("PD004", twins(cosine=-1.0))
    assert passes("PD004", twins(cosine=math.nan))


def test_not_applicable_to_one_term():
    alone = replace(record(), terms={"pde": record().terms["pde"]})
    assert "two loss terms" in skipped("PD004", alone)
