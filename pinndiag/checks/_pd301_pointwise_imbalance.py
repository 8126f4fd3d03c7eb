"""PD301: few points carry the loss."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord, Prescription
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import counted
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted, worst_first

__all__ = ["CHECK"]

FEWEST = 60  # of fewer points the worst 5 % are one or two


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    terms = counted(record)
    shares = {
        n: p.top_share.get("5%", math.nan) for n, p in record.pointwise.items() if n in terms and p.points >= FEWEST
    }
    if not shares:
        return CHECK.not_applicable(f"no term has {FEWEST} points or more")
    state = gate(record, thresholds)
    high = {n: s for n, s in shares.items() if thresholds.top_share.passed(s) and state.allows(n)}
    if not high:
        return CHECK.passed()
    names = worst_first(high)
    worst = names[0]
    evidence = [
        compared(f"share of the loss of {quoted(n)} on its worst 5 % of points", high[n], thresholds.top_share)
        for n in names
    ]
    return CHECK.finding(
        f"5 % of the points carry {number(100 * high[worst])} % of {quoted(worst)}",
        state.severity(thresholds.top_share.far(high[worst])),
        terms=names,
        evidence=evidence,
        prescriptions=_cures(record, worst, thresholds),
        sure=state.sure("Seen at one checkpoint: whether the place is stable is not known."),
    )


def _cures(record: DiagnosisRecord, worst: str, thresholds: Thresholds) -> list[Prescription]:
    """L-BFGS first where the descent probe has shown that it resolves the place."""
    shown = record.probe is not None and thresholds.probe.passed(record.probe.factor)
    cures = [remedies.point_weights(worst), remedies.adaptive_points()]
    return [remedies.lbfgs(), *cures] if shown else [*cures, remedies.lbfgs()]


CHECK = Check(
    code="PD301",
    pathology="pointwise_imbalance",
    title="Few points carry the loss",
    passing="The loss is spread over the points",
    needs=("pointwise",),
    thresholds=("top_share", "probe", "work"),
    decide=decide,
    detected=f"The worst 5 % of a term's points carry more than 60 % of its mean square, while the term has work left; "
    f"of at least {FEWEST} points. Healthy ends reach 51 %.",
    why="A shock, a layer or a narrow source is a small part of the mean, so the optimizer has little reason to "
    "resolve it.",
    fix="L-BFGS where the descent probe lowers the loss thirtyfold: then the step is what is missing. Else weight the "
    "points by their residuals, or add points where the residual is large.",
    overturned_by="A place that wanders from one measurement to the next.",
    reference="Anagnostopoulos et al. 2024 (RBA); McClenny, Braga-Neto 2023 (SA); Wu et al. 2023 (RAD)",
    symptom_of=(
        "input_scaling",
        "aliasing",
        "lr_too_high",
        "trivial_solution",
        "inconsistent_terms",
        "propagation_failure",
        "causality_violation",
    ),
)
