import pytest

from pinndiag._diagnosis._judge import judge
from tests.checks.records import (
    course,
    finding,
    passes,
    pointwise,
    probe,
    quick,
    record,
    replace,
    skipped,
    spectrum,
    start,
    unfinished,
    with_terms,
    work,
)


def test_detects():
    found = finding("PD503", replace(unfinished(), probe=probe(1e3), spectrum=spectrum(0.01)))
    assert (found.pathology, found.severity) == ("under_trained", "problem")
    assert any("learning rate" in p.title for p in found.prescriptions)


@pytest.mark.parametrize(
    ("sharpness", "update", "first"),
    [
        (1e-3, 4.5e-5, "Raise the learning rate to 0.25."),  # a quarter of the limit of 1, less than 0.33 of the step
        (1e-2, 4.5e-3, "Raise the learning rate to 0.0033."),  # by the step: 1e-3 x 0.015 / 4.5e-3
        (1e-2, 4.5e-2, "Train on"),  # the limit is far away, but the steps are long already
        (0.5, 4.5e-3, "Train on"),
        (1e-2, None, "Raise the learning rate to 0.0033."),  # a thirtieth of the limit of 0.1
        (3e-2, None, "Train on"),
    ],
)
def test_a_larger_rate_comes_first_where_the_steps_are_short(sharpness, update, first):
    base = replace(unfinished(), probe=probe(1e3), spectrum=spectrum(sharpness), start=start(update=update))
    titles = [p.title for p in finding("PD503", base).prescriptions]
    assert titles[0].startswith(first)
    assert any("learning rate" in title for title in titles) == first.startswith("Raise")


def test_where_nothing_is_known_of_the_steps_a_larger_rate_is_tried_after_more_of_them():
    titles = [p.title for p in finding("PD503", replace(unfinished(), probe=probe(1e3), spectrum=None)).prescriptions]
    assert ("Train on" in titles[0], "larger learning rate" in titles[1]) == (True, True)


def test_without_the_probe_it_says_that_no_cause_was_seen():
    found = finding("PD503", quick(unfinished()))
    assert found.severity == "warning"
    assert "--thorough" in found.prescriptions[0].command


@pytest.mark.parametrize(
    ("decades", "ended", "severity"), [(0.5, True, "problem"), (0.06, True, "warning"), (0.5, False, "warning")]
)
def test_a_run_that_ended_while_the_loss_fell(decades, ended, severity):
    found = finding("PD503", replace(quick(unfinished()), history=course(decades, ended=ended)))
    assert found.severity == severity
    assert "ended while the loss still fell" in found.title
    assert found.evidence[0].value == pytest.approx(decades, rel=0.01)  # whatever the spikes
    assert ("If the training goes on" in found.sure) is not ended


def test_a_run_whose_learning_rate_has_decayed():
    found = finding("PD503", replace(quick(unfinished()), history=course(0.001, lr=(1e-3, 1e-8))))
    assert found.severity == "problem"
    assert "decayed" in found.title
    level = finding("PD503", replace(quick(unfinished()), history=course(0.001)))
    assert (level.severity, "no cause" in level.title) == ("warning", True)


def test_speaks_last():
    judged = judge(replace(unfinished(), probe=probe(1e3), spectrum=spectrum(0.9)))
    assert [f.code for f in judged.findings if f.severity == "problem"] == ["PD502"]
    assert "another finding" in next(n.reason for n in judged.not_applicable if n.code == "PD503")


def test_speaks_beside_a_warning_but_does_not_guess_beside_one():
    crowded = replace(unfinished(), pointwise={"pde": pointwise(0.7)}, spectrum=spectrum(0.01))
    assert [f.code for f in judge(replace(crowded, probe=probe(1e3))).findings] == ["PD503", "PD301"]
    assert [f.code for f in judge(quick(crowded)).findings] == ["PD301"]


def test_does_not_flag():
    assert passes("PD503", replace(record(), probe=probe(7e3)))
    assert passes("PD503", replace(unfinished(), probe=probe(1.5)))


def test_a_descent_that_gains_little_is_a_warning_without_a_cause():
    found = finding("PD503", replace(unfinished(), probe=probe(5.0)))
    assert found.severity == "warning"
    assert "no cause was seen" in found.title


def test_not_applicable():
    assert "remaining work" in skipped("PD503", with_terms(record(), pde={"work": None}, bc={"work": None}))


def test_of_a_scalar_loss_the_work_is_called_an_upper_figure():
    base = with_terms(replace(unfinished(), probe=probe(1e3)), pde={"work": work(5.0, "scalar")})
    shown = {e.name: e.threshold for e in finding("PD503", base).evidence}
    assert shown["remaining work of 'pde' (a scalar loss: an upper figure)"] == 0.2
    assert shown["remaining work of 'bc'"] == 2e-5
