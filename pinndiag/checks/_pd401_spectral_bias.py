"""PD401: frequencies that the network does not learn in its budget."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pinndiag._records import DiagnosisRecord, Prescription
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import alone, by_descent, noise_like
from pinndiag.checks._needs import reason
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted, worst_first

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    begun, now = _known({} if record.start is None else record.start.slow_share), _now(record)
    if not begun and not now:
        return CHECK.not_applicable(f"needs the tangent kernel: {reason(record, ('kernel', 'start'))}")
    state, falls = gate(record, thresholds), alone(record)
    held = [n for n, fall in falls.items() if fall <= thresholds.alone_stuck.value]
    slow = {n: share for n, share in begun.items() if not falls.get(n, 0.0) >= thresholds.alone_falls.value}
    slow |= {n: max(share, slow.get(n, 0.0)) for n, share in now.items() if n in held}
    slow = {n: s for n, s in slow.items() if thresholds.slow_share.passed(s) and n in record.terms and state.allows(n)}
    slow = {n: share for n, share in slow.items() if n not in noise_like(record, thresholds)}
    if not slow:
        return CHECK.passed()
    names = worst_first(slow)
    worst = names[0]
    bound = thresholds.slow_share
    evidence = [
        compared(f"slow share of the residual of {quoted(n)} {when}", shares[n], bound)
        for n in names
        for when, shares in (("at the start", begun), ("now", now))
        if n in shares
    ]
    evidence += [
        compared(f"factor {quoted(n)} falls by alone", falls[n], thresholds.alone_stuck) for n in names if n in falls
    ]
    stuck = worst in held
    verb = "lay" if bound.passed(begun.get(worst, 0.0)) else "lies"
    return CHECK.finding(
        f"{number(100 * slow[worst])} % of the residual of {quoted(worst)} {verb} in directions the network learns "
        "slowest" + (", and it does not fall even alone" if stuck else ""),
        state.severity(stuck and (bound.passed(begun.get(worst, 0.0)) or _told(record, worst, begun))),
        terms=names,
        evidence=evidence,
        prescriptions=_cures(record, stuck),
        sure=state.sure(_doubts(record, worst, falls)),
    )


def _cures(record: DiagnosisRecord, stuck: bool) -> list[Prescription]:
    """The slow directions are those of plain descent: where L-BFGS lowers the term, it comes first."""
    cures = [remedies.fourier_features(), *remedies.look_closer(record)]
    return [remedies.lbfgs(), *cures] if by_descent(record) and not stuck else cures


def _doubts(record: DiagnosisRecord, name: str, falls: Mapping[str, float]) -> str:
    found = record.pointwise.get(name)
    blind = found is None or found.agreement is None
    said = ["Noise in the data looks the same where the points are not known."] if blind else []
    return " ".join([*said, *([] if name in falls else ["The term was not probed alone."])])


def _told(record: DiagnosisRecord, name: str, begun: Mapping[str, float]) -> bool:
    """Whether the trained network alone may accuse a term: its start does not clear it, and noise was looked for."""
    found = record.pointwise.get(name)
    return name not in begun and found is not None and found.agreement is not None


def _now(record: DiagnosisRecord) -> dict[str, float]:
    return _known({} if record.ntk is None else {n: kernel.slow_share for n, kernel in record.ntk.terms.items()})


def _known(shares: Mapping[str, float]) -> dict[str, float]:
    return {name: share for name, share in shares.items() if not math.isnan(share)}


CHECK = Check(
    code="PD401",
    pathology="spectral_bias",
    title="The network learns these frequencies too slowly",
    passing="The residual is not confined to the slowest directions",
    needs=("terms.work",),
    thresholds=("slow_share", "alone_stuck", "alone_falls", "agreement", "work"),
    decide=decide,
    detected="Nearly all of a residual's square lies in directions of its tangent kernel with an eigenvalue below 1e-4 "
    "of the largest, the term has work left, and it does not fall by itself either. At the start this is a sign, and a "
    "problem if sixty L-BFGS iterations on the term alone gain less than twofold. Of the trained network, where any "
    "share is seen, it is one only together with such a stuck term, and a warning at most where the share at the start "
    "was ordinary, or the points are not known. Noise lies in such directions too: a residual that "
    "does not agree between neighbouring points does not count.",
    why="Gradient descent learns these directions ten thousand times more slowly. Weights and more steps change "
    "little.",
    fix="Fourier features of the inputs with a scale that fits the solution's frequencies, and points that change, for "
    "features reach between fixed ones as well. Under plain descent first another optimizer, where L-BFGS lowers "
    "the term.",
    overturned_by="Four times the width that helps at once: then it was capacity.",
    reference="Rahaman et al. 2019; Tancik et al. 2020; Wang, Yu, Perdikaris 2022",
    symptom_of=("input_scaling", "bad_initialisation", "unscaled_problem", "insufficient_capacity"),
)
