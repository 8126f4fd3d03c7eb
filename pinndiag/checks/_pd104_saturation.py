"""PD104: units driven into saturation during the training."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._rates import lower_rate
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted, worst_first

__all__ = ["CHECK", "saturated_now"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    shares = saturated_now(record)
    if not shares:
        return CHECK.not_applicable("no layer has an activation that saturates")
    high = saturated(record, thresholds)
    if not high:
        return CHECK.passed()
    state = gate(record, thresholds)
    names = worst_first(high)
    every = len(high) == len(shares)
    start = {} if record.start is None else record.start.saturation
    evidence = [
        compared(f"saturated share of layer {quoted(layer)} now", high[layer], thresholds.saturation) for layer in names
    ]
    evidence += [
        compared(f"saturated share of layer {quoted(layer)} at the start", start[layer], thresholds.first_saturation)
        for layer in names
        if layer in start
    ]
    what = "every layer is" if every and len(shares) > 1 else f"layer {quoted(names[0])} is"
    return CHECK.finding(
        f"{what} saturated: {number(100 * high[names[0]])} % of the unit and point pairs",
        state.severity(every and thresholds.saturation.far(high[names[0]])),
        terms=[],
        evidence=evidence,
        prescriptions=[
            remedies.smaller_rate(lower_rate(record, thresholds), anew=True),
            remedies.initialise_again(record),
        ],
        sure=state.sure(),
    )


def saturated(record: DiagnosisRecord, thresholds: Thresholds) -> dict[str, float]:
    """Those of `saturated_now` that are unusual."""
    return {layer: share for layer, share in saturated_now(record).items() if thresholds.saturation.passed(share)}


def saturated_now(record: DiagnosisRecord) -> dict[str, float]:
    """Layer -> smallest share of saturated (unit, point) pairs over the terms, for activations that saturate."""
    found: dict[str, float] = {}
    for entry in [] if record.activations is None else record.activations.layers:
        share = entry.saturated_pairs
        if share is not None and not math.isnan(share):
            found[entry.layer] = min(share, found.get(entry.layer, math.inf))
    return found


CHECK = Check(
    code="PD104",
    pathology="saturation",
    title="Units are saturated",
    passing="No layer is saturated beyond what trained networks show",
    needs=("activations",),
    thresholds=("saturation", "first_saturation"),
    decide=decide,
    detected="The share of (unit, point) pairs with |tanh| > 0.99 in a layer, now, at every term's points. Healthy "
    "trained networks reach 0.47, so only far more counts, and only while work is left. A problem when it holds for "
    "every layer.",
    why="A saturated unit passes no gradient on. A network of them has stopped learning.",
    fix="Train again from the start with a smaller learning rate, an ordinary initialisation and scaled inputs.",
    overturned_by="A solution with jumps: sharp fronts need steep units. A finished network.",
    reference="Glorot, Bengio 2010",
    symptom_of=("input_scaling", "bad_initialisation", "lr_too_high"),
)
