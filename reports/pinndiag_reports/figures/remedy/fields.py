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


def fields(stage: Stage) -> tuple[Part, ...]:
    """Maps of every network, then of every error, on common colour scales; lines in one dimension."""
    found = [(name, field) for name, diagnosis in stage.networks if (field := _field(diagnosis)) is not None]
    if not found:
        why = stage.scene.why("solution", default="no reference solution was given")
        return (Absent("Solution and error", why),)
    exact = found[0][1]
    outputs = sum(name.startswith("solution_") for name in exact.values)
    first = f"The first of {outputs} outputs. " if outputs > 1 else ""
    points = f"{count(len(exact.coordinates[0]))} of {count(exact.of)} points. {first}"
    known = [(name, d.solution) for name, d in stage.networks if d.solution is not None]
    claim = "Relative L2 error: " + ", ".join(f"{name} {number(item.rel_l2)}" for name, item in known)
    tables = (_table(stage),)
    if len(exact.coordinates) == 1:
        panels = tuple(_lines(stage, found))
        return (Figure("fig-fields", claim, panels, points, _keys(stage, found), tables),)
    networks = Figure(
        "fig-fields",
        "Solution and networks",
        _networks(found),
        f"{points}One colour scale, that of the solution and a quarter more; what lies beyond has its end colours.",
        size="small",
    )
    errors = Figure(
        "fig-errors",
        claim,
        _errors(found),
        "Absolute errors at the same points; one logarithmic colour scale for all.",
        tables=tables,
        size="small",
    )
    return networks, errors


def _field(diagnosis: DiagnosisRecord) -> Field | None:
    field = diagnosis.solution.field if diagnosis.solution is not None else None
    return field if field is not None and NETWORK in field.values and SOLUTION in field.values else None


def _error(field: Field) -> Array:
    error: Array = np.abs(array(field.values[NETWORK]) - array(field.values[SOLUTION]))
    return error


def _networks(found: list[tuple[str, Field]]) -> tuple[Panel, ...]:
    exact = array(found[0][1].values[SOLUTION])
    # what lies far outside the solution is drawn in the end colours: it must not grey out all else
    low, high = value_range(exact) or (0.0, 1.0)
    room = 0.25 * (high - low)

    def panel(field: Field, key: str, title: str) -> Panel | None:
        shown = Shown("value", array(field.values[key]), "viridis", low - room, high + room)
        return map_panel(field.coordinates, shown, title, f"field-{title}", PLAIN)

    panels = [panel(found[0][1], SOLUTION, "the solution"), *(panel(field, NETWORK, name) for name, field in found)]
    return tuple(item for item in panels if item is not None)


def _errors(found: list[tuple[str, Field]]) -> tuple[Panel, ...]:
    span = extent(np.concatenate([_error(field) for _, field in found])) or (-1.0, 0.0)
    panels = [
        map_panel(
            field.coordinates,
            Shown("|network - solution|", _error(field), "plasma", *span, logarithmic=True),
            f"error, {name}",
            f"field-error-{name}",
            PLAIN,
        )
        for name, field in found
    ]
    return tuple(item for item in panels if item is not None)


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
