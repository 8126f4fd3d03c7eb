"""How a run went: the weighted total by quarters, and the learning rate. Medians, so that spikes count for nothing."""

from __future__ import annotations

import math
import statistics

from pinndiag._records import Band, DiagnosisRecord, History
from pinndiag.checks._measures import counted
from pinndiag.checks._thresholds import Thresholds

__all__ = ["fallen_late", "falls_still", "leap", "rate_left", "risen_again", "standing_since"]

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


def falls_still(history: History, thresholds: Thresholds) -> bool:
    """Whether the total still fell in the last quarter, beyond three standard errors by its scatter.

    The median of n values with a standard deviation s has the error 1.25 s / sqrt(n); s is 1.2 times the scatter, which
    is the median of second differences / 2.
    """
    late = fallen_late(history)
    count = len([value for value in _middles(history.total) if 0 < value < math.inf]) // 4
    if late is None or not count:
        return False
    chance = 3 * 1.25 * 1.2 * (history.scatter or 0.0) * math.sqrt(2 / count)
    return thresholds.late_fall.passed(late - chance)


def rate_left(history: History) -> float | None:
    """Learning rate at the end / the largest of the run; None if unknown."""
    rates = [value for value in _middles(history.lr) if 0 <= value < math.inf]
    return rates[-1] / max(rates) if rates and max(rates) > 0 else None


def risen_again(record: DiagnosisRecord) -> float | None:
    """Median of the last quarter / the smallest of the quarters' medians, of the losses with their present weights.

    None if unknown.
    """
    totals = _totals(record)
    if len(totals) < FEWEST:
        return None
    quarter = len(totals) // 4
    medians = [statistics.median(totals[len(totals) - k * quarter :][:quarter]) for k in (1, 2, 3, 4)]
    return medians[0] / min(medians) if min(medians) > 0 and medians[0] < math.inf else None


def leap(record: DiagnosisRecord) -> float | None:
    """The largest total of the run / the first one; None if unknown."""
    totals = [value for value in _totals(record) if value < math.inf]
    return max(totals) / totals[0] if totals and totals[0] > 0 else None


def _totals(record: DiagnosisRecord) -> list[float]:
    """The weighted total of each column, with the present weights: a scheme that raises them would raise it as well."""
    assert record.history is not None
    series = {n: _middles(record.history.losses[n]) for n in counted(record) if n in record.history.losses}
    lengths = {len(values) for values in series.values()}
    if len(lengths) != 1:
        return []
    weights = {n: record.terms[n].weight for n in series}
    return [sum(weights[n] * values[i] for n, values in series.items()) for i in range(min(lengths))]


def standing_since(history: History) -> tuple[int, float] | None:
    """The step from which on the total is the same to six digits, and the share of the run since; None if it moves.

    One record alone shows no standing still.
    """
    pairs = list(zip(history.total.low, history.total.high, strict=True))
    last = pairs[-1] if pairs else (None, None)
    if last[0] is None or last[0] != last[1] or not math.isfinite(last[0]):
        return None
    same = len(pairs)
    while same and pairs[same - 1] in (last, (None, None)):
        same -= 1
    return (history.columns[same], 1 - same / len(pairs)) if pairs[same:].count(last) > 1 else None


def _middles(band: Band) -> list[float]:
    """One value a column: the geometric mean of both ends where both are positive, else the upper one."""
    found = []
    for low, high in zip(band.low, band.high, strict=True):
        if low is not None and high is not None:
            found.append(math.sqrt(low) * math.sqrt(high) if low > 0 and high > 0 else high)
    return found
