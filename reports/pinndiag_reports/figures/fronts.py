"""The trajectories of several runs together, the lowest point of each marked, and their joint front."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from pinndiag._records._comparison import Fronts
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import count, number, times
from pinndiag_reports._parts import Absent, Figure, Key, Panel, Part, Table
from pinndiag_reports.comparison import FRONT_HEAD, front_rows
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Log, array
from pinndiag_reports.figures._scene import series
from pinndiag_reports.figures.run.trajectories import aged

__all__ = ["fronts"]


def fronts(found: list[Fronts], names: Mapping[str, str]) -> Part:
    """A panel for each pair of terms.

    Args:
        found: the trajectories; runs go by a letter.
        names: letter -> name of the run.
    """
    panels = tuple(panel for front in found if (panel := _panel(front)) is not None)
    if not panels:
        return Absent("Pareto trajectories", "there must be two runs, with two terms in common at least")
    runs = list(dict.fromkeys(item.run for front in found for item in front.runs))
    styles = [(run, series(index)) for index, run in enumerate(runs)]
    keys = [
        Key(f"{run}: {shorten(names.get(run, run), 40)}, early light, late dark", style.color, style.dash, style.marker)
        for run, style in styles
    ]
    return Figure(
        "fig-fronts",
        _claim(found),
        panels,
        note="Each loss is divided by the run's own first recorded value. Large marks: the lowest product of the two "
        "in each run; ringed points: bettered in both losses by no point of any run.",
        keys=tuple(keys),
        tables=(Table(FRONT_HEAD, tuple(front_rows(found)), folded="Numbers: lowest points"),),
        size="medium",
    )


def _panel(front: Fronts) -> Panel | None:
    x = np.concatenate([array(item.path.x) for item in front.runs])
    y = np.concatenate([array(item.path.y) for item in front.runs])
    if not (np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)).any():
        return None
    plot = Plot(
        Log.over(x, decades=16),
        Log.over(y, decades=16),
        height=300,
        left=52,
        x_label=f"loss of {shorten(front.a, 24)} / its first",
        y_label=f"loss of {shorten(front.b, 24)} / its first",
    )
    words = []
    for index, item in enumerate(front.runs):
        style, path = series(index), item.path
        aged(plot, path, style)
        plot.rings(array(path.x)[item.joint], array(path.y)[item.joint], style)
        low = path.lowest
        plot.dots([path.x[low]], [path.y[low]], style, size=13)
        plot.label(path.x[low], path.y[low], item.run, shift=9, lift=8)
        words.append(
            f"{item.run}: lowest at step {path.steps[low]} ({number(path.x[low])}, {number(path.y[low])}), "
            f"{len(item.joint)} of {len(path.steps)} points bettered by none"
        )
    title = f"{shorten(front.a, 20)} and {shorten(front.b, 20)}: {_lead(front)}"
    return Panel(plot.svg(f"fronts-{front.a}-{front.b}"), f"{title}. {'; '.join(words)}", title)


def _products(front: Fronts) -> dict[str, float]:
    found = {item.run: item.path.x[item.path.lowest] * item.path.y[item.path.lowest] for item in front.runs}
    return {run: product for run, product in found.items() if math.isfinite(product) and product > 0}


def _lead(front: Fronts) -> str:
    products = _products(front)
    if len(products) < 2:
        return "one run alone came to finite losses"
    best, worst = min(products, key=lambda run: products[run]), max(products, key=lambda run: products[run])
    return f"{best} comes {times(products[worst] / products[best])} times lower than {worst} (product of both)"


def _claim(found: list[Fronts]) -> str:
    alone = {run for front in found for run in _masters(front)}
    if len(alone) == 1:
        return f"No point of another run betters {next(iter(alone))}: its trajectories make the front alone"
    share = {item.run: sum(len(i.joint) for f in found for i in f.runs if i.run == item.run) for item in found[0].runs}
    return "Points on the joint fronts: " + ", ".join(f"{count(amount)} of {run}" for run, amount in share.items())


def _masters(front: Fronts) -> set[str]:
    """The runs that have points on the joint front."""
    return {item.run for item in front.runs if item.joint}
