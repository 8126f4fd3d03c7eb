"""PD302: a solution that has not travelled away from its conditions."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import Gate, gate
from pinndiag.checks._measures import alone
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._time import initial_term, worst_tenth
from pinndiag.checks._travel import contrasts, settled, standing
from pinndiag.checks._wording import number, quoted, worst_first

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    state = gate(record, thresholds)
    high = standing(record, thresholds, state)
    if not high and settled(record, thresholds, state):
        return _settled(record, thresholds, state)
    if not contrasts(record):
        return CHECK.not_applicable("no term fills the domain along an axis that could be time")
    if not high:
        return CHECK.passed()
    worst = worst_first(high)[0]
    first = initial_term(record)
    causal = first is not None and (first in state.open or worst_tenth(record, worst) == 0)
    where = "early" if first is not None else "at the low end of the last axis"
    evidence = [compared(f"time contrast of {quoted(n)}", high[n], thresholds.time_contrast) for n in worst_first(high)]
    return CHECK.finding(
        f"the residual of {quoted(worst)} is {number(high[worst])} times larger {where} than late: "
        "the solution has not travelled",
        state.severity(thresholds.time_contrast.far(high[worst])),
        terms=[*worst_first(high), *([first] if causal and first is not None else [])],
        evidence=evidence,
        prescriptions=[remedies.time_windows(), remedies.causal_weights(), remedies.exact_condition()],
        pathology="causality_violation" if causal else "propagation_failure",
        sure=state.sure("" if first is not None else "That the last axis is time is a guess."),
    )


def _settled(record: DiagnosisRecord, thresholds: Thresholds, state: Gate) -> Outcome:
    """An initial value problem that rests at a minimum, as one that has decayed to an equilibrium early."""
    assert record.probe is not None
    falls = alone(record)
    evidence = [
        compared("factor the loss falls by, all terms together (descent probe)", record.probe.factor, thresholds.stuck)
    ]
    evidence += [compared(f"factor {quoted(n)} falls by alone", falls[n], thresholds.alone_falls) for n in state.open]
    return CHECK.finding(
        "the training rests at a minimum that does not follow the solution from its start",
        state.severity(True),
        terms=list(state.open),
        evidence=evidence,
        prescriptions=[remedies.time_windows(), remedies.exact_condition(), remedies.causal_weights()],
        pathology="causality_violation",
        sure=state.sure("Conditions that contradict the equation at the very start would look the same."),
    )


CHECK = Check(
    code="PD302",
    pathology="propagation_failure",
    title="The solution has not travelled away from its conditions",
    passing="The residual is no larger next to the conditions than far from them",
    needs=("pointwise",),
    thresholds=("time_contrast", "stuck", "alone_falls", "work"),
    decide=decide,
    detected="Along the time axis of a term that fills the domain, the mean square residual in the first tenth against "
    "the median of the later half's tenths, while the term or the initial condition has work left. Time is the axis at "
    "whose low end a whole condition lies and at whose high end none does, else the last one is taken for it. Called "
    "causality_violation when that condition itself has work left, or the first tenth is the worst. Where all terms "
    "but one lie at the beginning, also where the descent probe gains nothing and each open term alone falls tenfold: "
    "such a problem has a solution, and the training rests beside it.",
    why="Far from the conditions anything that solves the equation will do, zero first of all. A small residual there "
    "means nothing until the solution has arrived.",
    fix="Time windows, causal weights, an exact initial condition; for thin layers start from a larger viscosity.",
    overturned_by="An initial layer of a finished network; a last axis that is not time.",
    reference="Krishnapriyan et al. 2021; Wang, Sankaran, Perdikaris 2024; Daw et al. 2023",
    symptom_of=(
        "input_scaling",
        "unscaled_problem",
        "lr_too_high",
        "trivial_solution",
        "collocation_overfit",
        "pde_dominates",
    ),
)
