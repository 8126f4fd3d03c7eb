"""PD204: terms that no function satisfies together."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord, WeightTrials
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._constancy import constancy
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import alone, in_use
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._travel import settled, standing
from pinndiag.checks._wording import listed, quoted, worst_first

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    assert record.probe is not None
    factor, falls = record.probe.factor, alone(record)
    held = math.nan if record.cancellation is None else record.cancellation
    if math.isnan(factor) or len(falls) < len([t for t in record.terms.values() if t.weight != 0]):
        return CHECK.not_applicable(record.probe.reason or "a descent probe gave no number")
    constant = constancy(record, thresholds).constant
    stuck = thresholds.stuck.value >= factor
    state = gate(record, thresholds)
    every = bool(state.open) and all(thresholds.alone_falls.value <= falls[name] for name in state.open)
    if not (stuck and every) or constant or state.state == "finished" or held > thresholds.standstill.value:
        return CHECK.passed()
    if in_use(record, thresholds) is not None:
        return CHECK.not_applicable("a network that is too small (PD403) looks the same")
    if standing(record, thresholds, state) or settled(record, thresholds, state):
        return CHECK.not_applicable("a solution that has not travelled (PD302) looks the same")
    trials = None if record.trials is None else record.trials.weights
    bounds = thresholds.trial.value, thresholds.stuck.value
    better = None if trials is None else trials.better(state.open, rise=bounds[0])
    if better is not None and thresholds.trial.passed(better[1]):
        return CHECK.passed()  # another weight serves every term that has work left
    names = [*state.open, *[n for n in worst_first(falls) if n not in state.open]]
    evidence = [compared("factor the loss falls by, all terms together (descent probe)", factor, thresholds.stuck)]
    evidence += [compared(f"factor {quoted(n)} falls by alone", falls[n], thresholds.alone_falls) for n in names]
    evidence.append(
        compared("cancellation: |sum of weighted gradients| / sum of their norms", held, thresholds.standstill)
    )
    fronts = [] if trials is None else trials.fronts(fall=bounds[0], stuck=bounds[1])
    evidence += [
        compared(
            f"most that one weight x 100 or x 0.01 lowers {quoted(a)} and {quoted(b)} together",
            trials.common_fall(a, b),
            thresholds.stuck,
        )
        for a, b in fronts
        if trials is not None
    ]
    unknown = (
        "Whether the output is constant is not known: it may also rest at a trivial solution."
        if constant is None
        else ""
    )
    # alone every term falls far more than threefold beyond what together they do; the standstill says the rest
    return CHECK.finding(
        f"{listed(names)} contradict each other: each falls alone, together they do not",
        state.severity(not math.isnan(held)),
        terms=names,
        evidence=evidence,
        prescriptions=[remedies.contradiction(names), *remedies.look_closer(record)],
        sure=state.sure(" ".join(filter(None, [_tried(trials, fronts), unknown]))),
    )


def _tried(trials: WeightTrials | None, fronts: list[tuple[str, str]]) -> str:
    """What the trials of other weights say of it."""
    if trials is None:
        return "Other weights were not tried (--thorough does)."
    if not fronts:
        return "Other weights were tried, and no two terms trade along a front: that speaks against a contradiction."
    pairs = "; ".join(f"{quoted(a)} against {quoted(b)}" for a, b in fronts)
    return f"Other weights trade along a front: {pairs}."


CHECK = Check(
    code="PD204",
    pathology="inconsistent_terms",
    title="The terms contradict each other",
    passing="No contradiction between the terms was found",
    needs=("pair", "probe", "terms.probe_alone", "terms.work"),
    thresholds=("stuck", "alone_falls", "standstill", "output_spread", "work", "trial"),
    decide=decide,
    detected="With work left, a hundred L-BFGS iterations on the sum do not lower it, sixty on each term alone that "
    "has work left lower it tenfold, the weighted gradients cancel, and the output is not constant. Not judged where "
    "the solution has not travelled away from its conditions, or rests in an initial value problem (PD302), nor of a "
    "network all of whose parameters are in use (PD403): they look the same. Where --thorough tried other weights: "
    "none of them serves every unfinished term, and a front is named.",
    why="A wrong sign or coefficient, data that do not fit the equation, or corner values that do not fit each other "
    "leave no function that satisfies all terms. The network then settles for a compromise that solves none.",
    fix="No weight cures it. Put a solution you know into every residual and see which does not vanish.",
    overturned_by="A layer too thin for the network (march, or start from a larger small parameter); a trivial "
    "solution; a residual that is large at one corner only, which is mild.",
    reference="Own measurements; compare Krishnapriyan et al. 2021",
    symptom_of=("trivial_solution", "input_scaling", "unscaled_problem", "lr_too_high", "precision_floor"),
)
