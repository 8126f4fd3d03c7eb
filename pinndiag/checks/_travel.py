"""Whether the solution has travelled away from its conditions: shared by the checks that would mistake it."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord
from pinndiag.checks._gate import Gate
from pinndiag.checks._geometry import boundary_terms
from pinndiag.checks._measures import counted
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._time import contrast_along, initial_term

__all__ = ["contrasts", "standing"]


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
