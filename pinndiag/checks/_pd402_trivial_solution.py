"""PD402: a network that rests at a solution which ignores the conditions or the forcing."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord, Severity
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._geometry import equation
from pinndiag.checks._measures import alone, output_constant
from pinndiag.checks._needs import reason
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted, worst_first

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    bound = thresholds.output_spread
    constant, how = output_constant(record, bound.value, thresholds.hidden_spread.value)
    if constant is None:
        return CHECK.not_applicable(f"{how}: {reason(record, ('solution',))}")
    factor = None if record.probe is None else record.probe.factor
    state = gate(record, thresholds)
    # a network that has not left its start is constant too, and then the probe finds a way down at once
    moves = factor is not None and bool(state.open) and thresholds.probe.passed(factor)
    if not constant or moves:
        return CHECK.passed()
    spread = None if record.solution is None else record.solution.spread
    evidence = [] if spread is None else [compared(how, spread, bound)]
    if factor is not None:
        evidence.append(compared("factor the loss falls by (descent probe)", factor, thresholds.stuck))
    falls = alone(record)
    evidence += [
        compared(f"factor {quoted(n)} falls by alone", falls[n], thresholds.alone_falls) for n in worst_first(falls)
    ]
    rests = factor is None or not state.open or thresholds.stuck.passed(factor)
    severity: Severity = state.severity(rests and (spread is None or bound.far(spread)))
    center = equation(record)
    return CHECK.finding(
        f"the output varies {number(spread)} times as much as the solution: the network rests at a constant"
        if spread is not None
        else "the output is constant: the network rests at a trivial solution",
        severity,
        terms=[n for n in sorted(record.terms) if n != center and record.terms[n].weight != 0],
        evidence=evidence,
        prescriptions=[remedies.exact_condition(), remedies.causal_weights(), remedies.normalised_unknown()],
        sure=state.sure("" if factor is not None else "Without the descent probe it may also be near its start."),
    )


CHECK = Check(
    code="PD402",
    pathology="trivial_solution",
    title="The network rests at a trivial solution",
    passing="The output varies as the solution does",
    needs=("terms",),
    thresholds=("output_spread", "hidden_spread", "stuck", "probe", "alone_falls"),
    decide=decide,
    detected="The output's spread is less than 0.05 of the known solution's, or the last hidden layer does not vary "
    "over any term's points; and the descent probe does not find a quick way down, or the loss is small already.",
    why="Zero, or a fixed point of the dynamics, can solve the equation while it ignores the conditions. The loss "
    "then looks finished or stuck, and the solution is wrong everywhere.",
    fix="Satisfy the conditions exactly; weight them with causal weights; fix the size of the unknown in an "
    "eigenproblem.",
    overturned_by="A solution that really is constant; the first hundred steps; a homogeneous condition with far too "
    "large a weight.",
    reference="Rohrhofer et al. 2022 (arXiv 2203.13648); Leiteritz, Pflueger 2021",
    symptom_of=("input_scaling", "bad_initialisation", "unscaled_problem", "lr_too_high", "condition_dominates"),
)
