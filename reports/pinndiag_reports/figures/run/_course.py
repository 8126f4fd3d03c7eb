"""A figure of a run over its steps: a band in columns, ready to draw and to speak of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinndiag._records import Band, Interval
from pinndiag_reports._run import middle
from pinndiag_reports.figures._scale import Array, array

__all__ = ["Course"]

COLUMNS = 200  # of single measurements
GAP = 8.0  # times the usual distance of two measurements: a line is not drawn across


@dataclass(frozen=True)
class Course:
    """Where something was measured, and what.

    Attributes:
        steps: last step of each column, or the step of a single measurement.
        low: smallest value, NaN or infinite where `odd`.
        high: largest value.
        mid: between them.
    """

    steps: Array
    low: Array
    high: Array
    mid: Array

    @classmethod
    def of(cls, band: Band, columns: list[int]) -> Course:
        """The columns of a band in which something was measured."""
        rows = [
            (step, low, high, mid)
            for step, low, high, mid in zip(columns, band.low, band.high, middle(band), strict=False)
            if low is not None and high is not None and mid is not None
        ]
        return cls(*(array([row[i] for row in rows]) for i in range(4)))

    @classmethod
    def single(cls, steps: list[int], values: list[float | None]) -> Course:
        """Single measurements, None where there is none; many of them in columns of smallest and largest."""
        pairs = [(step, value) for step, value in zip(steps, values, strict=False) if value is not None]
        parts = np.array_split(np.arange(len(pairs)), min(len(pairs), COLUMNS)) if pairs else []
        groups = [[pairs[i][1] for i in part] for part in parts]
        band = Band(low=[_least(group) for group in groups], high=[_most(group) for group in groups])
        return cls.of(band, [pairs[part[-1]][0] for part in parts])

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def odd(self) -> NDArray[np.bool_]:
        """Where NaN or infinity was met."""
        return ~np.isfinite(self.high)

    @property
    def first(self) -> float:
        """The first value."""
        return float(self.mid[0]) if len(self) else math.nan

    @property
    def last(self) -> float:
        """The last value."""
        return float(self.mid[-1]) if len(self) else math.nan

    @property
    def lowest(self) -> tuple[float, int]:
        """The smallest finite value and its step; NaN and -1 where there is none."""
        return self._end(self.low, np.argmin)

    @property
    def highest(self) -> tuple[float, int]:
        """The largest finite value and its step."""
        return self._end(self.high, np.argmax)

    def with_gaps(self) -> tuple[Array, Array]:
        """Steps and `mid` with a NaN wherever nothing was measured for long."""
        if len(self) < 3:
            return self.steps, self.mid
        distance = np.diff(self.steps)
        after = np.flatnonzero(distance > GAP * np.median(distance)) + 1
        return np.insert(self.steps, after, np.nan), np.insert(self.mid, after, np.nan)

    def where(self, mask: NDArray[np.bool_]) -> list[Interval]:
        """The stretches of neighbouring columns in which `mask` holds."""
        changes = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
        pairs = zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True)
        return [Interval(first=int(self.steps[a]), last=int(self.steps[b - 1])) for a, b in pairs]

    def _end(self, values: Array, pick: object) -> tuple[float, int]:
        known = np.flatnonzero(np.isfinite(values))
        if not len(known):
            return math.nan, -1
        index = known[pick(values[known])]  # type: ignore[operator]
        return float(values[index]), int(self.steps[index])


def _least(values: list[float]) -> float:
    return min((value for value in values if math.isfinite(value)), default=math.nan)


def _most(values: list[float]) -> float:
    return next((value for value in values if not math.isfinite(value)), max(values))
