"""Whether rounding stands in the way: shared by the gate and the check of precision."""

from __future__ import annotations

import math
from typing import NamedTuple

from pinndiag._records import DiagnosisRecord
from pinndiag.checks._measures import counted
from pinndiag.checks._thresholds import Thresholds

__all__ = ["Lost", "lost_digits"]


PART = 0.01  # of the weighted total, below which a term's rounding does not matter


class Lost(NamedTuple):
    """What is lost in the training's precision: the total gradient, and residuals by name with their errors."""

    gradient: bool
    rounding: dict[str, float]


def lost_digits(record: DiagnosisRecord, thresholds: Thresholds, *, work_left: bool) -> Lost:
    """What is lost in rounding, where that can matter.

    Near any minimum the gradient, and in a solved term the residual, is the small difference that rounding spoils
    first. So it counts only where the descent probe, in float64, gains twofold, or was not run; with little work left
    tenfold. And only in residuals that make up a part of the weighted total: others are solved to their last digit.
    """
    found = record.precision
    if found is None:
        return Lost(False, {})
    factor = math.nan if record.probe is None else record.probe.factor
    bound = thresholds.alone_stuck if work_left else thresholds.common_way
    if factor <= bound.value:
        return Lost(False, {})
    terms = counted(record)
    total = sum(abs(term.weight * term.loss) for term in terms.values())
    parts = {n for n, term in terms.items() if abs(term.weight * term.loss) > PART * total}
    rounding = {n: value for n, value in found.rounding.items() if n in parts and thresholds.rounding.passed(value)}
    return Lost(thresholds.precision.passed(found.gradient), rounding)
