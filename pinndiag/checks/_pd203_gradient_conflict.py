"""PD203: terms that pull against each other although a common way down exists."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord, Severity
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import listed, number

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    assert record.probe is not None
    if record.alignment is None or record.cancellation is None or math.isnan(record.probe.factor):
        return CHECK.not_applicable(record.probe.reason or "alignment and cancellation were not measured")
    opposed = thresholds.alignment.passed(record.alignment) and thresholds.cancellation.passed(record.cancellation)
    state = gate(record, thresholds)
    if not opposed or len(state.open) < 2 or not thresholds.conflict_way.passed(record.probe.factor):
        return CHECK.passed()
    # one moment cannot show that it persists; in a young network on its way down it says nothing: PD503 speaks
    severity: Severity = "note" if thresholds.probe.passed(record.probe.factor) else "warning"
    return CHECK.finding(
        f"the gradients of {listed(state.open)} oppose each other (alignment {number(record.alignment)}), though "
        f"all could fall {number(record.probe.factor)}-fold",
        severity,
        terms=list(state.open),
        evidence=[
            compared("alignment of the terms' gradients", record.alignment, thresholds.alignment),
            compared(
                "cancellation: |sum of weighted gradients| / sum of their norms",
                record.cancellation,
                thresholds.cancellation,
            ),
            compared("factor the loss falls by (descent probe)", record.probe.factor, thresholds.conflict_way),
        ],
        prescriptions=[remedies.lbfgs(), remedies.joint_directions(record)],
        sure=state.sure("Seen at one checkpoint: whether it persists during the training is not known."),
    )


CHECK = Check(
    code="PD203",
    pathology="gradient_conflict",
    title="The terms' gradients oppose each other",
    passing="No harmful conflict between the terms' gradients",
    needs=("pair", "probe", "terms.work"),
    thresholds=("alignment", "cancellation", "conflict_way", "probe", "work"),
    decide=decide,
    detected="Alignment below -0.3 and cancellation below 0.3 while at least two terms have work left and the descent "
    "probe still finds a common way down. Opposed gradients alone say nothing: at a stationary point of two terms "
    "the cosine is -1 by definition, and without a common way down the terms contradict each other. From one "
    "checkpoint it is a warning at most, and a note where the probe gains so much that the training ended too early: "
    "young networks have opposed gradients.",
    why="A joint step then serves one term at the other's cost, and the training zigzags.",
    fix="Second-order steps (L-BFGS, SOAP): the common way down that the probe found is one of theirs, and they align "
    "the terms' steps (Wang et al. 2025). Or directions that serve every term (ConFIG, UPGrad).",
    overturned_by="A conflict seen at this moment only.",
    reference="Wang, Bhartari, Li, Perdikaris 2025 (arXiv 2502.00604); Liu et al. 2024 (ConFIG)",
    symptom_of=(
        "input_scaling",
        "unscaled_problem",
        "precision_floor",
        "lr_too_high",
        "premature_stop",
        "inconsistent_terms",
        "trivial_solution",
        "pde_dominates",
        "condition_dominates",
        "propagation_failure",
        "causality_violation",
        "pointwise_imbalance",
        "spectral_bias",
    ),
)
