from tests.checks.records import (
    activation,
    activations,
    finding,
    passes,
    probe,
    record,
    replace,
    skipped,
    unfinished,
)


def collapsed(base, spread=1e-3, factor=1.02):
    return replace(base, solution=replace(record().solution, spread=spread), probe=probe(factor))


def test_detects_a_standstill():
    found = finding("PD402", collapsed(unfinished()))
    assert (found.pathology, found.severity) == ("trivial_solution", "problem")


def test_detects_a_collapse_that_looks_finished():
    assert finding("PD402", collapsed(record(), factor=1e3)).severity == "problem"


def test_detects_by_the_last_hidden_layer():
    layers = activations(
        activation("0", of="pde"), activation("2", 0.0, 1e-6), activation("0"), activation("2", 0.0, 0.0)
    )
    assert finding("PD402", replace(unfinished(), solution=None, activations=layers)).terms == ["bc"]


def test_does_not_flag_a_network_near_its_start():
    assert passes("PD402", collapsed(unfinished(), factor=1e6))


def test_does_not_flag_a_network_that_varies():
    assert passes("PD402", collapsed(unfinished(), spread=0.6))


def test_not_applicable_without_a_solution():
    assert "no solution" in skipped("PD402", replace(record(), solution=None))
