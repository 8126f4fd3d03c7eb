from tests.checks.records import (
    begun_again,
    field,
    finding,
    passes,
    pointwise,
    quick,
    record,
    replace,
    skipped,
    start,
    unfinished,
)


def begun(base, spread, saturation=(0.0, 0.0, 0.0)):
    names = ("0", "2", "4")
    return replace(
        base,
        start=start(spread=dict(zip(names, spread, strict=True)), saturation=dict(zip(names, saturation, strict=True))),
    )


def test_detects_a_signal_that_dies():
    found = finding("PD404", begun(unfinished(), (0.3, 1e-3, 1e-7)))
    assert (found.pathology, found.severity) == ("bad_initialisation", "problem")
    assert "fell to 3.3e-7 of its size" in found.title


def test_a_layer_that_is_dead_from_the_start_is_said_to_be():
    found = finding("PD404", begun(unfinished(), (0.3, 1e-3, 0.0)))
    assert "the signal is gone in the last layer" in found.title.lower()
    assert "of its size" not in found.title


def test_detects_saturation_behind_the_first_layer():
    assert finding("PD404", begun(unfinished(), (0.5, 0.9, 0.9), (0.1, 0.9, 0.95))).severity == "problem"


def test_detects_weights_that_are_too_small_from_the_first_layer_on():
    points = {"pde": pointwise(field=field([[0.0, 1.0], [-2.0, 2.0]]))}
    dead = replace(begun(unfinished(), (5e-3, 4e-4, 3e-5)), pointwise=points)
    found = finding("PD404", dead)
    assert found.severity == "problem"
    assert "from the first layer on" in found.title
    wide = {"pde": pointwise(field=field([[0.0, 1e-3], [-2.0, 2.0]]))}
    assert passes("PD404", replace(dead, pointwise=wide))  # PD101


def test_saturation_from_the_first_layer_on_is_blamed_on_the_weights_where_the_inputs_are_of_order_one():
    saturated = begun(unfinished(), (0.9, 0.9, 0.9), (0.5, 0.9, 0.95))
    ordinary = replace(saturated, pointwise={"pde": pointwise(field=field([[0.0, 1.0], [-1.0, 1.0]]))})
    assert finding("PD404", ordinary).severity == "problem"
    assert passes("PD101", ordinary)
    wide = replace(saturated, pointwise={"pde": pointwise(field=field([[0.0, 1e3], [-1.0, 1.0]]))})
    assert passes("PD404", wide)
    assert finding("PD101", wide).severity == "warning"


def test_a_network_that_got_there_gets_a_note():
    assert finding("PD404", begun(record(), (0.3, 1e-3, 1e-7))).severity == "note"


def test_does_not_flag():
    assert passes("PD404", begun(unfinished(), (0.3, 0.1, 0.04)))
    assert passes("PD404", begun(unfinished(), (1e-4, 1e-6, 1e-9)))  # wrong from the first layer on


def test_not_applicable():
    assert "left out by quick" in skipped("PD404", quick(record()))
    assert "two layers" in skipped("PD404", replace(record(), start=start(spread={"0": 0.3})))


def test_another_draw_is_evidence_where_it_was_tried():
    dying = begun(unfinished(), (0.3, 1e-3, 1e-7))
    found = finding("PD404", replace(dying, trials=begun_again(8.0, 0.5)))
    assert (found.evidence[-1].value, found.evidence[-1].threshold) == (16.0, 3.0)
    assert "hardly better" not in found.sure
    assert "hardly better" in finding("PD404", replace(dying, trials=begun_again(8.0, 7.0))).sure
