"""PD404: signals that die or saturate from layer to layer at the start."""

from __future__ import annotations

import itertools
import math

from pinndiag._records import DiagnosisRecord
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._inputs import weights_at_fault
from pinndiag.checks._measures import quotient, start_spread
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted

__all__ = ["CHECK"]

STEP = 0.5  # a geometric fall loses at least so much in every layer


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    assert record.start is not None
    spread = start_spread(record)
    share = {layer: s for layer, s in record.start.saturation.items() if math.isfinite(s)}
    if len(spread) < 2:
        return CHECK.not_applicable("needs the activations of two layers at the start")
    layers = list(spread)
    flat = thresholds.first_spread.passed(spread[layers[0]])
    saturated = thresholds.first_saturation.passed(share.get(layers[0], 0.0))
    if (flat or saturated) and not weights_at_fault(record, thresholds):
        return CHECK.passed()  # wrong from the first layer on: the inputs' scale
    ratio = quotient(spread[layers[-1]], spread[layers[0]])
    falls = all(spread[b] <= STEP * spread[a] for a, b in itertools.pairwise(layers))
    later = [layer for layer in layers[1:] if layer in share]
    saturated = bool(later) and all(thresholds.first_saturation.passed(share[layer]) for layer in later)
    lost = flat and thresholds.first_spread.far(spread[layers[-1]])
    if not (saturated or lost or (falls and thresholds.layer_fall.passed(ratio))):
        return CHECK.passed()
    state = gate(record, thresholds)
    evidence = [compared("spread of the last layer / of the first, at the start", ratio, thresholds.layer_fall)]
    evidence += [
        compared(f"saturated share of layer {quoted(x)} at the start", share[x], thresholds.first_saturation)
        for x in later
    ]
    if lost:
        name = f"spread of the units of layer {quoted(layers[-1])} over the points at the start"
        evidence.insert(0, compared(name, spread[layers[-1]], thresholds.first_spread))
    restart = None if record.trials is None else record.trials.restart
    more = ""
    if restart is not None:
        name = f"total after {restart.steps} steps from the stored start / from another draw"
        evidence.append(compared(name, restart.factor, thresholds.trial))
        more = "" if thresholds.trial.passed(restart.factor) else "Another draw, by Glorot's rule, did hardly better."
    title = (
        "every layer behind the first is saturated at the start"
        if saturated
        else f"the units hardly vary from the first layer on, at the start (in the last {number(spread[layers[-1]])})"
        if lost
        else "the signal is gone in the last layer, at the start: its units do not vary over the points"
        if ratio == 0
        else f"the signal fell to {number(ratio)} of its size from the first layer to the last, at the start"
    )
    grave = saturated and any(thresholds.first_saturation.far(share[x]) for x in later)
    grave = grave or lost or (falls and thresholds.layer_fall.far(ratio))
    return CHECK.finding(
        title,
        state.severity(grave),
        terms=[],
        evidence=evidence,
        prescriptions=[remedies.initialise_again(record)],
        sure=state.sure(more),
    )


CHECK = Check(
    code="PD404",
    pathology="bad_initialisation",
    title="The network was badly initialised",
    passing="The signal keeps its size through the layers at the start",
    needs=("start",),
    thresholds=("layer_fall", "first_saturation", "first_spread", "trial"),
    decide=decide,
    detected="At the stored initial parameters the units' spread over the points falls geometrically from layer to "
    "layer, or all layers behind the first are saturated, or the units hardly vary from the first layer on. When the "
    "first layer is at fault already, the inputs' scale is blamed, unless all coordinates are of order one. Where "
    "--thorough began the training again with another draw, the comparison stands beside it.",
    why="A signal that dies or saturates on the way leaves the deeper layers nothing to learn from.",
    fix="Use Glorot's rule for tanh, He's for ReLU and its kin, SIREN's for sine.",
    overturned_by="A finished network; another draw of the same rule that trains well.",
    reference="Glorot, Bengio 2010; He et al. 2015; Sitzmann et al. 2020",
    symptom_of=("input_scaling",),
    early=True,
)
