"""Distributions of the gradients over all parameters, as in figures 3, 6 and 9 of Deguchi and Asai (2023)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from pinndiag._records import Histogram
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import count, number, times
from pinndiag_reports._parts import Absent, Figure, Panel, Part, Table
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Array, Linear, Log, Scale
from pinndiag_reports.figures._scene import Scene

__all__ = ["distributions", "drawable", "histogram_plot", "shares", "span"]


def drawable(histogram: Histogram | None) -> bool:
    """Whether there is something to draw: finite edges and at least one count."""
    return (
        histogram is not None
        and math.isfinite(histogram.low)
        and math.isfinite(histogram.high)
        and histogram.high > histogram.low
        and sum(histogram.counts) > 0
    )


def shares(histogram: Histogram) -> tuple[Array, Array]:
    """Edges, and the share of all entries in each bin."""
    counts = np.asarray(histogram.counts, dtype=np.float64)
    everything = counts.sum() + histogram.below + histogram.above + histogram.zeros + histogram.nonfinite
    return np.linspace(histogram.low, histogram.high, counts.size + 1), counts / everything


def span(histograms: Mapping[str, Histogram]) -> tuple[float, float]:
    """The common range of several histograms."""
    return min(item.low for item in histograms.values()), max(item.high for item in histograms.values())


def distributions(scene: Scene) -> Part:
    """Three panels: g, w g (what the optimizer sees; not where all weights are 1), and |g| on a logarithmic axis."""
    terms = scene.record.terms
    g = {name: terms[name].histogram for name in scene.shown}
    weighted = {name: terms[name].histogram_weighted for name in scene.shown}
    sizes = {name: terms[name].magnitudes for name in scene.shown}
    first = "g of each term; all weights are 1" if scene.weightless else "unweighted: g of each term"
    panels = [
        _panel(scene, g, "linear", first, "gradient entry"),
        None
        if scene.weightless
        else _panel(scene, weighted, "linear", "weighted: w g, what the optimizer sees", "weight x gradient entry"),
        _panel(scene, sizes, "power", "magnitudes: |g|, unweighted", "absolute gradient entry, logarithmic"),
    ]
    drawn = tuple(panel for panel in panels if panel is not None)
    if not drawn:
        return Absent("Distributions of the gradients", "nothing to draw: no histogram with finite, non-zero entries")
    return Figure(
        "fig-distributions",
        _claim(scene),
        drawn,
        note="Share of the trainable parameters in each of 100 bins, on a logarithmic axis. A term whose distribution "
        "is a spike at zero beside a wide one hardly moves the parameters. " + scene.limited,
        keys=scene.keys,
        tables=(_table(scene),),
    )


def _claim(scene: Scene) -> str:
    sizes = {name: scene.weighted(name) for name in scene.names}
    known = {name: size for name, size in sizes.items() if math.isfinite(size) and size > 0}
    odd = [name for name in sizes if name not in known]
    if odd:
        what = "is zero" if all(sizes[name] == 0 for name in odd) else "is zero or not finite"
        return f"The gradient of {', '.join(shorten(name, 24) for name in odd[:3])} {what}"
    if len(known) < 2:
        return "Distribution of the gradient over the parameters"
    large, small = max(known, key=lambda name: known[name]), min(known, key=lambda name: known[name])
    ratio = known[large] / known[small]
    if ratio < 3:
        return f"The weighted gradients are alike: the largest norm is {times(ratio)} times the smallest"
    return f"{shorten(large, 28)} pulls {times(ratio)} times as hard as {shorten(small, 28)} (norms of w g)"


def _panel(
    scene: Scene, histograms: Mapping[str, Histogram | None], axis: str, title: str, x_label: str
) -> Panel | None:
    good = {name: item for name, item in histograms.items() if item is not None and drawable(item)}
    if not good:
        return None
    plot = histogram_plot(scene, good, x_label, power=axis == "power")
    spreads = ", ".join(
        f"{shorten(name, 30)} standard deviation {number(scene.record.terms[name].grad_std)}" for name in good
    )
    return Panel(plot.svg(f"distributions-{title}"), f"Histogram, {title}. Unweighted spread: {spreads}.", title)


def histogram_plot(
    scene: Scene, good: Mapping[str, Histogram], x_label: str, *, power: bool = False, small: bool = False
) -> Plot:
    """Histograms of several terms over each other, on their common range.

    Args:
        scene: the looks of the terms.
        good: those that can be drawn.
        x_label: what is counted.
        power: their bins are exponents of ten.
        small: a panel of small multiples.
    """
    low, high = span(good)
    x: Scale = Log(low, high) if power else Linear(low, high)
    floor = min(float(values[values > 0].min()) for values in (shares(item)[1] for item in good.values()))
    y = Log(math.log10(floor) - 0.25, 0.1)
    width, height = (300, 200) if small else (360, 220)
    plot = Plot(x, y, x_label=x_label, y_label="share of the parameters", width=width, height=height)
    for name, item in good.items():
        edges, values = shares(item)
        plot.steps(10.0**edges if power else edges, values, scene.style(name), fill=len(good) <= 3)
    return plot


def _table(scene: Scene) -> Table:
    rows = []
    for name, term in scene.record.terms.items():
        bins = term.magnitudes or term.histogram
        rows.append(
            (
                name,
                number(term.grad_l2),
                number(term.grad_l1),
                number(term.grad_max),
                number(term.grad_mean),
                number(term.grad_std),
                number(term.grad_kurtosis),
                number(abs(term.weight) * term.grad_std),
                count(bins.zeros) if bins else number(None),
                count(term.nonfinite),
            )
        )
    return Table(
        ("term", "|g| (l2)", "l1", "max |g|", "mean |g|", "std g", "kurtosis", "std w g", "zeros", "not finite"),
        tuple(rows),
        folded="Numbers: gradients over all parameters, unweighted unless said otherwise",
        note="The kurtosis of a normal distribution is 3; far more means that a few parameters carry the gradient.",
    )
