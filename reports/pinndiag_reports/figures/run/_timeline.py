"""A panel over the steps of a run; every one has the same horizontal axis and the same width."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from markupsafe import Markup

from pinndiag._records import History
from pinndiag_reports._names import shorten, shorten_all
from pinndiag_reports._numbers import count, number, plural
from pinndiag_reports._parts import Key, Panel
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Linear, Log, Scale
from pinndiag_reports.figures._scene import Style
from pinndiag_reports.figures.run._course import Course

__all__ = ["Curve", "Level", "drawn_for_script", "frame", "timeline"]

WIDTH, LEFT, RIGHT = 460.0, 54.0, 14.0
SPARSE = 40  # points that are drawn as markers too
DECADES = 24.0


@dataclass(frozen=True)
class Curve:
    """A series and its look.

    Attributes:
        name: what the script and the words call it.
        terms: indices of the terms it is about, by which it can be switched off; empty: never.
    """

    name: str
    course: Course
    style: Style
    terms: tuple[int, ...] = ()


@dataclass(frozen=True)
class Level:
    """A horizontal line with words."""

    value: float
    words: str
    color: str = "muted"


def _axis(history: History) -> Scale:
    """The steps of the run: the one horizontal axis of all timelines."""
    return Linear(float(history.first), float(max(history.last, history.first + 1)), 6)


def frame(history: History, y: Scale, *, height: float = 200, y_label: str = "") -> Plot:
    """An empty panel of the common shape."""
    return Plot(
        _axis(history),
        y,
        width=WIDTH,
        left=LEFT,
        right=RIGHT,
        height=height,
        x_label="optimizer step",
        y_label=y_label,
        grid="y",
    )


def timeline(
    history: History,
    curves: Iterable[Curve],
    *,
    key: str,
    title: str,
    y_label: str,
    scale: Literal["log", "linear"] = "log",
    levels: Iterable[Level] = (),
    keyed: bool = False,
) -> Panel | None:
    """A panel; None where no curve has a point.

    Args:
        history: the run.
        curves: what to draw; those without a point are left out.
        key: the part of the history that the curves come from.
        title: the claim.
        y_label: what the vertical axis is.
        scale: of the vertical axis.
        levels: lines to compare with.
        keyed: the panel names its curves itself.
    """
    drawn = [curve for curve in curves if len(curve.course)]
    levels = [level for level in levels if math.isfinite(level.value)]
    if not drawn:
        return None
    values = np.concatenate([np.concatenate([c.course.low, c.course.high]) for c in drawn])
    values = np.append(values, [level.value for level in levels])
    y: Scale = Log.over(values, decades=DECADES) if scale == "log" else Linear.over(values)
    plot = frame(history, y, y_label=y_label)
    for level in levels:
        plot.level(level.value, level.words, color=level.color)
    for row, curve in enumerate(drawn):
        with plot.grouped("terms", " ".join(map(str, curve.terms))):
            _draw(plot, curve, row, logarithmic=scale == "log")
    odd = [part.first for curve in drawn for part in curve.course.where(curve.course.odd)]
    if odd:
        plot.at_top(min(odd), "NaN or ∞", len(drawn))
    svg = drawn_for_script(plot, history, key, [curve.name for curve in drawn])
    names = shorten_all((curve.name for curve in drawn), 40)
    keys = tuple(Key(n, c.style.color, c.style.dash) for n, c in zip(names, drawn, strict=True)) if keyed else ()
    return Panel(svg, f"{title}. {_words(drawn)}", title, keys)


def drawn_for_script(plot: Plot, history: History, key: str, names: list[str]) -> Markup:
    """The drawing, and what the page's script must know to zoom into it and to read it."""
    left, bottom, right, top = plot.box
    return plot.svg(
        f"timeline-{key}",
        timeline=key,
        first=str(history.first),
        last=str(max(history.last, history.first + 1)),
        names=json.dumps(names),
        box=f"{left:g} {plot.height - top:g} {right:g} {plot.height - bottom:g}",
    )


def _draw(plot: Plot, curve: Curve, row: int, *, logarithmic: bool) -> None:
    course, style = curve.course, curve.style
    if (course.high > course.low).any():
        plot.band(course.steps, course.low, course.high, style)
    plot.line(*course.with_gaps(), style, width=1.6, markers=len(course) <= SPARSE)
    for part in course.where(course.odd):
        plot.edge(part.first, part.last, style, top=True, row=row)
    if logarithmic:
        for part in course.where(course.low <= 0):
            plot.edge(part.first, part.last, style, top=False, row=row)


def _words(curves: Iterable[Curve]) -> str:
    """What a panel shows, for those who do not see it."""
    parts = []
    for curve in curves:
        low, high = curve.course.lowest, curve.course.highest
        text = f"{shorten(curve.name, 30)}: first {number(curve.course.first)}, last {number(curve.course.last)}, "
        text += f"from {number(low[0])} (step {count(low[1])}) to {number(high[0])} (step {count(high[1])})"
        odd = int(curve.course.odd.sum())
        parts.append(text + (f", NaN or infinite in {plural(odd, 'column')}" if odd else ""))
    return "; ".join(parts)
