"""Networks and their errors over the coordinates, before and after."""

from __future__ import annotations

import math

import numpy as np

from pinndiag._records import DiagnosisRecord, Field
from pinndiag_reports._numbers import count, number
from pinndiag_reports._parts import Absent, Figure, Key, Panel, Part, Table
from pinndiag_reports.figures._map import Shown, extent, map_panel, value_range
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Array, Linear, Log, Scale, array
from pinndiag_reports.figures._scene import PLAIN, Style
from pinndiag_reports.figures.remedy._stage import GIVEN, Stage

__all__ = ["fields"]

NETWORK, SOLUTION = "network_0", "solution_0"


def fields(stage: Stage) -> Part:
    """Maps of every network and of its error on common colour scales; lines in one dimension."""
    found = [(name, field, diagnosis) for name, diagnosis in stage.networks if (field := _field(diagnosis)) is not None]
    if not found:
        why = stage.scene.why("solution", default="no reference solution was given")
        return Absent("Solution and error", why)
    exact = found[0][1]
    flat = len(exact.coordinates) == 1
    outputs = len(found[0][2].solution.outputs) if found[0][2].solution is not None else 1
    first = f"The first of {outputs} outputs. " if outputs > 1 else ""
    points = f"{count(len(exact.coordinates[0]))} of {count(exact.of)} points. "
    scale = "Networks and solution share one colour scale; the errors share another, logarithmic one. "
    pairs = [(name, field) for name, field, _ in found]
    return Figure(
        "fig-fields",
        "Relative L2 error: " + ", ".join(f"{name} {number(d.solution.rel_l2)}" for name, _, d in found if d.solution),
        tuple(_lines(stage, pairs) if flat else _maps(pairs)),
        note=points + first + ("" if flat else scale),
        keys=_keys(stage, pairs) if flat else (),
        tables=(_table(stage),),
        size="medium" if flat else "small",
    )


def _field(diagnosis: DiagnosisRecord) -> Field | None:
    field = diagnosis.solution.field if diagnosis.solution is not None else None
    return field if field is not None and NETWORK in field.values and SOLUTION in field.values else None


def _error(field: Field) -> Array:
    error: Array = np.abs(array(field.values[NETWORK]) - array(field.values[SOLUTION]))
    return error


def _maps(found: list[tuple[str, Field]]) -> list[Panel]:
    exact = array(found[0][1].values[SOLUTION])
    # what lies far outside the solution is drawn in the end colours: it must not grey out all else
    low, high = value_range(exact) or (0.0, 1.0)
    room = 0.25 * (high - low)
    errors = np.concatenate([_error(field) for _, field in found])
    span = extent(errors) or (-1.0, 0.0)
    solution = Shown("value", exact, "viridis", low - room, high + room)
    panels = [map_panel(found[0][1].coordinates, solution, "solution", "field-solution", PLAIN)]
    for name, field in found:
        network = Shown("value", array(field.values[NETWORK]), "viridis", low - room, high + room)
        panels.append(map_panel(field.coordinates, network, f"network, {name}", f"field-{name}", PLAIN))
    for name, field in found:
        error = Shown("|network - solution|", _error(field), "plasma", *span, logarithmic=True)
        panels.append(map_panel(field.coordinates, error, f"|error|, {name}", f"field-error-{name}", PLAIN))
    return [panel for panel in panels if panel is not None]


def _look(stage: Stage, name: str) -> Style:
    return Style("shade", "3 3") if name == GIVEN else stage.style(stage.titles.index(name))


def _keys(stage: Stage, found: list[tuple[str, Field]]) -> tuple[Key, ...]:
    looks = [(name, _look(stage, name)) for name, _ in found]
    return (Key("solution", "ink"), *(Key(name, look.color, look.dash) for name, look in looks))


def _lines(stage: Stage, found: list[tuple[str, Field]]) -> list[Panel]:
    x = array(found[0][1].coordinates[0])
    order = np.argsort(x, kind="stable")
    exact = array(found[0][1].values[SOLUTION])[order]
    across = Linear.over(x, pad=0.01)
    curves = [(name, array(field.values[NETWORK])[order], _error(field)[order]) for name, field in found]
    up: Scale = Linear.over(np.concatenate([exact, *(network for _, network, _ in curves)]))
    values = Plot(across, up, x_label="coordinate 1", y_label="value")
    values.line(x[order], exact, PLAIN, width=2.6)
    errors = Plot(
        across,
        Log.over(np.concatenate([error for _, _, error in curves]), decades=8),
        x_label="coordinate 1",
        y_label="|network - solution|",
    )
    for name, network, error in curves:
        values.line(x[order], network, _look(stage, name))
        errors.line(x[order], error, _look(stage, name))
    largest = "; ".join(f"{name}: largest error {number(_largest(error))}" for name, _, error in curves)
    return [
        Panel(values.svg("field-values"), f"Solution and networks. {largest}", "networks and solution"),
        Panel(errors.svg("field-errors"), f"Absolute errors. {largest}", "absolute errors"),
    ]


def _largest(error: Array) -> float:
    known = error[np.isfinite(error)]
    return float(known.max()) if known.size else math.nan


def _table(stage: Stage) -> Table:
    rows = [
        (name, number(d.solution.rel_l2), number(d.solution.max_error), *(number(v) for v in d.solution.outputs[:6]))
        for name, d in stage.networks
        if d.solution is not None
    ]
    width = max(len(row) for row in rows) - 3
    head = ("network", "relative L2 error", "largest error", *(f"output {index}" for index in range(width)))
    return Table(head, tuple(rows), folded="Numbers: error of every network")
