"""A value over coordinates as one panel: a line in one dimension, a map over the first two otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pinndiag_reports._numbers import number, plural
from pinndiag_reports._parts import Panel
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._raster import Colors, dots, lattice, png
from pinndiag_reports.figures._scale import Array, Linear, Log, Scale, array
from pinndiag_reports.figures._scene import Style

__all__ = ["Shown", "extent", "map_panel", "value_range"]

_MOST_POINTS_IN_A_LINE = 700


@dataclass(frozen=True, slots=True)
class Shown:
    """What a map shows.

    Attributes:
        name: in words, with its unit.
        values: one a point.
        colors: name of a colour map.
        low, high: range of the values that the colours span; exponents of ten where `logarithmic`.
        logarithmic: colours by log10 of the value.
    """

    name: str
    values: Array
    colors: str
    low: float
    high: float
    logarithmic: bool = False


def value_range(values: Array) -> tuple[float, float] | None:
    """Smallest and largest finite value, or None."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else None


def extent(values: Array, *, decades: float = 4.0) -> tuple[float, float] | None:
    """Range of log10 of the positive values, at most `decades` long; None where there is none."""
    found = value_range(np.log10(values[np.isfinite(values) & (values > 0)]))
    return (max(found[0], found[1] - decades), found[1]) if found else None


def map_panel(coordinates: list[list[float]], shown: Shown, title: str, salt: str, style: Style) -> Panel | None:
    """The panel, or None when there is nothing to draw."""
    axes = [array(axis) for axis in coordinates]
    size = min([axis.size for axis in axes] + [shown.values.size], default=0)
    values = shown.values[:size]
    axes = [axis[:size] for axis in axes]
    good = np.ones(size, dtype=bool)
    for axis in axes:
        good &= np.isfinite(axis)
    if not axes or not good.any() or not np.isfinite(values[good]).any():
        return None
    axes, values = [axis[good] for axis in axes], values[good]
    if len(axes) == 1 or not np.ptp(axes[1]) > 0 or not np.ptp(axes[0]) > 0:
        across = 0 if len(axes) == 1 or np.ptp(axes[0]) > 0 else 1
        return _line(axes[across], values, shown, title, salt, style, f"coordinate {across + 1}")
    return _map(axes, values, shown, title, salt)


def _line(x: Array, values: Array, shown: Shown, title: str, salt: str, style: Style, x_label: str) -> Panel:
    order = np.argsort(x, kind="stable")
    x, values = _thinned(x[order], values[order])
    y: Scale = Log.over(values, decades=8) if shown.logarithmic else Linear.over(values)
    plot = Plot(Linear.over(x, pad=0.01), y, x_label=x_label, y_label=shown.name)
    if x.size > 3:  # between two end points there is nothing that a line could show
        plot.line(x, values, style, markers=x.size <= 40)
    else:
        plot.dots(x, values, style)
    return Panel(plot.svg(salt), _words(title, shown, values), title)


def _thinned(x: Array, values: Array) -> tuple[Array, Array]:
    """At most some hundreds of points: smallest and largest value of each run of neighbours; no peak is lost."""
    pieces = _MOST_POINTS_IN_A_LINE // 2
    if x.size <= 2 * pieces:
        return x, values
    keep: list[int] = []
    for run in np.array_split(np.arange(x.size), pieces):
        known = run[np.isfinite(values[run])]
        if known.size:
            keep += sorted({int(known[np.argmin(values[known])]), int(known[np.argmax(values[known])])})
    return x[keep], values[keep]


def _map(axes: list[Array], values: Array, shown: Shown, title: str, salt: str) -> Panel:
    x, y = axes[0], axes[1]
    left, right, top, bottom, width = 44.0, 66.0, 12.0, 38.0, 360.0
    inner = width - left - right
    aspect = float(np.ptp(y) / np.ptp(x))
    tall = inner * min(max(aspect, 0.5), 1.0) if 0.2 < aspect < 5 else inner * 0.8
    plot = Plot(
        Linear(float(x.min()), float(x.max()), 4),
        Linear(float(y.min()), float(y.max()), 4),
        width=width,
        height=tall + top + bottom,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        grid="none",
        x_label=f"coordinates 1 (across) and 2 (up){f' of {len(axes)}' if len(axes) > 2 else ''}",
    )
    measured = values
    if shown.logarithmic:
        positive = np.isfinite(values) & (values > 0)
        measured = np.where(
            positive, np.log10(np.where(positive, values, 1.0)), np.where(values == 0, shown.low, np.nan)
        )
    colors = Colors(shown.colors, shown.low, shown.high)
    indices = colors.indices(measured)
    pixels = lattice(x, y, indices) if len(axes) == 2 else None
    if pixels is None:
        side = math.sqrt(inner * tall / values.size)
        scale = 2 if values.size <= 6000 else 1
        dot = max(2, round(scale * min(max(0.9 * side, 1.6), 6.0)))
        across_pixels, up_pixels = round(scale * inner), round(scale * tall)
        across, up = (x - x.min()) / np.ptp(x), (y - y.min()) / np.ptp(y)
        order = np.abs(measured) if not shown.logarithmic else measured
        pixels = dots(across, up, indices, width=across_pixels, height=up_pixels, size=dot, order=order)
    plot.backing()
    plot.image(png(pixels, colors))
    edge = width - right + 10
    ramp = np.arange(127, -1, -2, dtype=np.uint8)[:, None]
    plot.image(png(ramp, colors), box=(edge, bottom, edge + 10, bottom + tall), crisp=False)
    top_value = shown.high if shown.high > shown.low else shown.low + 1.0
    bar: Scale = Log(shown.low, top_value, 4) if shown.logarithmic else Linear(shown.low, top_value, 4)
    plot.side_axis(bar, edge + 14)
    return Panel(plot.svg(salt), _words(title, shown, values), title)


def _words(title: str, shown: Shown, values: Array) -> str:
    found = value_range(values)
    odd = int((~np.isfinite(values)).sum())
    text = f"{title}: {shown.name}"
    if found:
        text += f" from {number(found[0])} to {number(found[1])} over {plural(values.size, 'point')}"
    return text + (f", {odd} not finite (magenta)" if odd else "")
