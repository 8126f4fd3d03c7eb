"""PD401: frequencies that the network does not learn in its budget."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import alone
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted, worst_first

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    assert record.start is not None
    shares = {n: s for n, s in record.start.slow_share.items() if n in record.terms and not math.isnan(s)}
    if not shares:
        return CHECK.not_applicable("the kernel at the start was not measured")
    state, falls = gate(record, thresholds), alone(record)
    slow = {
        n: share
        for n, share in shares.items()
        if thresholds.slow_share.passed(share)
        and state.allows(n)
        and not falls.get(n, 0.0) >= thresholds.alone_falls.value
    }
    if not slow:
        return CHECK.passed()
    names = worst_first(slow)
    worst = names[0]
    evidence = [
        compared(f"slow share of the residual of {quoted(n)} at the start", slow[n], thresholds.slow_share)
        for n in names
    ]
    evidence += [
        compared(f"factor {quoted(n)} falls by alone", falls[n], thresholds.alone_stuck) for n in names if n in falls
    ]
    stuck = worst in falls and falls[worst] <= thresholds.alone_stuck.value
    return CHECK.finding(
        f"{number(100 * slow[worst])} % of the residual of {quoted(worst)} lay in directions the network learns slowest"
        + (", and it does not fall even alone" if stuck else ""),
        state.severity(stuck),
        terms=names,
        evidence=evidence,
        prescriptions=[remedies.fourier_features(), *remedies.look_closer(record)],
        sure=state.sure("" if worst in falls else "The term was not probed alone."),
    )


CHECK = Check(
    code="PD401",
    pathology="spectral_bias",
    title="The network learns these frequencies too slowly",
    passing="The residual is not confined to the slowest directions",
    needs=("start", "terms.work"),
    thresholds=("slow_share", "alone_stuck", "alone_falls", "work"),
    decide=decide,
    detected="More than 90 % of a residual's square lies in directions of its tangent kernel with an eigenvalue below "
    "1e-4 of the largest, at the start, the term has work left, and it does not fall by itself either. A problem if "
    "sixty L-BFGS iterations on the term alone gain less than twofold.",
    why="Gradient descent learns these directions ten thousand times more slowly. Weights and more steps change "
    "little.",
    fix="Fourier features of the inputs with a scale that fits the solution's frequencies.",
    overturned_by="Four times the width that helps at once: then it was capacity.",
    reference="Rahaman et al. 2019; Tancik et al. 2020; Wang, Yu, Perdikaris 2022",
    symptom_of=("input_scaling", "bad_initialisation", "unscaled_problem", "insufficient_capacity"),
)
