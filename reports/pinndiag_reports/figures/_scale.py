"""Axes: where a number falls between 0 and 1, and which ticks to draw.

Matplotlib's own axes would do this too, at ten times the cost; a page holds dozens of panels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pinndiag_reports._numbers import number

__all__ = ["Array", "Linear", "Log", "Rows", "Scale", "SymLog", "array", "power"]

Array = NDArray[np.float64]

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def array(values: Iterable[float]) -> Array:
    """Numbers as float64."""
    return np.asarray(list(values), dtype=np.float64)


def power(exponent: int) -> str:
    """A power of ten as a label: 10⁻³."""
    return "1" if exponent == 0 else "10" + str(exponent).translate(_SUPERSCRIPT)


class Scale(Protocol):
    """What a plot asks of an axis."""

    @property
    def ticks(self) -> Sequence[tuple[float, str]]:
        """Positions between 0 and 1, and labels."""
        ...

    def place(self, values: Array) -> Array:
        """Positions of `values`: 0 at the start of the axis, 1 at its end; NaN where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """Equal steps."""

    low: float
    high: float
    many: int = 5

    @classmethod
    def over(cls, values: Iterable[float], *, pad: float = 0.04, many: int = 5) -> Linear:
        """An axis that holds the finite ones of `values`."""
        data = array(values)
        data = data[np.isfinite(data)]
        if data.size == 0:
            return cls(0.0, 1.0, many)
        low, high = float(data.min()), float(data.max())
        room = pad * (high - low)
        if not room > 1e-9 * max(abs(low), abs(high)):  # all alike: an axis needs some length
            room = 0.5 * abs(high) or 0.5
        return cls(low - room, high + room, many)

    @property
    def ticks(self) -> Sequence[tuple[float, str]]:
        """Round numbers."""
        values = MaxNLocator(self.many, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
        places = self.place(np.asarray(values, dtype=np.float64))
        step = abs(values[1] - values[0]) if len(values) > 1 else 1.0
        largest = max(abs(self.low), abs(self.high))
        digits = max(3, 1 + math.floor(math.log10(largest / step)) + 1) if largest > 0 and step > 0 else 3
        return [
            (float(place), number(0.0 if abs(value) < 1e-9 * step else float(value), digits))
            for place, value in zip(places, values, strict=True)
            if -1e-9 <= place <= 1 + 1e-9
        ]

    def place(self, values: Array) -> Array:
        """As in `Scale`."""
        place: Array = np.where(np.isfinite(values), (values - self.low) / (self.high - self.low), np.nan)
        return place


@dataclass(frozen=True, slots=True)
class Log:
    """Equal factors; what is not positive has no place. `low` and `high` are exponents of ten."""

    low: float
    high: float
    many: int = 5

    @classmethod
    def over(cls, values: Iterable[float], *, pad: float = 0.05, decades: float = 40.0, many: int = 5) -> Log:
        """An axis that holds the positive finite ones of `values`, at most `decades` below the largest."""
        data = array(values)
        data = np.log10(data[np.isfinite(data) & (data > 0)])
        if data.size == 0:
            return cls(-1.0, 0.0, many)
        high = float(data.max())
        low = max(float(data.min()), high - decades)
        room = max(pad * (high - low), 0.12)
        return cls(low - room, high + room, many)

    @property
    def ticks(self) -> Sequence[tuple[float, str]]:
        """Whole decades, thinned; 1, 2, 5 where the axis is shorter than two decades."""
        first, last = math.ceil(self.low), math.floor(self.high)
        if last - first < 2:
            marks = [
                (math.log10(digit) + decade, number(digit * 10.0**decade))
                for decade in range(first - 1, last + 2)
                for digit in ((1, 2, 5) if last - first < 1 else (1, 3))
            ]
        else:
            step = math.ceil((last - first + 1) / self.many)
            marks = [
                (float(decade), power(decade)) for decade in range(first, last + 1) if (decade - first) % step == 0
            ]
        places = [((mark - self.low) / (self.high - self.low), label) for mark, label in marks]
        return [(place, label) for place, label in places if 0 <= place <= 1]

    def place(self, values: Array) -> Array:
        """As in `Scale`."""
        good = np.isfinite(values) & (values > 0)
        logs = np.log10(np.where(good, values, 1.0))
        place: Array = np.where(good, (logs - self.low) / (self.high - self.low), np.nan)
        return place


@dataclass(frozen=True, slots=True)
class SymLog:
    """Logarithmic on both sides of zero, linear within `linear` of it: sign(x) log10(1 + |x| / linear)."""

    low: float
    high: float
    linear: float

    @classmethod
    def over(cls, values: Iterable[float], *, linear: float) -> SymLog:
        """An axis that holds the finite ones of `values`."""
        data = array(values)
        data = data[np.isfinite(data)]
        low, high = (float(data.min()), float(data.max())) if data.size else (0.0, 1.0)
        return cls(min(low, 0.0) * 2, max(high, 0.0) * 2 or linear * 10, linear)

    def bend(self, values: Array) -> Array:
        """The bent axis, before it is scaled to 0 and 1."""
        bent: Array = np.sign(values) * np.log10(1 + np.abs(values) / self.linear)
        return bent

    @property
    def ticks(self) -> Sequence[tuple[float, str]]:
        """Zero and decades on both sides."""
        floor = math.ceil(math.log10(self.linear)) + 1
        marks: list[tuple[float, str]] = [(0.0, "0")]
        total = float(np.ptp(self.bend(array([self.low, self.high]))))
        step = max(1, math.ceil(total / 6))
        for sign, end in ((1, self.high), (-1, self.low)):
            if sign * end <= 10.0**floor:
                continue
            top = math.floor(math.log10(abs(end)))
            marks += [(sign * 10.0**k, ("-" if sign < 0 else "") + power(k)) for k in range(top, floor - 1, -step)]
        return sorted((float(self.place(array([value]))[0]), label) for value, label in marks)

    def place(self, values: Array) -> Array:
        """As in `Scale`."""
        low, high = self.bend(array([self.low, self.high]))
        place: Array = np.where(np.isfinite(values), (self.bend(values) - low) / (high - low), np.nan)
        return place


@dataclass(frozen=True, slots=True)
class Rows:
    """One place for each name, the first at the top of a vertical axis (or the left of a horizontal one)."""

    names: tuple[str, ...]
    downward: bool = True

    @property
    def ticks(self) -> Sequence[tuple[float, str]]:
        """Every name."""
        places = self.place(np.arange(len(self.names), dtype=np.float64))
        return [(float(place), name) for place, name in zip(places, self.names, strict=True)]

    def place(self, values: Array) -> Array:
        """`values` counts the names from 0."""
        along = (values + 0.5) / max(len(self.names), 1)
        return 1 - along if self.downward else along
