"""The range of the inputs, and whether they or the weights are at fault for a bad first layer at the start."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pinndiag._records import DiagnosisRecord, Evidence
from pinndiag.checks._measures import first_layer_at_start
from pinndiag.checks._thresholds import Thresholds

__all__ = ["input_box", "unusual_ranges", "weights_at_fault"]

WIDE, NARROW = 10.0, 0.1


def input_box(record: DiagnosisRecord) -> tuple[list[float], list[float]]:
    """The box of the points of the term with the most coordinates; empty when no points are known."""
    fields = [(name, found.field) for name, found in sorted(record.pointwise.items()) if found.field is not None]
    largest = max((field for _, field in fields), key=lambda f: (len(f.coordinates), f.of), default=None)
    if largest is None:
        return [], []
    axes = [[x for x in axis if math.isfinite(x)] for axis in largest.coordinates]
    return ([min(a) for a in axes], [max(a) for a in axes]) if all(axes) else ([], [])


def unusual_ranges(low: Sequence[float], high: Sequence[float]) -> list[Evidence]:
    """The coordinates that are far from order one."""
    source = f"convention: within [-{WIDE:g}, {WIDE:g}] and wider than {NARROW:g}, not far from zero for its width"
    return [
        Evidence(name=f"range of coordinate {axis}", value=f"{a:.6g} to {b:.6g}", source=source)
        for axis, (a, b) in enumerate(zip(low, high, strict=True))
        if max(abs(a), abs(b)) > WIDE or b - a < NARROW or abs(a + b) / 2 > WIDE * (b - a)
    ]


def weights_at_fault(record: DiagnosisRecord, thresholds: Thresholds) -> bool:
    """Whether the first layer is saturated, or flat, at the start though all coordinates are of order one."""
    layer = first_layer_at_start(record)
    low, high = input_box(record)
    ordinary = bool(low) and not unusual_ranges(low, high)
    if layer is None or not ordinary:
        return False
    return thresholds.first_saturation.passed(layer.saturation) or thresholds.first_spread.passed(layer.spread)
