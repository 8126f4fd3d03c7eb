"""PD303: a residual that is small at the points and large between them."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord, Prescription
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import between_points, by_lbfgs, held_out
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    ratios = held_out(record)
    high = {n: ratio for n, ratio in ratios.items() if thresholds.held_out.passed(ratio)}
    if not high:
        return CHECK.passed()
    between = between_points(record)
    harmless = {n for n in high if thresholds.held_out_work.passed(between.get(n, math.inf))}
    names = sorted(high, key=lambda n: (n in harmless, -high[n], n))
    worst = names[0]
    state = gate(record, thresholds)
    evidence = [compared(f"held-out ratio of {quoted(n)}", high[n], thresholds.held_out) for n in names]
    evidence += [
        compared(f"remaining work of {quoted(n)} between its points", between[n], thresholds.held_out_work)
        for n in names
        if n in harmless
    ]
    found = record.terms[worst].held_out
    assert found is not None
    return CHECK.finding(
        f"between its points the mean square of {quoted(worst)} is {number(high[worst])} times larger than on them",
        state.severity(thresholds.held_out.far(high[worst]) and worst not in harmless),
        terms=names,
        evidence=evidence,
        prescriptions=_cures(record),
        sure=state.sure(f"{found.points} fresh points, {found.drawn}."),
    )


def _cures(record: DiagnosisRecord) -> list[Prescription]:
    """L-BFGS learns from the changes of its gradient, which points that change spoil: there more points come first."""
    cures = [remedies.resample(), remedies.more_points()]
    return cures[::-1] if by_lbfgs(record) else cures


CHECK = Check(
    code="PD303",
    pathology="collocation_overfit",
    title="The network has learned its points by heart",
    passing="The residuals are as small between the points as on them",
    needs=("terms.held_out",),
    thresholds=("held_out", "held_out_work", "work"),
    decide=decide,
    detected="The mean square residual at fresh points of the same set against that at the training points, beyond "
    "three standard errors of the training mean.",
    why="A residual that vanishes only where it was asked to says nothing about the solution between.",
    fix="Draw new points during the training, or use more, evenly spread ones.",
    overturned_by="Fresh points drawn from a wrong domain (a box around points that fill no box): pass sampler= to "
    "wrap.",
    reference="PINNs Failure Modes are Overfitting, 2026 (arXiv 2605.30910)",
    symptom_of=("input_scaling", "bad_initialisation", "aliasing"),
)
