"""How a run went: the weighted total by quarters, and the learning rate. Medians, so that spikes count for nothing."""

from __future__ import annotations

import math
import statistics

from pinndiag._records import Band, History

__all__ = ["fallen_late", "rate_left"]

FEWEST = 12  # columns with a value without which a quarter says nothing


def fallen_late(history: History) -> float | None:
    """Decades between the medians of the run's third and of its last quarter; negative where it rose, None if unknown.

    Two quarters lie half a run apart in their middles by a quarter of the run: the fall in one quarter of the steps.
    """
    values = [value for value in _middles(history.total) if 0 < value < math.inf]
    if len(values) < FEWEST:
        return None
    quarter = len(values) // 4
    third, last = values[-2 * quarter : -quarter], values[-quarter:]
    return math.log10(statistics.median(third) / statistics.median(last))


def rate_left(history: History) -> float | None:
    """Learning rate at the end / the largest of the run; None if unknown."""
    rates = [value for value in _middles(history.lr) if 0 <= value < math.inf]
    return rates[-1] / max(rates) if rates and max(rates) > 0 else None


def _middles(band: Band) -> list[float]:
    """One value a column: the geometric mean of both ends where both are positive, else the upper one."""
    found = []
    for low, high in zip(band.low, band.high, strict=True):
        if low is not None and high is not None:
            found.append(math.sqrt(low) * math.sqrt(high) if low > 0 and high > 0 else high)
    return found
