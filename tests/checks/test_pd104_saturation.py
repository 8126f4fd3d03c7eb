from tests.checks.records import activation, activations, finding, passes, record, replace, skipped, unfinished


def saturated(base, *shares):
    return replace(base, activations=activations(*(activation(str(2 * i), s) for i, s in enumerate(shares))))


def test_detects_all_layers():
    found = finding("PD104", saturated(unfinished(), 0.95, 0.97, 0.99))
    assert (found.pathology, found.severity) == ("saturation", "problem")


def test_one_layer_is_a_warning():
    assert finding("PD104", saturated(unfinished(), 0.1, 0.97, 0.2)).severity == "warning"


def test_a_finished_network_gets_a_note():
    assert finding("PD104", saturated(record(), 0.95, 0.97)).severity == "note"


def test_does_not_flag_what_trained_networks_show():
    assert passes("PD104", saturated(unfinished(), 0.47, 0.3))


def test_does_not_flag_a_layer_that_only_one_term_saturates():
    layers = activations(activation("0", 0.99, of="bc"), activation("0", 0.1, of="pde"))
    assert passes("PD104", replace(unfinished(), activations=layers))


def test_not_applicable():
    assert "saturates" in skipped("PD104", saturated(unfinished(), None, None))
    assert "activations" in skipped("PD104", replace(record(), activations=None))
