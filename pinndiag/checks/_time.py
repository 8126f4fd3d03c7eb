"""Which axis is time, where the initial condition lies on it, and how a residual is spread along it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

from pinndiag._records import DiagnosisRecord, Field
from pinndiag.checks._geometry import NEAR, Columns, box_of, columns_of
from pinndiag.checks._measures import counted

__all__ = ["beginnings", "contrast_along", "initial_term", "only_starts", "time_axis", "worst_tenth"]


def time_axis(record: DiagnosisRecord) -> int:
    """The axis at whose low end a term lies wholly, and at whose high end none does; else the last one is a guess.

    Of several (an inflow at one side looks like an initial condition), the one with the largest contrast.
    """
    starts = _starts(record)
    if len(starts) < 2:
        return next(iter(starts), -1)
    fields = [found.field for found in record.pointwise.values() if found.field is not None]
    return max(starts, key=lambda axis: max((_contrast(f, axis) or 0.0 for f in fields if _has(f, axis)), default=0.0))


def initial_term(record: DiagnosisRecord) -> str | None:
    """The term all of whose points lie at the low end of the time axis; None where no axis is known to be time."""
    return _starts(record).get(time_axis(record))


def only_starts(record: DiagnosisRecord) -> bool:
    """Whether all terms but one lie at the beginning of the time, as in an initial value problem without boundaries.

    Such a problem with smooth coefficients has a solution (Picard, Lindeloef): its terms contradict nobody.
    """
    columns, axis = columns_of(record), time_axis(record)
    if axis == -1 or columns.keys() != counted(record).keys():
        return False
    low, high = box_of(columns)[axis]
    near = NEAR * (high - low)
    return sum(any(abs(x - low) > near for x in column[axis]) for column in columns.values()) == 1


def contrast_along(record: DiagnosisRecord, name: str) -> float | None:
    """Mean square of a term's residual in the first tenth of the time axis / median of the later half's tenths."""
    found = record.pointwise[name]
    axis = time_axis(record)
    if found.field is None or not _has(found.field, axis) or axis in (-1, len(found.field.coordinates) - 1):
        return found.time_contrast
    return _contrast(found.field, axis)


def worst_tenth(record: DiagnosisRecord, name: str) -> int | None:
    """Which tenth of the time axis (0 to 9) has the largest mean square of a term's residual."""
    found = record.pointwise.get(name)
    if found is None or found.field is None or not found.field.coordinates:
        return None
    means = [0.0 if mean is None else mean for mean in _tenths(found.field, time_axis(record))]
    return means.index(max(means)) if means else None


def beginnings(columns: Mapping[str, Columns], *, fewest: int = 2) -> dict[int, str]:
    """Axis -> a term that lies wholly at its low end, where none lies wholly at its high end.

    Args:
        columns: the coordinates of each term's points, axis by axis.
        fewest: coordinates of the points that are looked at.
    """
    known = {name: found for name, found in columns.items() if len(found) >= fewest}
    found: dict[int, str] = {}
    for axis, (low, high) in enumerate(box_of(known)):
        near = NEAR * (high - low)
        places = {name: [x for x in column[axis] if math.isfinite(x)] for name, column in known.items()}
        starts = sorted(name for name, t in places.items() if t and all(abs(x - low) <= near for x in t))
        ends = [name for name, t in places.items() if t and all(abs(x - high) <= near for x in t)]
        if starts and not ends and len(starts) < len(places):
            found[axis] = starts[0]
    return found


def _starts(record: DiagnosisRecord) -> dict[int, str]:
    return beginnings(columns_of(record), fewest=1)


def _has(field: Field, axis: int) -> bool:
    return axis < len(field.coordinates)


def _contrast(field: Field, axis: int) -> float | None:
    tenths = _tenths(field, axis)
    later = [mean for mean in tenths[5:] if mean is not None]
    if not later or tenths[0] is None:
        return None
    middle = statistics.median(later)
    return tenths[0] / middle if middle > 0 else math.inf


def _tenths(field: Field, axis: int) -> list[float | None]:
    """Mean square in each tenth of an axis, relative to the largest square; empty where it cannot be had."""
    pairs = [
        (x, r)
        for x, r in zip(field.coordinates[axis], field.values.get("residual", []), strict=False)
        if math.isfinite(x) and math.isfinite(r)
    ]
    if not pairs:
        return []
    low, high = min(x for x, _ in pairs), max(x for x, _ in pairs)
    largest = max(abs(r) for _, r in pairs)
    if not 0 < high - low < math.inf or largest == 0:
        return []
    tenths: list[list[float]] = [[] for _ in range(10)]
    for x, r in pairs:
        tenths[min(9, int((x - low) / (high - low) * 10))].append((r / largest) ** 2)
    return [sum(tenth) / len(tenth) if tenth else None for tenth in tenths]
