"""PD205: a weight that feeds on itself, as that of a term whose gradient falls because of it."""

from __future__ import annotations

import math

from pinndiag._records import Band, DiagnosisRecord, Evidence, History, Prescription
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._balance import sides
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted, worst_first

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    history = record.history
    assert history is not None
    grown = {name: g for name, g in history.weight_growth.items() if thresholds.weight_growth.passed(g)}
    pulls = {name: _pull(history, name) for name in grown}
    running = {name: grown[name] for name, pull in pulls.items() if thresholds.runaway_pull.passed(pull)}
    if not running:
        return CHECK.passed()
    name = worst_first(running)[0]
    state = gate(record, thresholds)
    weight = _last(history.weights[name])
    return CHECK.finding(
        f"the weight of {quoted(name)} grew {number(grown[name])}-fold within 1000 steps, to {number(weight)}, and its "
        f"weighted gradient is {number(pulls[name])} times that of the others",
        state.severity(thresholds.weight_growth.far(grown[name])),
        terms=worst_first(running),
        evidence=[
            compared(
                f"growth of the weight of {quoted(name)} within 1000 steps", grown[name], thresholds.weight_growth
            ),
            compared("its weighted gradient / the largest other one, at the end", pulls[name], thresholds.runaway_pull),
            Evidence(name="its weight at the end", value=weight),
            *([Evidence(name="scheme", value=history.scheme)] if history.scheme else []),
        ],
        prescriptions=_cures(record, history, name),
        sure=state.sure(),
    )


def _cures(record: DiagnosisRecord, history: History, name: str) -> list[Prescription]:
    """Balance by gradient norms first, unless that is what ran away."""
    balanced = remedies.gradient_norm_weights(*sides(record, name), record)
    damped = remedies.damped_weights(name)
    return [damped, balanced] if history.scheme == "dynamic_norm" else [balanced, damped]


def _pull(history: History, name: str) -> float:
    """|w g| of a term at the end / the largest of the other terms; NaN where it is not known."""
    if name not in history.applied:
        return math.nan
    others = [_last(band) for other, band in history.applied.items() if other != name]
    largest = max((value for value in others if not math.isnan(value)), default=math.nan)
    return _last(history.applied[name]) / largest if largest > 0 else math.nan


def _last(band: Band) -> float:
    known = [value for value in band.high if value is not None]
    return known[-1] if known else math.nan


CHECK = Check(
    code="PD205",
    pathology="runaway_weights",
    title="A weight feeds on itself",
    passing="No weight ran away",
    needs=("history",),
    thresholds=("weight_growth", "runaway_pull"),
    decide=decide,
    detected="A weight grew more than a thousandfold within 1000 steps, and at the end of the run the weighted "
    "gradient of its term is more than ten times that of every other term: what a scheme should have balanced, it has "
    "turned over.",
    why="A large weight makes the term's residual and so its gradient small, and a rule that divides by that gradient "
    "answers with a larger weight still. The network settles where that term alone is satisfied, often at zero.",
    fix="Balance the gradient norms (dynamic norm) instead, or use a form with the present weight in the denominator "
    "(the feedback form of LR annealing), with a largest weight; leave terms out that any constant satisfies, such as "
    "periodicity.",
    overturned_by="A term whose weight levels off while the other terms still fall.",
    reference="measured on seven runs of LR annealing as first printed (Wang, Teng, Perdikaris 2020, arXiv 2001.04536)",
)
