"""Whether the solution has travelled away from its conditions: shared by the checks that would mistake it."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord
from pinndiag.checks._gate import Gate
from pinndiag.checks._geometry import boundary_terms
from pinndiag.checks._measures import alone, counted, in_use
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._time import contrast_along, initial_term, only_starts

__all__ = ["contrasts", "settled", "standing"]


def contrasts(record: DiagnosisRecord) -> dict[str, float]:
    """Time contrast of the terms that fill the domain, where it is known."""
    edge, terms = boundary_terms(record), counted(record)
    known = {n: contrast_along(record, n) for n in record.pointwise if n in terms and n not in edge}
    return {n: contrast for n, contrast in known.items() if contrast is not None and not math.isnan(contrast)}


def standing(record: DiagnosisRecord, thresholds: Thresholds, state: Gate) -> dict[str, float]:
    """Those whose residual is large next to the conditions only, while they or the initial condition have work left.

    Far from its conditions such a network solves the equation by a function of its own, so little work may be left in
    the equation itself.
    """
    first = initial_term(record)
    left = first is not None and state.allows(first)
    return {
        n: contrast
        for n, contrast in contrasts(record).items()
        if thresholds.time_contrast.passed(contrast) and (left or state.allows(n))
    }


def settled(record: DiagnosisRecord, thresholds: Thresholds, state: Gate) -> bool:
    """Whether an initial value problem rests at a minimum: every term falls alone, together they do not.

    In any other problem the terms may contradict each other (PD204).
    """
    falls = alone(record)
    return (
        record.probe is not None
        and thresholds.stuck.passed(record.probe.factor)
        and bool(state.open)
        and all(thresholds.alone_falls.passed(falls.get(name, 0.0)) for name in state.open)
        and in_use(record, thresholds) is None  # else the network is too small (PD403)
        and only_starts(record)
    )
