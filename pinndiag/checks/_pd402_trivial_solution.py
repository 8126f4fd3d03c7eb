"""PD402: a network that rests at a solution which ignores the conditions or the forcing."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord, Evidence, Prescription
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._balance import domination
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._constancy import Constancy, constancy
from pinndiag.checks._gate import Gate, gate
from pinndiag.checks._geometry import equation
from pinndiag.checks._measures import alone, counted
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._time import initial_term
from pinndiag.checks._wording import number, quoted, worst_first

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    shape = constancy(record, thresholds)
    if shape.constant is None:
        return CHECK.not_applicable(shape.words)
    factor = None if record.probe is None else record.probe.factor
    state, falls = gate(record, thresholds), alone(record)
    if not shape.constant or not _rests(shape, state, factor, falls, thresholds):
        return CHECK.passed()
    evidence = _shape(record, shape, thresholds)
    if factor is not None:
        evidence.append(compared("factor the loss falls by (descent probe)", factor, thresholds.stuck))
    evidence += [
        compared(f"factor {quoted(n)} falls by alone", falls[n], thresholds.alone_falls) for n in worst_first(falls)
    ]
    center = equation(record)
    return CHECK.finding(
        _title(record, shape),
        state.severity(_grave(record, shape, state, factor, thresholds) and not _forced(record, thresholds, state)),
        terms=[n for n in sorted(record.terms) if n != center and record.terms[n].weight != 0],
        evidence=evidence,
        prescriptions=_cures(record),
        sure=state.sure(_doubts(shape, factor)),
    )


def _cures(record: DiagnosisRecord) -> list[Prescription]:
    """Where zero solves every term no condition helps: the size of the unknown is missing.

    In an initial value problem an exact start alone is left again at once: the network has to follow the solution.
    """
    if _zero_solves(record):
        return [remedies.normalised_unknown()]
    if initial_term(record) is not None:
        return [remedies.time_windows(), remedies.exact_condition(), remedies.causal_weights()]
    return [remedies.exact_condition()]


def _rests(
    shape: Constancy, state: Gate, factor: float | None, falls: dict[str, float], thresholds: Thresholds
) -> bool:
    """Whether the network stays where it is.

    One that has not left its start is constant too, and then the probe finds a way down at once. That a constant does
    as well is also true where the network cannot learn a term: then that term does not fall even alone.
    """
    if factor is None or not state.open or state.suspected:
        return True
    if shape.by == "ratio":
        return thresholds.stuck.passed(factor) and not any(map(thresholds.alone_stuck.passed, falls.values()))
    return not thresholds.probe.passed(factor)


def _grave(
    record: DiagnosisRecord, shape: Constancy, state: Gate, factor: float | None, thresholds: Thresholds
) -> bool:
    if shape.by == "solved":  # the solution may be a constant, but hardly zero
        return _zero_solves(record)
    if factor is None and state.open and not state.suspected:
        return shape.by != "ratio"
    bound = thresholds.alone_stuck if shape.by == "spread" else thresholds.stuck  # the solution is direct evidence
    rests = factor is None or not state.open or state.suspected or bound.passed(factor)
    spread = None if record.solution is None else record.solution.spread
    return rests and (shape.by != "spread" or (spread is not None and thresholds.output_spread.far(spread)))


def _forced(record: DiagnosisRecord, thresholds: Thresholds, state: Gate) -> bool:
    """Whether the weights force it: a term outweighed another from the start, and it is one that the constant solves.

    Not in an initial value problem, where the network would rest there with other weights as well.
    """
    found = domination(record, thresholds, state)
    return (
        found is not None
        and initial_term(record) is None
        and thresholds.pull_ratio.far(found.start)
        and thresholds.work_ratio.far(found.work)
    )


def _shape(record: DiagnosisRecord, shape: Constancy, thresholds: Thresholds) -> list[Evidence]:
    """What tells that the output is constant, and what a constant makes of each term."""
    evidence, found = [], record.constant
    if shape.by == "spread" and record.solution is not None and record.solution.spread is not None:
        evidence.append(compared(shape.words, record.solution.spread, thresholds.output_spread))
    if found is None or math.isnan(found.ratio):
        return evidence
    evidence.append(compared("loss of the best constant output / present loss", found.ratio, thresholds.constant_ratio))
    evidence += [
        Evidence(name=f"loss of {quoted(n)} / its loss where the network gives zero", value=value)
        for n, value in found.relative.items()
        if n in counted(record)
    ]
    if found.spread is not None:
        evidence.append(Evidence(name="standard deviation of the output over the points", value=found.spread))
    return evidence


def _title(record: DiagnosisRecord, shape: Constancy) -> str:
    if shape.by == "spread" and record.solution is not None and record.solution.spread is not None:
        spread = number(record.solution.spread)
        return f"the output varies {spread} times as much as the solution: the network rests at a constant"
    if shape.by == "ratio" and record.constant is not None:
        ratio = number(record.constant.ratio)
        size = "as large" if ratio == "1" else f"{ratio} times as large"
        return f"the network is no better than a constant, whose loss is {size}: a trivial solution"
    if shape.by == "solved":
        what = "zero" if _zero_solves(record) else "a constant"
        return f"the output is {what}, and {what} solves every term: nothing asks for another solution"
    return "the output is constant: the network rests at a trivial solution"


def _zero_solves(record: DiagnosisRecord) -> bool:
    found = record.constant
    return found is not None and not any(found.zero.values())


def _doubts(shape: Constancy, factor: float | None) -> str:
    said = []
    if shape.by == "solved":
        said.append("If a constant is the solution you want, nothing is wrong.")
    if factor is None:
        said.append("Without the descent probe it may also be near its start.")
    return " ".join(said)


CHECK = Check(
    code="PD402",
    pathology="trivial_solution",
    title="The network rests at a trivial solution",
    passing="The output varies as the solution does",
    needs=("terms",),
    thresholds=(
        "work_ratio",
        "pull_ratio",
        "output_spread",
        "constant_ratio",
        "beaten",
        "hidden_spread",
        "stuck",
        "probe",
        "alone_falls",
        "alone_stuck",
    ),
    decide=decide,
    detected="The output's spread is a small part of the known solution's. Where no solution is known: the last "
    "hidden layer does not vary over any term's points; or the loss is 0.8 to 1.3 of that of the best constant output "
    "(the weights of the last layer at zero), and no term that this constant leaves unsolved is far better solved; or "
    "a constant solves every term and the output hardly varies (a warning at most, unless it is zero). And the descent "
    "probe finds no way down, or the loss is small already. A warning at most where the weights force it (PD201): a "
    "term pulled far harder than another from the start, and the other one is left over; not in initial value ones.",
    why="Zero, or a fixed point of the dynamics, can solve the equation while it ignores the conditions. The loss "
    "then looks finished or stuck, and the solution is wrong everywhere.",
    fix="In an initial value problem march in short time windows; else satisfy the conditions exactly; fix the size of "
    "the unknown in an eigenproblem.",
    overturned_by="A solution that really is constant; the first hundred steps; a homogeneous condition with far too "
    "large a weight.",
    reference="Rohrhofer et al. 2022 (arXiv 2203.13648); Leiteritz, Pflueger 2021; Krishnapriyan et al. 2021",
    symptom_of=(
        "input_scaling",
        "bad_initialisation",
        "unscaled_problem",
        "lr_too_high",
        "premature_stop",
        "condition_dominates",
    ),
)
