"""Gradients layer by layer: small multiples of histograms (Wang, Teng, Perdikaris 2021) and a heat map term x layer."""

from __future__ import annotations

import math

from pinndiag._records import LayerGradients
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import count, number, times
from pinndiag_reports._parts import Absent, Cell, Figure, Grid, Panel, Part, Table
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Linear, Log
from pinndiag_reports.figures._scene import Scene
from pinndiag_reports.figures.distributions import drawable, shares, span

__all__ = ["layer_heat", "layer_histograms"]

_PANELS = 12
_ROWS = 40


def layer_histograms(scene: Scene) -> Part:
    """One small panel a layer: w g of every term."""
    layers = scene.record.layers
    chosen = _chosen(scene, layers, _PANELS)
    panels = tuple(panel for layer in chosen if (panel := _panel(scene, layer)) is not None)
    if not panels:
        return Absent("Histograms of the layers", "nothing to draw: no layer with finite, non-zero gradients")
    note = (
        f"{'g of each term (all weights are 1)' if scene.weightless else 'w g of each term, what the optimizer sees'}"
        "; each panel has its own horizontal range, common to its terms. "
        "Vertical: share of the layer's parameters, logarithmic. "
    )
    if len(panels) < len(layers):
        note += (
            f"{len(panels)} of {len(layers)} layers drawn: the first, the last, and those where the terms' gradients "
            "differ most; the table below holds every layer. "
        )
    return Figure(
        "fig-layers",
        _claim(scene, layers),
        panels,
        note=note + scene.limited,
        keys=scene.keys,
        size="small",
        tables=(_table(scene, layers),),
    )


def _imbalance(scene: Scene, layer: LayerGradients) -> float:
    """Largest over smallest norm of w g among the terms."""
    sizes = [_weight(scene, name) * item.grad_l2 for name, item in layer.terms.items()]
    if any(not math.isfinite(size) for size in sizes):
        return math.inf
    positive = [size for size in sizes if size > 0]
    return max(positive) / min(positive) if positive else 0.0


def _weight(scene: Scene, name: str) -> float:
    term = scene.record.terms.get(name)
    return abs(term.weight) if term else 1.0


def _chosen(scene: Scene, layers: list[LayerGradients], most: int) -> list[LayerGradients]:
    if len(layers) <= most:
        return layers
    inner = sorted(range(1, len(layers) - 1), key=lambda index: -_imbalance(scene, layers[index]))[: most - 2]
    return [layers[index] for index in sorted({0, len(layers) - 1, *inner})]


def _claim(scene: Scene, layers: list[LayerGradients]) -> str:
    known = [(layer, _imbalance(scene, layer)) for layer in layers if len(layer.terms) > 1]
    known = [(layer, value) for layer, value in known if math.isfinite(value) and value > 0]
    if not known:
        return "Gradients of each layer"
    layer, value = max(known, key=lambda pair: pair[1])
    how = "all weights are 1" if scene.weightless else "norms of w g"
    return f"The terms' gradients differ most in layer {shorten(layer.name, 30)}, {times(value)}-fold ({how})"


def _panel(scene: Scene, layer: LayerGradients) -> Panel | None:
    source = layer.weighted or layer.histograms
    good = {name: source[name] for name in scene.shown if name in source and drawable(source[name])}
    if not good:
        return None
    low, high = span(good)
    floor = min(float(values[values > 0].min()) for values in (shares(item)[1] for item in good.values()))
    plot = Plot(
        Linear(low, high, 3),
        Log(math.log10(floor) - 0.25, 0.1, 4),
        width=270,
        height=160,
        left=38,
        top=10,
        bottom=24,
        right=18,
    )
    for name, item in good.items():
        edges, values = shares(item)
        plot.steps(edges, values, scene.style(name), fill=len(good) <= 3)
    norms = ", ".join(
        f"{shorten(name, 30)} {number(_weight(scene, name) * layer.terms[name].grad_l2)}"
        for name in good
        if name in layer.terms
    )
    title = f"{shorten(layer.name, 28)} ({count(layer.parameters)})"
    return Panel(plot.svg(f"layers-{layer.name}"), f"Histogram of layer {layer.name}. Norms of w g: {norms}.", title)


def _table(scene: Scene, layers: list[LayerGradients]) -> Table:
    head = (
        "layer",
        "parameters",
        *(f"{figure} {name}" for name in scene.names for figure in ("std", "max")),
        "total |G|",
    )
    rows = []
    for layer in layers:
        cells = [layer.name, count(layer.parameters)]
        for name in scene.names:
            item = layer.terms.get(name)
            cells += [number(item.grad_std if item else None), number(item.grad_max if item else None)]
        rows.append((*cells, number(layer.total.grad_l2)))
    return Table(head, tuple(rows), folded="Numbers: unweighted gradients of every layer and term")


def layer_heat(scene: Scene) -> Part:
    """log10 |g| of every layer (rows) and term (columns), unweighted, and of the weighted total."""
    layers = scene.record.layers
    if not layers or not scene.names:
        return Absent("Heat map of layers and terms", scene.why("gradients", default="nothing to draw: no layers"))
    values = [[_log(layer, name) for name in scene.names] + [_log10(layer.total.grad_l2)] for layer in layers]
    finite = [value for row in values for value in row if value is not None and math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    rows = [
        (layer.name, tuple(_cell(value, low, high) for value in row)) for layer, row in zip(layers, values, strict=True)
    ]
    columns = (*scene.names, "total (weighted)")
    chosen = {layer.name for layer in _chosen(scene, layers, _ROWS)}
    top = tuple(row for row in rows if row[0] in chosen)
    rest = tuple((name, *(cell.text for cell in cells)) for name, cells in rows if name not in chosen)
    more = (Table(("layer", *columns), rest, folded=f"The other {len(rest)} layers"),) if rest else ()
    extent = f"from {number(10.0**low)} (pale) to {number(10.0**high)} (deep)" if finite else "nothing finite"
    return Grid(
        "fig-heat",
        _heat_claim(scene, layers),
        "log10 |g|",
        columns,
        top,
        note=f"log10 of the gradient norm of each layer, unweighted; {extent}. "
        f"“zero” and “not finite” have no logarithm. "
        + (f"{len(top)} of {len(layers)} layers in colour." if rest else ""),
        more=more,
    )


def _log(layer: LayerGradients, name: str) -> float | None:
    item = layer.terms.get(name)
    return None if item is None else _log10(item.grad_l2)


def _log10(value: float) -> float:
    if value == 0:
        return -math.inf
    return math.log10(value) if math.isfinite(value) and value > 0 else math.nan


def _cell(value: float | None, low: float, high: float) -> Cell:
    if value is None:
        return Cell(number(None))
    if not math.isfinite(value):
        return Cell("zero" if value < 0 else "not finite")
    level = (value - low) / (high - low) if high > low else 0.5
    return Cell(f"{value:.1f}", round(8 * level))


def _heat_claim(scene: Scene, layers: list[LayerGradients]) -> str:
    worst, name = 0.0, ""
    for term in scene.names:
        sizes = [layer.terms[term].grad_l2 for layer in layers if term in layer.terms]
        sizes = [size for size in sizes if math.isfinite(size) and size > 0]
        if len(sizes) > 1 and max(sizes) / min(sizes) > worst:
            worst, name = max(sizes) / min(sizes), term
    if not name:
        return "Gradient norm by layer and term"
    return f"Over the layers the gradient of {shorten(name, 28)} varies by a factor of {times(worst)}"
