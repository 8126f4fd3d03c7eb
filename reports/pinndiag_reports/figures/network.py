"""Saturation and spread of the activations, layer by layer; figures of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from pinndiag._records import Activation
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import count, number, percent
from pinndiag_reports._parts import Absent, Figure, Key, Panel, Part, Table
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Linear, Log, Rows
from pinndiag_reports.figures._scene import Scene, Style

__all__ = ["activations", "weights"]

_NOW, _START = Style("s0", "", "o"), Style("muted", "4 3", "s")
_MOST = 24
_TABLE = 200


def activations(scene: Scene) -> Part:
    """Two panels over the layers: saturated pairs (worst term), and spread (smallest over the terms)."""
    record = scene.record
    if record.activations is None or not record.activations.layers:
        why = scene.why("activations", default="no activations in the record")
        return Absent("Activations", why)
    layers = list(dict.fromkeys(item.layer for item in record.activations.layers))
    chosen = (
        layers if len(layers) <= _MOST else [layers[round(k * (len(layers) - 1) / (_MOST - 1))] for k in range(_MOST)]
    )
    saturation = _by_layer(record.activations.layers, chosen, lambda item: item.saturated_pairs, max)
    spread = _by_layer(record.activations.layers, chosen, lambda item: item.spread, min)
    first = record.start
    panels = tuple(
        panel
        for panel in (
            _panel(chosen, saturation, first.saturation if first else {}, "saturated pairs, %", percent_axis=True),
            _panel(chosen, spread, first.spread if first else {}, "spread over the points", percent_axis=False),
        )
        if panel is not None
    )
    drawn = (
        f"{len(chosen)} of {len(layers)} layers drawn, evenly chosen; the table holds more. "
        if len(chosen) < len(layers)
        else ""
    )
    return Figure(
        "fig-activations",
        _claim(saturation, spread),
        panels,
        note="Left: share of (unit, point) pairs with |tanh| > 0.99, of the term where it is largest. Right: standard "
        "deviation of a unit over the points, mean over units, of the term where it is smallest. " + drawn,
        keys=(Key("now", "s0", "", "o"), *((Key("start", "muted", "4 3", "s"),) if first else ())),
        tables=(_activation_table(record.activations.layers),),
    )


def _by_layer(
    items: Iterable[Activation],
    layers: list[str],
    figure: Callable[[Activation], float | None],
    worst: Callable[[list[float]], float],
) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for item in items:
        value = figure(item)
        if value is not None and math.isfinite(value):
            found.setdefault(item.layer, []).append(value)
    return {layer: worst(found[layer]) for layer in layers if layer in found}


def _panel(
    layers: list[str], now: dict[str, float], first: dict[str, float], label: str, *, percent_axis: bool
) -> Panel | None:
    if not now:
        return None
    before = [first.get(layer, math.nan) for layer in layers]
    after = [now.get(layer, math.nan) for layer in layers]
    values = [value for value in (*before, *after) if math.isfinite(value)]
    factor = 100 if percent_axis else 1
    if not percent_axis and not any(value > 0 for value in values):
        return None
    y = Linear(0, max(5.0, 108 * max(values))) if percent_axis else Log.over(values)
    names = tuple(
        shorten(name, 9) if len(layers) <= 6 or index % math.ceil(len(layers) / 6) == 0 else ""
        for index, name in enumerate(layers)
    )
    plot = Plot(Rows(names, downward=False), y, x_label="layer, from input to output", grid="y", right=24)
    places = range(len(layers))
    if any(math.isfinite(value) for value in before):
        plot.line(places, [factor * value for value in before], _START, markers=True)
    plot.line(places, [factor * value for value in after], _NOW, markers=True)
    words = "; ".join(f"{shorten(layer, 24)} {number(now[layer])}" for layer in layers if layer in now)
    return Panel(plot.svg(f"network-{label}"), f"{label} by layer: {words}", label)


def _claim(saturation: dict[str, float], spread: dict[str, float]) -> str:
    words = []
    if saturation:
        layer = max(saturation, key=lambda name: saturation[name])
        words.append(
            f"at most {percent(saturation[layer])} of a layer's activations are saturated ({shorten(layer, 24)})"
        )
    if spread:
        layer = min(spread, key=lambda name: spread[name])
        words.append(f"the smallest spread is {number(spread[layer])} ({shorten(layer, 24)})")
    text = "; ".join(words) or "activations of each layer"
    return text[0].upper() + text[1:]


def _activation_table(items: list[Activation]) -> Table:
    rows = tuple(
        (
            item.layer,
            item.function,
            item.term,
            count(item.units),
            percent(item.saturated_units),
            percent(item.saturated_pairs),
            number(item.spread),
            count(item.dead_units),
        )
        for item in items[:_TABLE]
    )
    return Table(
        (
            "layer",
            "function",
            "at the points of",
            "units",
            "saturated units",
            "saturated pairs",
            "spread",
            "dead units",
        ),
        rows,
        folded="Numbers: activations",
        note=_cut(len(items)),
    )


def weights(scene: Scene) -> Part:
    """Figures of the weights of every layer, as a table."""
    record = scene.record
    found = record.parameters
    if found is None:
        return Absent("Weights", scene.why("parameters", default="not in the record"))
    rows = tuple(
        (
            item.name,
            count(item.entries),
            count(item.trainable),
            count(item.nonfinite),
            percent(item.zeros),
            number(item.norm),
            number(item.spectral_norm),
            count(item.dead_rows),
            percent(item.moved),
        )
        for item in found.layers[:_TABLE]
    )
    frozen = (
        f" Frozen: "
        f"{', '.join(shorten(name, 40) for name in found.frozen[:12])}{' …' if len(found.frozen) > 12 else ''}."
        if found.frozen
        else ""
    )
    return Table(
        ("layer", "entries", "trainable", "not finite", "zeros", "norm", "spectral norm", "dead rows", "moved"),
        rows,
        title="Weights",
        folded=f"Numbers: weights of {count(len(found.layers))} layers" if record.terms else "",
        note=f"{count(found.entries)} entries, {count(found.trainable)} trainable, {count(found.nonfinite)} not "
        f"finite.{frozen} "
        "Moved: |θ - θ_initial| / |θ_initial|. " + _cut(len(found.layers)),
    )


def _cut(rows: int) -> str:
    return f"The first {_TABLE} of {count(rows)} rows; diagnosis.json holds all." if rows > _TABLE else ""
