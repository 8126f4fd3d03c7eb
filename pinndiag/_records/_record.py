"""What every record shares: plain, frozen, typed, free of torch; and numbers that may be NaN or infinite."""

from __future__ import annotations

import math
from typing import Any, TypeVar, dataclass_transform

import msgspec

__all__ = ["Histogram", "Record", "from_plain", "to_plain"]


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen value with named fields: what a measurement returns and what a file holds."""


class Histogram(Record):
    """Counts of a quantity in equal bins.

    Attributes:
        low: left edge of the first bin.
        high: right edge of the last bin.
        counts: one count a bin.
        below: how many values lie left of `low`.
        above: how many values lie right of `high`.
        zeros: values that are exactly zero (they have no place on a logarithmic axis).
        nonfinite: values that are NaN or infinite.
    """

    low: float
    high: float
    counts: list[int]
    below: int = 0
    above: int = 0
    zeros: int = 0
    nonfinite: int = 0


T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """A record as dictionaries, lists, strings and numbers; NaN and infinities as the strings JSON can carry."""
    return _spell(msgspec.to_builtins(value))


def _spell(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {key: _spell(item) for key, item in value.items()}
    if isinstance(value, list | tuple):  # settings may hold tuples, which no file gives back
        return [_spell(item) for item in value]
    return value


def from_plain(value: Any, kind: type[T]) -> T:
    """The record that `to_plain` gave `value` for; strings such as "NaN" become numbers where a number belongs.

    Raises:
        msgspec.ValidationError: `value` is not of that shape; the message names the path.
    """
    return msgspec.convert(value, kind, strict=False)
