"""PD103: too few digits for what is left to learn."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord, Severity
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._digits import lost_digits
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import counted
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted, worst_first

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    found = record.precision
    assert found is not None
    mine = counted(record)
    gradient, bounds = found.gradient, (thresholds.precision, thresholds.rounding, thresholds.distinct)
    state = gate(record, thresholds)
    lost = lost_digits(record, thresholds, work_left=bool(state.open))
    rounding = lost.rounding
    distinct = {n: v for n, v in found.distinct.items() if n in mine and bounds[2].passed(v)}
    if not (lost.gradient or rounding or distinct):
        return CHECK.passed()
    angle = [compared("1 - cosine of the total gradient with the one in float64", gradient, bounds[0])]
    evidence = angle if lost.gradient else []
    evidence += [
        compared(f"rounding error of the residual of {quoted(n)}, relative", rounding[n], bounds[1])
        for n in worst_first(rounding)
    ]
    evidence += [
        compared(f"share of the points of {quoted(n)} that are distinct in {record.run.dtype}", distinct[n], bounds[2])
        for n in worst_first(distinct, falling=True)
    ]
    evidence += [] if lost.gradient else angle  # what decides comes first
    if record.probe is not None:
        evidence.append(
            compared("factor the loss falls by in float64 (descent probe)", record.probe.factor, thresholds.common_way)
        )
    terms = list(dict.fromkeys([*worst_first(rounding), *worst_first(distinct, falling=True)]))
    if lost.gradient:
        what = f"the gradient in {record.run.dtype} is {number(gradient)} (1 - cosine) from the one in float64"
    elif rounding:
        what = f"{quoted(terms[0])} is lost in rounding"
    else:
        what = f"{number(100 * distinct[terms[0]])} % of the points of {quoted(terms[0])} are distinct"
    grave = (
        (lost.gradient and bounds[0].far(gradient))
        or any(map(bounds[1].far, rounding.values()))
        or any(map(bounds[2].far, distinct.values()))
    )
    severity = state.severity(grave)
    low_work = not state.open
    probe_gains = record.probe is not None and thresholds.common_way.passed(record.probe.factor)
    capped: Severity = "warning" if severity == "problem" and low_work and not probe_gains else severity
    if low_work and not (rounding or distinct):
        capped = "note"
    return CHECK.finding(
        f"{what}: the digits have run out",
        capped,
        terms=terms,
        evidence=evidence,
        prescriptions=[remedies.float64(points_lost=bool(distinct))],
        sure=state.sure("" if record.probe is not None else "Whether float64 would get further was not tried."),
    )


CHECK = Check(
    code="PD103",
    pathology="precision_floor",
    title="The training's precision is too low for what is left",
    passing="The gradient keeps its digits in the training's precision",
    needs=("precision",),
    thresholds=("precision", "rounding", "distinct", "alone_stuck", "common_way"),
    decide=decide,
    detected="The same network is evaluated in float64. The total gradients point in different directions, or a "
    "residual is mostly rounding, and a descent in float64 gains twofold or more, of terms that make up a hundredth of "
    "the total (near any minimum the gradient is rounding before long); or points fall together after the cast to the "
    "training's precision. With little work left a lost residual is a problem only if that descent was run, and a lost "
    "gradient a note.",
    why="Below the floor the optimizer follows rounding noise, and no setting of it helps.",
    fix="Go on in float64 for the last phase. Points that fell together are lost for good: make them anew in "
    "float64, or subtract the offset of their coordinates before they are cast.",
    overturned_by="A loss that is as small as you need.",
    reference="Xu et al. 2025 (arXiv 2505.10949)",
    symptom_of=("input_scaling", "aliasing", "lr_too_high", "collocation_overfit", "trivial_solution"),
)
