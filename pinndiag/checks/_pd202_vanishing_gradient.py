"""PD202: a term whose gradient the optimizer hardly sees."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord
from pinndiag.checks._balance import Domination, domination, pathology_of
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate, work_left
from pinndiag.checks._measures import quotient, weighted_gradients, works
from pinndiag.checks._pd201_domination import cures
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted, worst_first

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    state = gate(record, thresholds)
    gradients, left = weighted_gradients(record), works(record)
    names = worst_first(gradients)
    if len(names) < 2:
        return CHECK.not_applicable("needs the gradients of two terms")
    strong = names[0]
    ratios = {n: quotient(gradients[strong], gradients[n]) for n in names[1:] if gradients[n] > 0}
    weak = {
        n: ratio
        for n, ratio in ratios.items()
        if thresholds.vanishing.passed(ratio) and state.allows(n) and left.get(n, math.inf) >= left.get(strong, 0.0)
    }
    if not weak:
        return CHECK.passed()
    told = domination(record, thresholds, state)
    rest = {n: ratio for n, ratio in weak.items() if told is None or n != told.weak}
    if not rest:
        return CHECK.not_applicable("PD201 says it of the same term")
    order = worst_first(rest)
    worst = order[0]
    bound = thresholds.vanishing
    evidence = [compared(f"weighted gradient norm, {quoted(strong)} / {quoted(n)}", rest[n], bound) for n in order]
    evidence += [work_left(record, n, thresholds) for n in (*order, strong) if n in left]
    pair = Domination(strong, worst, math.nan, math.nan, rest[worst], math.nan)
    return CHECK.finding(
        f"{quoted(worst)} receives {number(rest[worst])} times less gradient than {quoted(strong)}",
        state.severity(bound.far(rest[worst])),
        terms=[*order, strong],
        evidence=evidence,
        prescriptions=cures(record, pair, thresholds),
        pathology=pathology_of(record, strong),
        sure=state.sure("One moment: the ratio moves during the training."),
    )


CHECK = Check(
    code="PD202",
    pathology="pde_dominates",
    title="A term's gradient vanishes beside another's",
    passing="No unfinished term's gradient vanishes beside another's",
    needs=("pair",),
    thresholds=("vanishing", "work"),
    decide=decide,
    detected="A term with work left, at least as much as the strongest term's, whose weighted gradient is more than a "
    "thousand times smaller. In finished networks ratios of 3000 are harmless, and ordinary ones start with 570.",
    why="Such a term is not trained until the stronger one is done, which may be never.",
    fix="Balance the gradient norms, or give the term a larger weight.",
    overturned_by="A strong term that is about to be finished: then the weaker one's turn comes.",
    reference="Wang, Teng, Perdikaris 2021",
    symptom_of=(
        "input_scaling",
        "unscaled_problem",
        "bad_initialisation",
        "lr_too_high",
        "trivial_solution",
        "inconsistent_terms",
        "pde_dominates",
        "condition_dominates",
    ),
)
