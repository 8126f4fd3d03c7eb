"""Which learning rate the measurements speak for: by the first step, and by the stability limit."""

from __future__ import annotations

import math
from typing import Any

from pinndiag._records import DiagnosisRecord
from pinndiag.checks._thresholds import Thresholds

__all__ = ["lower_rate", "spare_rate"]

USUAL = 0.1  # a first step of a tenth of the bound `update` is that of Adam with 3e-3 in three layers of 20 units
SHORT = 3.0  # a rate is raised where there is room for so many times as much, or more
MARGIN = 4.0  # below the limit, as the curvature grows in a training
WIDE = 30.0  # the same where the first step is not known: rates that had decayed lay up to 73-fold below the limit


def lower_rate(record: DiagnosisRecord, thresholds: Thresholds) -> float | None:
    """A rate below the one in use that the figures speak for; None if they do not say.

    By the start where that speaks for half the rate or less; by half the present limit where the rate is beyond it. Too
    large a rate may have driven the network to where it is flat, so that a present limit above the rate in use vouches
    for nothing: then a tenth of the rate is proposed, or half the limit where that is less.
    """
    stability = None if record.spectrum is None else record.spectrum.stability
    used = _in_use(record)
    half = math.inf if stability is None or not stability.limit > 0 else stability.limit / 2
    first = _suited_to_the_start(record, thresholds)
    if stability is not None and thresholds.sharpness.passed(stability.sharpness):
        return _known(min(half, math.inf if first is None else first))
    if used is None or not used > 0:
        return None
    if first is not None and first < used / 2:
        return first
    return None if stability is None else _known(min(half, used / 10))


def spare_rate(record: DiagnosisRecord, thresholds: Thresholds) -> float | None:
    """A rate at least three times the one in use that leaves a margin below the limit and suits the start.

    None where there is no such room; NaN where neither limit nor start is known.
    """
    stability = None if record.spectrum is None else record.spectrum.stability
    used, first = _in_use(record), _suited_to_the_start(record, thresholds)
    limit = math.inf if stability is None or not stability.limit > 0 else stability.limit
    rate = limit / WIDE if first is None else min(limit / MARGIN, first)
    if used is None or not used > 0 or rate == math.inf:
        return math.nan
    return rate if rate >= SHORT * used else None


def _in_use(record: DiagnosisRecord) -> float | None:
    """The present learning rate; None if unknown."""
    stability = None if record.spectrum is None else record.spectrum.stability
    if stability is not None:
        return stability.lr
    return None if record.run.optimizer is None else record.run.optimizer.lr


def _suited_to_the_start(record: DiagnosisRecord, thresholds: Thresholds) -> float | None:
    """The rate of a first step of usual length, for plain descent at most half its limit there; None if unknown."""
    if record.start is None:
        return None
    now, first = _rates(record)
    edge, update = record.start.lr_sigma_max, record.start.update
    rates = []
    if now is not None and edge is not None and 0 < edge < math.inf:  # stable below 2
        rates.append(now / edge)
    if first is not None and update is not None and 0 < update < math.inf:
        rates.append(first * USUAL * thresholds.update.value / update)
    return _known(min(rates, default=0.0))


def _rates(record: DiagnosisRecord) -> tuple[float | None, float | None]:
    """The rates by which `lr_sigma_max` and `update` were measured at the start; of a run both are its first one."""
    history, optimizer = record.history, record.run.optimizer
    if history is not None and record.run.mode == "run":  # else the start was looked at on a copy of the network
        first = next((rate for rate in history.lr.high if rate is not None), None)
        return first, first
    if optimizer is None:
        return None, None
    begun: Any = optimizer.settings.get("initial_lr")
    return optimizer.lr, float(begun) if isinstance(begun, int | float) else optimizer.lr


def _known(rate: float) -> float | None:
    return rate if 0 < rate < math.inf else None
