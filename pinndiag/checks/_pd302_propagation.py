"""PD302: a solution that has not travelled away from its conditions."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._time import initial_term, worst_tenth
from pinndiag.checks._travel import contrasts, standing
from pinndiag.checks._wording import number, quoted, worst_first

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    if not contrasts(record):
        return CHECK.not_applicable("no term fills the domain along an axis that could be time")
    state = gate(record, thresholds)
    high = standing(record, thresholds, state)
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


CHECK = Check(
    code="PD302",
    pathology="propagation_failure",
    title="The solution has not travelled away from its conditions",
    passing="The residual is no larger next to the conditions than far from them",
    needs=("pointwise",),
    thresholds=("time_contrast", "work"),
    decide=decide,
    detected="Along the time axis of a term that fills the domain, the mean square residual in the first tenth against "
    "the median of the later half's tenths, while the term or the initial condition has work left. Time is the axis at "
    "whose low end a whole condition lies and at whose high end none does, else the last one is taken for it. Called "
    "causality_violation when that condition itself has work left, or the first tenth is the worst.",
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
