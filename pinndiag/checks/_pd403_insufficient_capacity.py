"""PD403: a network with too few functions to choose from."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord, Evidence
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import alone, counted, in_use
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted

__all__ = ["CHECK"]

FEW = 10.0  # residuals a parameter from which units that have saturated do not clear the network


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    assert record.probe is not None
    factor, falls, state = record.probe.factor, alone(record), gate(record, thresholds)
    if math.isnan(factor):
        return CHECK.not_applicable(record.probe.reason or "the descent probe gave no number")
    if not state.open or not thresholds.alone_stuck.passed(factor):
        return CHECK.passed()
    worst = state.open[0]
    used = in_use(record, thresholds)
    bend = None if record.constant is None else record.constant.bend
    bent = record.activations is not None and bool(record.activations.layers)
    held = thresholds.alone_stuck.passed(falls.get(worst, math.inf))
    little = thresholds.stuck.passed(factor) and not thresholds.alone_falls.passed(falls.get(worst, math.inf))
    rests = held or little  # a part of any term is affine, and falls alone
    affine = rests and not bent and bend is not None and thresholds.bend.passed(bend)
    parameters = record.run.parameters
    entries = sum(term.entries for term in counted(record).values())
    crowded = held and FEW * parameters < entries
    if not (affine or crowded or used is not None):
        return CHECK.passed()
    evidence = [
        compared("factor the loss falls by (descent probe)", factor, thresholds.stuck),
        Evidence(name="trainable parameters", value=float(parameters)),
        Evidence(name="residuals", value=float(entries)),
    ]
    if worst in falls:
        evidence.append(compared(f"factor {quoted(worst)} falls by alone", falls[worst], thresholds.alone_stuck))
    if used is not None:
        name = "independent directions of a term's kernel / trainable parameters"
        evidence.append(compared(name, used, thresholds.full_rank))
    if affine and bend is not None:
        evidence.append(compared("share of the output that is not affine in the coordinates", bend, thresholds.bend))
    only = "only " if used is None else ""
    title = (
        f"the output is affine in the coordinates, and {quoted(worst)} does not fall"
        f"{' even alone' if held else ''}: an activation is missing"
        if affine
        else f"{only}{parameters} parameters are in use for {entries} residuals, and the loss falls no further "
        f"({number(factor)}-fold)"
    )
    return CHECK.finding(
        title,
        state.severity(thresholds.stuck.passed(factor)),
        terms=[worst],
        evidence=evidence,
        prescriptions=[remedies.activation()] if affine else [remedies.wider_network()],
        sure=state.sure("A wider network was not tried: that is the test that would settle it."),
    )


CHECK = Check(
    code="PD403",
    pathology="insufficient_capacity",
    title="The network is too small",
    passing="The network has room for more, or does not need it",
    needs=("probe", "terms.work"),
    thresholds=("alone_stuck", "alone_falls", "stuck", "full_rank", "bend", "work"),
    decide=decide,
    detected="With work left a hundred L-BFGS iterations on the sum do not gain twofold, and either the network has "
    "fewer parameters than residuals and most of them move the residuals independently (the kernel's rank); or sixty "
    "iterations on the worst term alone do not gain twofold either, and there are ten residuals to each parameter; or "
    "no activation was seen, the output is affine in the coordinates, and the term does not gain twofold alone (or not "
    "tenfold, where the sum gains nothing). A problem where the sum does not even gain by a fifth.",
    why="Where every parameter is in use already there is no function left that fits better, however one trains.",
    fix="Make the network wider, then deeper; put an activation between the layers.",
    overturned_by="Four times the width that does not help: then it is spectral bias, or the data are noisy and no "
    "network should fit them closer.",
    reference="own measurements; compare the rank of the tangent kernel in Wang, Yu, Perdikaris 2022",
    symptom_of=("input_scaling", "bad_initialisation", "trivial_solution", "precision_floor"),
)
