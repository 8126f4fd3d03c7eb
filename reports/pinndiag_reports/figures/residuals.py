"""Where the residuals sit."""

from __future__ import annotations

import math

import numpy as np

from pinndiag._records import Field, Pointwise
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import ABSENT, count, number, percent
from pinndiag_reports._parts import Absent, Figure, Panel, Part, Table
from pinndiag_reports.figures._map import Shown, extent, map_panel
from pinndiag_reports.figures._scale import array
from pinndiag_reports.figures._scene import Scene

__all__ = ["residuals"]

_MOST_MAPS = 6


def residuals(scene: Scene) -> Part:
    """One map of |r| for each term whose points are known."""
    found = scene.record.pointwise
    if not found:
        return Absent("Residuals over the domain", scene.why("pointwise", default="no residuals of single points"))
    panels: list[Panel] = []
    for name in (name for name in scene.shown if name in found):
        if len(panels) < _MOST_MAPS and (panel := _panel(scene, name, found[name])) is not None:
            panels.append(panel)
    tables = (_table(found), _worst(found))
    if not panels:
        unknown = "the points of the terms are not known (give them as points= to wrap)"
        why = unknown if all(item.field is None for item in found.values()) else "no finite residual"
        return Figure("fig-residuals", _claim(found), (), note=f"Nothing to draw: {why}.", tables=tables)
    drawn = f"{len(panels)} of {len(found)} terms drawn. " if len(panels) < len(found) else ""
    return Figure(
        "fig-residuals",
        _claim(found),
        tuple(panels),
        note="Absolute residual of each point on a logarithmic scale (maps: its largest four decades), each panel on "
        "its own. In more than two dimensions: over the first two coordinates. " + drawn,
        tables=tables,
    )


def _panel(scene: Scene, name: str, item: Pointwise) -> Panel | None:
    if item.field is None or "residual" not in _names(item.field):
        return None
    values = np.abs(array(item.field.values[_names(item.field)["residual"]]))
    span = extent(values) or (-1.0, 0.0)
    shown = Shown("|r|", values, "plasma", *span, logarithmic=True)
    size = len(values)
    thinned = f"{count(size)} of {count(item.field.of)} points" if item.field.of > size else f"{count(size)} points"
    return map_panel(
        item.field.coordinates,
        shown,
        f"{shorten(name, 28)}: |residual|, {thinned}",
        f"residuals-{name}",
        scene.style(name),
    )


def _names(field: Field) -> dict[str, str]:
    """The field's values by what they are; the residual goes by its name, or is the first of them."""
    names = {name: name for name in field.values}
    if "residual" not in names and field.values:
        names["residual"] = next(iter(field.values))
    return names


def _claim(found: dict[str, Pointwise]) -> str:
    known = {name: item.top_share.get("5%", math.nan) for name, item in found.items()}
    known = {name: share for name, share in known.items() if math.isfinite(share)}
    if not known:
        return "Residuals over the domain"
    name = max(known, key=lambda term: known[term])
    return f"The worst 5 % of the points carry {percent(known[name])} of the loss of {shorten(name, 28)}"


def _table(found: dict[str, Pointwise]) -> Table:
    rows = []
    for name, item in found.items():
        norms = [norm for norm in item.gradient_norms if math.isfinite(norm)]
        rows.append(
            (
                name,
                count(item.points),
                number(item.mean_square),
                *(percent(item.top_share.get(key)) for key in ("1%", "5%", "10%")),
                number(item.gini),
                number(item.kurtosis),
                count(item.nonfinite),
                number(item.time_contrast),
                f"{number(min(norms))} to {number(max(norms))} ({len(norms)})" if norms else number(None),
            )
        )
    return Table(
        (
            "term",
            "points",
            "mean r²",
            "worst 1 %",
            "worst 5 %",
            "worst 10 %",
            "Gini",
            "kurtosis",
            "not finite",
            "time contrast",
            "|dr/dθ| (points)",
        ),
        tuple(rows),
        folded="Numbers: how the residuals are spread over the points",
    )


def _worst(found: dict[str, Pointwise]) -> Table:
    rows = []
    for name, item in found.items():
        norms = dict(zip(item.gradient_points, item.gradient_norms, strict=False))
        for index in item.worst[:5]:
            rows.append((name, count(index), _place(item, index), _residual(item, index), number(norms.get(index))))
    head = ("term", "point number", "coordinates", "|residual|", "gradient norm")
    known = [column for column in range(len(head)) if column < 2 or any(row[column] != ABSENT for row in rows)]
    return Table(
        tuple(head[column] for column in known),
        tuple(tuple(row[column] for column in known) for row in rows),
        folded="Numbers: the worst points",
    )


def _whole(field: Field, index: int) -> bool:
    """Whether the field holds every point, so that a point's index is its place in it."""
    return bool(field.coordinates) and field.of == len(field.coordinates[0]) and 0 <= index < field.of


def _residual(item: Pointwise, index: int) -> str:
    field = item.field
    if field is None or "residual" not in field.values or not _whole(field, index):
        return ABSENT
    values = field.values["residual"]
    return number(abs(values[index])) if index < len(values) else ABSENT


def _place(item: Pointwise, index: int) -> str:
    field = item.field
    if field is None or not _whole(field, index):
        return ABSENT
    return "(" + ", ".join(number(axis[index]) for axis in field.coordinates) + ")"
