"""What is left of the losses on the scale that the problem itself sets: of zero, of a constant, of the output's spread.

Little remaining work may mean that the network has become steep, not that it is near.
"""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord
from pinndiag.checks._geometry import boundary_terms
from pinndiag.checks._measures import counted, noise_like, quotient
from pinndiag.checks._thresholds import Thresholds

__all__ = ["SOLVED", "over_constant", "solved", "unsolved", "violated"]

SOLVED = 1e-3  # times the present loss: below it, a constant solves the terms
WORTH = 0.03  # of the loss of a zero output: what a term must make up for its share to count


def unsolved(record: DiagnosisRecord, thresholds: Thresholds) -> dict[str, float]:
    """Terms with much left of the loss that a zero output has, and the share of it.

    Of those that make up a few per cent of that loss: the others a zero output solves as well.
    """
    found = record.constant
    if found is None or solved(record, thresholds):
        return {}
    terms = counted(record)
    zero = {n: abs(terms[n].weight) * loss for n, loss in found.zero.items() if n in terms}
    shares = {n: found.relative[n] for n, loss in zero.items() if loss > WORTH * sum(zero.values())}
    return {n: share for n, share in shares.items() if terms[n].loss != 0 and thresholds.relative.passed(share)}


def violated(record: DiagnosisRecord, thresholds: Thresholds) -> dict[str, float]:
    """Conditions that are as far from satisfied as the output varies, and the share: loss / `Constant.response`.

    Of terms on the boundary only: of an equation with a small multiple of the unknown in it the share says nothing.
    Nor does it where a constant solves every term, and the output may have collapsed to it.
    """
    found = record.constant
    if found is None or found.ratio < SOLVED or solved(record, thresholds):
        return {}
    edge, noise = boundary_terms(record), noise_like(record, thresholds)
    shares = {
        n: quotient(t.loss, found.response[n])
        for n, t in counted(record).items()
        if n in edge and n not in noise and found.response.get(n, 0.0) > 0
    }
    return {n: share for n, share in shares.items() if thresholds.relative.passed(share)}


def over_constant(record: DiagnosisRecord, thresholds: Thresholds) -> float | None:
    """Weighted loss of the best constant output / present one, of the terms beyond noise; None where it says nothing.

    Where a constant solves the terms, or nearly, the quotient tells little of the solution; nor does that of the few
    per cent of the constant's loss that are left where the others are noise.
    """
    found, terms = record.constant, counted(record)
    if found is None or found.ratio < SOLVED or solved(record, thresholds):
        return None
    best = {n: abs(terms[n].weight) * loss for n, loss in found.best.items() if n in terms}
    names = [n for n in best if n not in noise_like(record, thresholds)]
    beyond = sum(best[n] for n in names)
    if len(names) < len(best) and beyond < WORTH * sum(best.values()):
        return None
    ratio = quotient(beyond, sum(abs(terms[n].weight * terms[n].loss) for n in names))
    return None if math.isnan(ratio) else ratio


def solved(record: DiagnosisRecord, thresholds: Thresholds) -> bool:
    """Whether the error against a known solution is small."""
    return record.solution is not None and record.solution.rel_l2 <= thresholds.error.value
