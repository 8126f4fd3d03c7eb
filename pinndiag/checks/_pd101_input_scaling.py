"""PD101: coordinates far from order one."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._inputs import input_box, unusual_ranges, weights_at_fault
from pinndiag.checks._measures import first_layer_at_start, first_layer_now
from pinndiag.checks._pd104_saturation import saturated, saturated_now
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    known = first_layer_at_start(record) or first_layer_now(record, every=True)
    if known is None:
        return CHECK.not_applicable("needs the activations of the first layer: none was recorded")
    layer, saturation, spread = known
    bounds = thresholds.first_saturation, thresholds.first_spread
    at_start = first_layer_at_start(record) is not None
    when = "at the start" if at_start else "now"
    saturated = bounds[0].passed(saturation) if at_start else thresholds.saturation.passed(saturation)
    flat = bounds[1].passed(spread)
    if not (saturated or flat):
        return CHECK.passed()
    low, high = input_box(record)
    if weights_at_fault(record, thresholds):
        return CHECK.passed()  # the coordinates are of order one (PD404)
    if not at_start and _everywhere(record, thresholds) and not unusual_ranges(low, high):
        return CHECK.passed()  # the training has driven every layer there (PD104)
    state = gate(record, thresholds)
    evidence = [
        compared(f"saturated share of layer {quoted(layer)} {when}", saturation, bounds[0]),
        compared(f"spread of the units of layer {quoted(layer)} over the points {when}", spread, bounds[1]),
        *unusual_ranges(low, high),
    ]
    gain = None if record.trials is None else record.trials.rescaling
    words = [] if at_start else ["The start is not known: trained layers saturate too."]
    if gain is not None:
        evidence.append(
            compared("total after a short run as it is / with inputs and output scaled", gain, thresholds.trial)
        )
        if not thresholds.trial.passed(gain):
            words.append("Scaled on a copy it did hardly better in a short run.")
    grave = at_start and (bounds[0].far(saturation) or bounds[1].far(spread))
    what = (
        f"{number(100 * saturation)} % of the first layer is saturated"
        if saturated
        else f"the first layer hardly varies (spread {number(spread)})"
    )
    return CHECK.finding(
        f"{what} {when}: the inputs are not scaled",
        state.severity(grave),
        terms=[],
        evidence=evidence,
        prescriptions=[remedies.affine_inputs(low, high)],
        sure=state.sure(" ".join(words)),
    )


def _everywhere(record: DiagnosisRecord, thresholds: Thresholds) -> bool:
    """Whether every layer is saturated now."""
    shares = saturated_now(record)
    return bool(shares) and shares.keys() == saturated(record, thresholds).keys()


CHECK = Check(
    code="PD101",
    pathology="input_scaling",
    title="The inputs are not scaled",
    passing="The first layer works where its activation bends",
    needs=("terms",),
    thresholds=("first_saturation", "first_spread", "saturation", "trial"),
    decide=decide,
    detected="At the stored initial parameters the first layer is saturated, or its units hardly vary over the points. "
    "The range of the points is named beside it and accuses nobody: a normalising first layer may take care of it. "
    "Where all coordinates are of order one, the weights are blamed (PD404). Without the start the present first layer "
    "is looked at, unless every layer is saturated by now (PD104), and the finding is a warning at most. A warning "
    "becomes as grave as what it causes. Where --thorough trained a scaled copy, the comparison stands beside it.",
    why="Coordinates far from one saturate tanh; tiny ones leave the network linear, so that all derivatives vanish. "
    "Neither weights nor another optimizer help.",
    fix="Map the coordinates to [-1, 1] inside the model; autograd takes care of the chain rule.",
    overturned_by="A finished network. A first layer that is meant to saturate.",
    reference="Wang et al. 2023, An Expert's Guide to Training PINNs",
    early=True,
)
