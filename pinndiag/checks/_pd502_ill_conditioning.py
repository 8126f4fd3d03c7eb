"""PD502: a spectrum so wide that first-order steps crawl."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord, Evidence
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number

__all__ = ["CHECK", "stiff"]

DECADES = 6.0


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    assert record.probe is not None
    factor = record.probe.factor
    if math.isnan(factor):
        return CHECK.not_applicable(record.probe.reason or "the descent probe gave no number")
    state = gate(record, thresholds)
    evidence = stiff(record, thresholds)
    if not (state.open or state.state == "unknown") or not thresholds.probe.passed(factor) or not evidence:
        return CHECK.passed()
    return CHECK.finding(
        f"the optimizer crawls: L-BFGS lowers the loss {number(factor)}-fold in {record.probe.iterations} iterations",
        state.severity(thresholds.probe.far(factor)),
        terms=list(state.open),
        evidence=[compared("factor the loss falls by (descent probe)", factor, thresholds.probe), *evidence],
        prescriptions=[remedies.lbfgs(), remedies.train_longer()],
        sure=state.sure("How the loss fell in the last quarter of the run is not known."),
    )


def stiff(record: DiagnosisRecord, thresholds: Thresholds) -> list[Evidence]:
    """Evidence that curvature is what holds the optimizer back; empty when there is none."""
    spectrum = record.spectrum
    if spectrum is None:
        return []
    stability = spectrum.stability
    if stability is not None and not math.isnan(stability.sharpness):
        if thresholds.edge.passed(stability.sharpness):
            return [compared("learning rate / stability limit", stability.sharpness, thresholds.edge)]
        return []
    nodes = [] if spectrum.density is None else [abs(x) for probe in spectrum.density.nodes for x in probe]
    sizes = [x for x in nodes if 0 < x < math.inf]
    decades = math.log10(max(sizes)) - math.log10(min(sizes)) if sizes else 0.0
    if decades < DECADES:
        return []
    return [
        Evidence(
            name="decades of the Hessian's spectrum", value=decades, threshold=DECADES, source="Rathore et al. 2024"
        )
    ]


CHECK = Check(
    code="PD502",
    pathology="ill_conditioning",
    title="First-order steps crawl",
    passing="Conditioning is not what holds the training back",
    needs=("terms", "probe"),
    thresholds=("probe", "edge", "work"),
    decide=decide,
    detected="With work left, a hundred L-BFGS iterations on a copy lower the loss thirtyfold or more, and the "
    "learning rate is at least half its stability limit, so that larger steps are no way out (where the limit is "
    "unknown: the Hessian's spectrum spans six decades).",
    why="The sharpest direction limits the step, and along flat ones such steps need forever.",
    fix="A second-order phase: L-BFGS after Adam, in float64, with a scaled loss; preconditioning.",
    overturned_by="A cause named above it: an imbalance or a wrong learning rate leaves the same way down.",
    reference="Rathore et al. 2024 (arXiv 2402.01868)",
    symptom_of=(
        "input_scaling",
        "unscaled_problem",
        "bad_initialisation",
        "lr_too_high",
        "premature_stop",
        "collocation_overfit",
        "pde_dominates",
        "condition_dominates",
        "causality_violation",
        "propagation_failure",
        "pointwise_imbalance",
        "spectral_bias",
        "gradient_noise",
    ),
)
