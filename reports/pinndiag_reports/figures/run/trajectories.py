"""Paths of two losses, as in figures 4, 7 and 10 of Deguchi and Asai (2023): early light, late dark."""

from __future__ import annotations

import math

import numpy as np

from pinndiag._records import History, ParetoPath
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import count, number, plural, times
from pinndiag_reports._parts import Absent, Figure, Key, Panel, Part, Table
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Log, array
from pinndiag_reports.figures._scene import Style

__all__ = ["aged", "trajectories"]

SHADES = (0.25, 0.4, 0.55, 0.75, 1.0)


def trajectories(history: History) -> Part:
    """A small panel for each pair of terms."""
    panels = tuple(panel for path in history.pareto if (panel := _panel(path)) is not None)
    if not panels:
        why = "only one term" if len(history.losses) < 2 else "no finite, positive losses"
        return Absent("Pareto trajectories", f"nothing to draw: {why}")
    pairs = math.comb(len(history.losses), 2)
    some = f"{len(panels)} of {pairs} pairs drawn, the first ones. " if len(panels) < pairs else ""
    return Figure(
        "fig-pareto",
        _claim(history.pareto),
        panels,
        note="Each loss is divided by its first recorded value. A step along an axis without the other is free; along "
        f"the front, one loss falls only while the other rises. {some}",
        keys=(
            Key("path, early light, late dark", "s0"),
            Key("points that no other betters in both", "s1", "", "s"),
            Key("lowest product", "problem", "", "p"),
            Key("end", "ink", "", "X"),
        ),
        tables=(_table(history),),
        size="small",
    )


def aged(plot: Plot, path: ParetoPath, style: Style) -> None:
    """A path: early light, late dark."""
    x, y = array(path.x), array(path.y)
    cuts = np.linspace(0, max(len(x) - 1, 0), len(SHADES) + 1).astype(int)
    for shade, start, end in zip(SHADES, cuts[:-1], cuts[1:], strict=True):
        plot.line(x[start : end + 1], y[start : end + 1], style, width=1.6, alpha=shade)


def _usable(path: ParetoPath) -> bool:
    pairs = zip(path.x, path.y, strict=True)
    return any(math.isfinite(x) and math.isfinite(y) and x > 0 and y > 0 for x, y in pairs)


def _panel(path: ParetoPath) -> Panel | None:
    if not _usable(path):
        return None
    plot = Plot(
        Log.over(path.x, decades=16),
        Log.over(path.y, decades=16),
        width=300,
        height=260,
        left=50,
        x_label=f"loss of {shorten(path.a, 24)} / first",
        y_label=f"loss of {shorten(path.b, 24)} / first",
    )
    x, y = array(path.x), array(path.y)
    aged(plot, path, Style("s0"))
    plot.dots(x[path.front], y[path.front], Style("s1", "", "s"), size=4)
    plot.dots(x[-1:], y[-1:], Style("ink", "", "X"), size=8)
    plot.dots([x[path.lowest]], [y[path.lowest]], Style("problem", "", "p"), size=11)
    title = f"{shorten(path.a, 20)} and {shorten(path.b, 20)}: {_ends(path)}"
    alt = f"{title}. Lowest at step {path.steps[path.lowest]}: {number(path.x[path.lowest])}, "
    alt += f"{number(path.y[path.lowest])}; {plural(len(path.front), 'point')} on the front."
    return Panel(plot.svg(f"pareto-{path.a}-{path.b}"), alt, title)


def _ends(path: ParetoPath) -> str:
    return f"{_factor(path.x[-1])} and {_factor(path.y[-1])} at last"


def _factor(relative: float) -> str:
    if not math.isfinite(relative) or relative <= 0:
        return number(relative)
    return f"{times(1 / relative)}-fold down" if relative <= 1 else f"{times(relative)}-fold up"


def _claim(paths: list[ParetoPath]) -> str:
    traded = [
        path
        for path in paths
        if _usable(path) and min(path.x[-1], path.y[-1]) < 1 < max(path.x[-1], path.y[-1])  # one fell, one rose
    ]
    if not traded:
        return "Trajectories: no pair traded one loss for the other from start to end"
    path = traded[0]
    down, up = (path.a, path.b) if path.x[-1] < 1 else (path.b, path.a)
    return f"{shorten(down, 24)} fell while {shorten(up, 24)} rose: {_ends(path)}"


def _table(history: History) -> Table:
    rows = [
        (
            f"{path.a} | {path.b}",
            count(path.steps[path.lowest]),
            number(path.x[path.lowest]),
            number(path.y[path.lowest]),
            number(path.x[-1]),
            number(path.y[-1]),
            str(len(path.front)),
        )
        for path in history.pareto
        if path.steps
    ]
    head = ("pair", "lowest at step", "first there", "second there", "first at last", "second at last", "front points")
    return Table(head, tuple(rows), folded="Numbers: trajectories")
