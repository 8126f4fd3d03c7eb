from pinndiag._records import OptimizerCard
from tests.checks.records import card, finding, passes, probe, quick, record, replace, skipped, unfinished


def stopped(base, factor=1e3, kind="LBFGS"):
    return replace(base, probe=probe(factor), run=card(optimizer=OptimizerCard(kind=kind, lr=1.0)))


def test_detects():
    found = finding("PD504", stopped(unfinished(pde=1e-4, bc=1e-4)))
    assert (found.pathology, found.severity) == ("premature_stop", "problem")
    assert "tolerance_grad=0" in found.prescriptions[0].code


def test_a_finished_network_gets_a_note():
    assert finding("PD504", stopped(record())).severity == "note"


def test_does_not_flag():
    assert passes("PD504", stopped(unfinished(pde=1e-4, bc=1e-4), factor=2.0))
    assert passes("PD504", stopped(unfinished(pde=10.0, bc=10.0)))


def test_not_applicable():
    assert "not L-BFGS" in skipped("PD504", stopped(unfinished(), kind="Adam"))
    assert "left out by quick" in skipped("PD504", quick(record()))
