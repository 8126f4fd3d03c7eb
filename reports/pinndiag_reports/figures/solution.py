"""Network, solution and absolute error side by side, as in figures 2, 5 and 8 of Deguchi and Asai (2023)."""

from __future__ import annotations

import math

import numpy as np

from pinndiag_reports._numbers import count, number, percent
from pinndiag_reports._parts import Absent, Figure, Key, Panel, Part, Table
from pinndiag_reports.figures._map import Shown, map_panel, value_range
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Array, Linear, Log, Scale, array
from pinndiag_reports.figures._scene import Scene, Style

__all__ = ["solution"]

_MOST_OUTPUTS = 3
_NETWORK, _SOLUTION, _ERROR = Style("s0", "", "o"), Style("s1", "6 3", "s"), Style("s3", "", "^")


def solution(scene: Scene) -> Part:
    """Three maps for each output, at most three outputs; lines in one dimension."""
    found = scene.record.solution
    if found is None:
        return Absent("Solution", scene.why("solution", default="no reference solution was given"))
    table = Table(
        ("output", "relative L2 error"),
        tuple((f"output {index}", number(value)) for index, value in enumerate(found.outputs)),
        folded="Numbers: error of each output",
        note=(f"Largest absolute error {number(found.max_error)}. " if math.isfinite(found.max_error) else "")
        + f"{found.note} "
        + (
            f"The network's spread over the points is {number(found.spread)} of the solution's."
            if found.spread is not None
            else ""
        ),
    )
    field = found.field
    panels: list[Panel] = []
    flat = field is not None and len(field.coordinates) == 1
    pairs = 0
    for index in range(len(found.outputs) or 1):
        if field is None or f"network_{index}" not in field.values or f"solution_{index}" not in field.values:
            continue
        pairs += 1
        if pairs > _MOST_OUTPUTS:
            continue
        network, exact = array(field.values[f"network_{index}"]), array(field.values[f"solution_{index}"])
        size = min(network.size, exact.size)
        network, exact = network[:size], exact[:size]
        label = f" (output {index})" if len(found.outputs) > 1 else ""
        panels += (
            _lines(field.coordinates[0], network, exact, label)
            if flat
            else _maps(field.coordinates, network, exact, label)
        )
    if not panels:
        why = "the field was not kept" if field is None else "no finite value"
        return Figure(
            "fig-solution", _claim(found.rel_l2, found.max_error), (), note=f"Nothing to draw: {why}.", tables=(table,)
        )
    thinned = f"{count(len(field.coordinates[0]))} of {count(field.of)} points. " if field else ""
    outputs = f"{_MOST_OUTPUTS} of {pairs} outputs drawn. " if pairs > _MOST_OUTPUTS else ""
    keys = (
        (Key("network", "s0", "", "o"), Key("solution", "s1", "6 3", "s"), Key("absolute error", "s3", "", "^"))
        if flat
        else ()
    )
    return Figure(
        "fig-solution",
        _claim(found.rel_l2, found.max_error),
        tuple(panels),
        note=thinned
        + outputs
        + ("" if flat else "Network and solution share one colour scale; the error has its own."),
        keys=keys,
        tables=(table,),
    )


def _claim(error: float, largest: float) -> str:
    if not math.isfinite(error):
        return f"The network differs from the solution by a relative L2 error of {number(error)}"
    share = percent(error) if error < 1 else number(error)
    worst = f"; at worst by {number(largest)}" if math.isfinite(largest) else ""
    return f"The network misses the solution by {share} (relative L2){worst}"


def _maps(coordinates: list[list[float]], network: Array, exact: Array, label: str) -> list[Panel]:
    both = value_range(np.concatenate([network, exact]))
    error = np.abs(network - exact)
    low, high = both or (0.0, 1.0)
    top = value_range(error)
    views = (
        ("network", Shown("value", network, "viridis", low, high), _NETWORK),
        ("solution", Shown("value", exact, "viridis", low, high), _SOLUTION),
        ("absolute error", Shown("|network - solution|", error, "plasma", 0.0, top[1] if top else 1.0), _ERROR),
    )
    panels = [
        map_panel(coordinates, shown, name + label, f"solution-{name}{label}", style) for name, shown, style in views
    ]
    return [panel for panel in panels if panel is not None]


def _lines(coordinates: list[float], network: Array, exact: Array, label: str) -> list[Panel]:
    x = array(coordinates)
    size = min(x.size, network.size, exact.size)
    order = np.argsort(x[:size], kind="stable")
    x, network, exact = x[order], network[order], exact[order]
    error = np.abs(network - exact)
    if not np.isfinite(x).any() or not (np.isfinite(network).any() or np.isfinite(exact).any()):
        return []
    across = Linear.over(x, pad=0.01)
    values = Plot(across, Linear.over(np.concatenate([network, exact])), x_label="coordinate 1", y_label="value")
    values.line(x, exact, _SOLUTION, width=2.4)
    values.line(x, network, _NETWORK)
    panels = [
        Panel(
            values.svg(f"solution-values{label}"),
            f"Network and solution{label} over the coordinate",
            "network and solution" + label,
        )
    ]
    up: Scale = Log.over(error, decades=10)
    if (error > 0).any():
        errors = Plot(across, up, x_label="coordinate 1", y_label="|network - solution|")
        errors.line(x, error, _ERROR)
        panels.append(
            Panel(
                errors.svg(f"solution-error{label}"),
                f"Absolute error{label}, largest {number(float(np.nanmax(error)))}",
                "absolute error" + label,
            )
        )
    return panels
