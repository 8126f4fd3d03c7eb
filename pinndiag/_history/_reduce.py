"""Reduce a series of any length to the smallest and largest value per column, so that no spike is lost."""

from __future__ import annotations

import itertools
import math

import numpy as np
from jaxtyping import Bool, Float64, Int64

from pinndiag._records import Band

__all__ = ["COLUMNS", "band", "edges"]

COLUMNS = 400  # about the pixels across a figure

Series = Float64[np.ndarray, " records"]
Known = Bool[np.ndarray, " records"]
Edges = Int64[np.ndarray, " edges"]


def edges(records: int, columns: int = COLUMNS) -> Edges:
    """Where the columns begin and end: columns + 1 indices into the records, each column about equally many.

    >>> edges(3).tolist(), edges(10, 4).tolist()
    ([0, 1, 2, 3], [0, 2, 5, 7, 10])
    """
    if records <= columns:
        return np.arange(records + 1, dtype=np.int64)
    return np.floor(np.linspace(0, records, columns + 1)).astype(np.int64)


def band(series: Series, cuts: Edges, known: Known | None = None) -> Band:
    """Smallest and largest value of each column, to six digits.

    Args:
        series: the values; NaN where nothing was measured.
        cuts: from `edges`.
        known: where something was measured although it is NaN: such a column has NaN as its largest value.

    Infinite values are kept; a column in which nothing was measured is None.

    >>> band(np.array([1.0, 3.0, np.nan, np.nan, 2.0, np.inf]), np.array([0, 2, 4, 6]))
    Band(low=[1.0, None, 2.0], high=[3.0, None, inf])
    """
    low: list[float | None] = []
    high: list[float | None] = []
    for a, b in itertools.pairwise(cuts.tolist()):
        column = series[a:b]
        values = column[~np.isnan(column)]
        broken = known is not None and bool(known[a:b].sum() > len(values))
        low.append(_rounded(values.min()) if len(values) else math.nan if broken else None)
        high.append(math.nan if broken else _rounded(values.max()) if len(values) else None)
    return Band(low=low, high=high)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}") if math.isfinite(value) else float(value)
