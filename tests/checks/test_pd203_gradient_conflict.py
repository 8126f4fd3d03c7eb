from pinndiag._diagnosis._judge import judge
from tests.checks.records import finding, passes, probe, quick, record, replace, skipped, unfinished


def opposed(base, alignment=-0.95, cancellation=0.05, factor=10.0):
    return replace(base, alignment=alignment, cancellation=cancellation, probe=probe(factor), cosine={"pde|bc": -0.99})


def test_detects():
    found = finding("PD203", opposed(unfinished()))
    assert (found.pathology, found.severity, set(found.terms)) == ("gradient_conflict", "warning", {"pde", "bc"})


def test_in_a_young_network_the_training_that_ended_too_early_comes_first():
    found = judge(opposed(unfinished(), factor=59.0)).findings
    assert [(f.code, f.severity) for f in found] == [("PD503", "warning"), ("PD203", "note")]
    assert [f.code for f in judge(opposed(unfinished(), factor=10.0)).findings] == ["PD203"]


def test_does_not_flag_without_a_common_way_down():
    assert passes("PD203", opposed(unfinished(), factor=1.1))


def test_does_not_flag_a_finished_or_half_finished_network():
    assert passes("PD203", opposed(record()))
    assert passes("PD203", opposed(unfinished(bc=1e-8)))


def test_does_not_flag_agreement():
    assert passes("PD203", opposed(unfinished(), alignment=0.2))
    assert passes("PD203", opposed(unfinished(), cancellation=0.8))


def test_not_applicable():
    assert "left out by quick" in skipped("PD203", quick(unfinished()))
    assert "alignment" in skipped("PD203", replace(opposed(unfinished()), alignment=None))
