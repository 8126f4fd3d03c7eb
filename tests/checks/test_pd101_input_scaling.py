import pytest

from tests.checks.records import (
    activation,
    activations,
    begun_again,
    field,
    finding,
    passes,
    pointwise,
    record,
    replace,
    skipped,
    start,
    unfinished,
)


def begun(saturation=0.0, spread=0.3):
    return start(saturation={"0": saturation, "2": 0.0}, spread={"0": spread, "2": 0.2})


@pytest.mark.parametrize(
    ("saturation", "spread", "severity"),
    [(0.9, 0.5, "problem"), (0.5, 0.5, "warning"), (0.0, 5e-3, "warning"), (0.0, 1e-6, "problem")],
)
def test_detects_at_the_start(saturation, spread, severity):
    found = finding("PD101", replace(unfinished(), start=begun(saturation, spread)))
    assert (found.pathology, found.severity) == ("input_scaling", severity)


def test_prescribes_the_map_of_the_widest_points():
    points = {"pde": pointwise(field=field([[0.0, 1e3], [-5.0, 5.0]])), "bc": pointwise(field=field([[0.0, 1.0]]))}
    found = finding("PD101", replace(unfinished(), start=begun(0.9), pointwise=points))
    assert "torch.tensor([0.0, -5.0]), torch.tensor([1000.0, 5.0])" in found.prescriptions[0].code
    assert any(e.value == "0 to 1000" for e in found.evidence)


def test_ordinary_inputs_are_not_to_blame():
    small = {"pde": pointwise(field=field([[0.0, 1.0], [-2.0, 2.0]])), "bc": pointwise(field=field([[0.0, 1.0]]))}
    tiny = replace(unfinished(), start=begun(0.0, 1e-5), pointwise=small)
    assert passes("PD101", tiny)
    assert passes("PD101", replace(tiny, start=begun(0.9)))


def test_without_the_start_the_present_is_a_warning():
    now = activations(activation("0", 0.99), activation("2", 0.1))
    assert finding("PD101", replace(unfinished(), start=None, activations=now)).severity == "warning"


def test_a_network_that_got_there_gets_a_note():
    assert finding("PD101", replace(record(), start=begun(0.9))).severity == "note"


def test_does_not_flag_a_condition_at_one_point():
    layers = activations(activation("0", 0.0, 0.3, "pde"), activation("0", 0.0, 0.0, "bc"))
    assert passes("PD101", replace(unfinished(), start=begun(0.0, 0.3), activations=layers))


def test_does_not_flag_saturation_that_came_later():
    assert passes("PD101", replace(unfinished(), activations=activations(activation("0", 0.99))))


def test_not_applicable_without_activations():
    assert "activations" in skipped("PD101", replace(record(), start=None, activations=None))


def test_a_scaled_copy_is_evidence_where_it_was_tried():
    saturated = replace(unfinished(), start=begun(0.9))
    found = finding("PD101", replace(saturated, trials=begun_again(9.0, 8.0, 0.5)))
    assert any(e.value == 16.0 and "scaled" in e.name and e.threshold == 3.0 for e in found.evidence)
    assert "hardly better" not in found.sure
    assert "hardly better" in finding("PD101", replace(saturated, trials=begun_again(9.0, 8.0, 7.0))).sure
    alone = finding("PD101", replace(saturated, trials=begun_again(9.0, 8.0)))
    assert not any("scaled" in e.name for e in alone.evidence)
