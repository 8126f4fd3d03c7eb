"""Cosines between the terms' gradients."""

from __future__ import annotations

import math

from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import number
from pinndiag_reports._parts import Absent, Cell, Grid, Part, Table
from pinndiag_reports.figures._scene import Scene

__all__ = ["conflicts"]

_MOST = 12


def conflicts(scene: Scene) -> Part:
    """The matrix of cosines, blue where terms agree and orange where they pull against each other."""
    cosine = scene.record.cosine
    names = scene.names
    if len(names) < 2 or not cosine:
        reason = "only one term" if len(names) == 1 else scene.why("gradients", default="no cosines in the record")
        return Absent("Conflict matrix", f"nothing to draw: {reason}")
    if len(names) > _MOST:
        names = tuple(sorted(names, key=lambda name: -_size(scene.weighted(name)))[:_MOST])
    rows = tuple((a, tuple(_cell(cosine, a, b) for b in names)) for a in names)
    pairs = tuple((*key.split("|", 1), number(value)) for key, value in cosine.items() if "|" in key)
    return Grid(
        "fig-conflicts",
        _claim(cosine),
        "cosine",
        names,
        rows,
        diverging=True,
        note=_note(scene, len(names)),
        more=(Table(("term", "term", "cosine"), pairs, folded="Every pair"),) if len(scene.names) > _MOST else (),
    )


APART = 0.1  # below this size a cosine is called neither agreement nor conflict


def _size(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def _cell(cosine: dict[str, float], a: str, b: str) -> Cell:
    if a == b:
        return Cell("1")
    value = cosine.get(f"{a}|{b}", cosine.get(f"{b}|{a}"))
    if value is None or not math.isfinite(value):
        return Cell(number(value))
    return Cell(f"{value:+.2f}", round(4 * max(-1.0, min(1.0, value))))


def _claim(cosine: dict[str, float]) -> str:
    known = {key: value for key, value in cosine.items() if math.isfinite(value) and "|" in key}
    if not known:
        return "Cosines between the terms' gradients"
    key = min(known, key=lambda pair: known[pair])
    a, b = (shorten(name, 24) for name in key.split("|", 1))
    if known[key] > -APART:
        return f"No two terms pull against each other; the smallest cosine is {known[key]:+.2f}, of {a} and {b}"
    opposed = sum(value <= -APART for value in known.values())
    worst = f"cosine {known[key]:+.2f}"
    if len(known) == 1:
        return f"{a} and {b} pull against each other ({worst})"
    return f"{opposed} of {len(known)} pairs pull against each other, most of all {a} and {b} ({worst})"


def _note(scene: Scene, drawn: int) -> str:
    record = scene.record
    note = "Cosine between the unweighted gradients: +1 the same direction, 0 independent, -1 opposed. "
    if record.alignment is not None:
        note += f"Alignment {number(record.alignment)} (1 aligned, negative opposed). "
    if record.cancellation is not None:
        note += f"Cancellation |G| / sum |w g| = {number(record.cancellation)} (1 none, 0 the terms hold each other). "
    note += "Near a minimum of the sum, opposed gradients are normal: they are a finding only where work remains. "
    if drawn < len(scene.names):
        note += f"{drawn} of {len(scene.names)} terms in colour: those with the largest weighted gradients."
    return note
