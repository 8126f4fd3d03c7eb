"""Which term is the equation and which are conditions: by where their points lie, never by their names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from pinndiag._records import DiagnosisRecord, TermRecord
from pinndiag.checks._measures import counted

__all__ = [
    "NEAR",
    "Columns",
    "boundary_terms",
    "box_of",
    "columns_of",
    "equation",
    "on_faces",
    "sounds_like_condition",
    "sounds_like_equation",
]

Columns = list[list[float]]
NEAR = 1e-6  # of the width of the box
EQUATION_WORDS = ("pde", "resid", "equation", "interior", "physics", "govern", "momentum", "continuity")
CONDITION_WORDS = {
    *("bc", "bcs", "ic", "ics", "boundary", "boundaries", "initial", "wall", "walls", "inlet", "outlet", "inflow"),
    *("outflow", "dirichlet", "neumann", "robin"),
}


def equation(record: DiagnosisRecord) -> str | None:
    """The term that is taken for the equation: inside the domain, with the most points.

    Terms whose points lie on the faces of the box around all points are conditions. Equal numbers of points are told
    apart by name, which settles no judgement, only which of two words is used.
    """
    terms = counted(record)
    if not terms:
        return None
    edge = boundary_terms(record)
    inside = [name for name in terms if name not in edge] or list(terms)
    return min(inside, key=lambda name: (-_points(terms[name]), not sounds_like_equation(name), name))


def boundary_terms(record: DiagnosisRecord) -> set[str]:
    """Terms nine in ten of whose points lie on a face of the box around the points of all terms."""
    return {name for name, share in on_faces(record).items() if share >= 0.9}


def on_faces(record: DiagnosisRecord) -> dict[str, float]:
    """Share of each term's points that lie on a face of the box around the points of all terms, where known."""
    columns = columns_of(record)
    box = box_of(columns)
    return {name: _on_faces(found, box) for name, found in columns.items()}


def columns_of(record: DiagnosisRecord) -> dict[str, Columns]:
    """Coordinates of the terms whose points are known, of the commonest number of coordinates' terms only."""
    found = {
        name: record.pointwise[name].field
        for name in counted(record)
        if name in record.pointwise and record.pointwise[name].field is not None
    }
    columns = {name: field.coordinates for name, field in found.items() if field is not None and field.coordinates}
    most = max((len(c) for c in columns.values()), default=0)
    return {name: c for name, c in columns.items() if len(c) == most}


def box_of(columns: Mapping[str, Columns]) -> list[tuple[float, float]]:
    if not columns:
        return []
    box = []
    for axis in range(len(next(iter(columns.values())))):
        values = [x for found in columns.values() for x in found[axis] if math.isfinite(x)]
        box.append((min(values), max(values)) if values else (0.0, 0.0))
    return box


def _on_faces(columns: Columns, box: list[tuple[float, float]]) -> float:
    """Share of the points that lie on a face of the box; axes without width have no faces."""
    rows = list(zip(*columns, strict=False))
    if not rows:
        return 0.0
    wide = [(axis, low, high) for axis, (low, high) in enumerate(box) if high > low]
    hits = sum(any(min(abs(row[a] - lo), abs(row[a] - hi)) <= NEAR * (hi - lo) for a, lo, hi in wide) for row in rows)
    return hits / len(rows)


def _points(term: TermRecord) -> int:
    return term.entries if term.points is None else term.points


def sounds_like_equation(name: str) -> bool:
    """Whether a name is one that people give to an equation.

    >>> sounds_like_equation("pde_2"), sounds_like_equation("bc_residual"), sounds_like_equation("data")
    (True, False, False)
    """
    return any(word in name.casefold() for word in EQUATION_WORDS) and not sounds_like_condition(name)


def sounds_like_condition(name: str) -> bool:
    """Whether a name is one that people give to a boundary or initial condition.

    >>> sounds_like_condition("BC_left"), sounds_like_condition("u_ic"), sounds_like_condition("basic")
    (True, True, False)
    """
    return not CONDITION_WORDS.isdisjoint(re.split("[^a-z]+", name.casefold()))
