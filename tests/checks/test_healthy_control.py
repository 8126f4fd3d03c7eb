"""Negative control: everything that is called alarming and was measured in networks that solved their problem."""

import pytest

from pinndiag._diagnosis._judge import judge
from pinndiag._records import LayerParameters, OptimizerCard, Parameters
from pinndiag.checks import CHECKS, DEFAULT, gate
from tests.checks.records import (
    activation,
    activations,
    card,
    held_out,
    pointwise,
    probe,
    quick,
    record,
    replace,
    spectrum,
    start,
    term,
    with_terms,
    work,
)


def alarming():
    """A finished network with every figure of a healthy run that the literature would call a pathology."""
    moved = LayerParameters(
        name="0", entries=100, trainable=100, nonfinite=0, zeros=0.0, norm=1.0, spectral_norm=30.0, dead_rows=0
    )
    base = with_terms(
        record(),
        pde={"grad_l2": 3000.0, "work": work(8e-8), "held_out": held_out(7.0), "probe_alone": probe(7e3)},
        bc={"grad_l2": 1.0, "weight": 1.0, "work": work(9e-8), "held_out": held_out(0.8)},
    )
    return replace(
        base,
        cosine={"pde|bc": -0.97},
        alignment=-0.97,
        cancellation=0.016,
        spectrum=spectrum(1.02),
        activations=activations(activation("0", 0.47), activation("2", 0.3), activation("4", 0.2)),
        pointwise={
            "pde": pointwise(0.51, kurtosis=34.0, time_contrast=5.0),
            "bc": pointwise(0.51, kurtosis=34.0, points=200),
        },
        probe=probe(7e3),
        start=start(grad_l2={"pde": 570.0, "bc": 1.0}, slow_share={"pde": 0.64, "bc": 0.1}),
        parameters=Parameters(layers=[moved], entries=1000, trainable=1000, nonfinite=0),
    )


def weighted():
    """The same with a weight of 1e4 that the user had chosen well: ratio 5e-3."""
    return with_terms(alarming(), pde={"grad_l2": 50.0}, bc={"grad_l2": 1.0, "weight": 1e4})


def single():
    """A plain fit: one term."""
    return replace(
        alarming(),
        terms={"data": term()},
        cosine={},
        alignment=1.0,
        cancellation=1.0,
        pointwise={"data": pointwise(0.51)},
        start=None,
        solution=None,
        run=card(optimizer=OptimizerCard(kind="LBFGS", lr=1.0)),
    )


RECORDS = {"alarming": alarming, "weighted": weighted, "single": single, "plain": record}


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("mode", ["standard", "quick"])
def test_no_problem_and_no_warning(name, mode):
    base = RECORDS[name]() if mode == "standard" else quick(RECORDS[name]())
    judged = judge(base)
    assert [f for f in judged.findings if f.severity != "note"] == []
    assert judged.verdict.severity in ("none", "note")
    assert "No problem found" in judged.verdict.text
    assert "finished" in judged.verdict.text


@pytest.mark.parametrize("name", RECORDS)
def test_nothing_is_prescribed(name):
    assert all(not finding.prescriptions for finding in judge(RECORDS[name]()).findings)


@pytest.mark.parametrize("code", [check.code for check in CHECKS])
def test_the_same_figures_with_work_left_are_looked_at(code):
    """The control is no control if the gate were shut for another reason."""
    assert gate(alarming(), DEFAULT).state == "finished"
    left = with_terms(alarming(), pde={"work": work(1e-2)}, bc={"work": work(1e-2)})
    assert gate(left, DEFAULT).state == "unfinished"
    assert code in {*judge(left).passed, *(n.code for n in judge(left).not_applicable)} | {
        f.code for f in judge(left).findings
    }
