"""Whether the terms hold each other."""

from __future__ import annotations

from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import number, percent
from pinndiag_reports._parts import Absent, Part, Table
from pinndiag_reports.figures._scene import Scene

__all__ = ["pareto"]


def pareto(scene: Scene) -> Part:
    """The convex combination of the weighted gradients that comes nearest to zero."""
    found = scene.record.pareto
    if found is None:
        return Absent("Pareto stationarity", scene.why("pareto", "gradients", default="not in the record"))
    state = (
        "below 0.05: the terms hold each other"
        if found.stalled
        else "above 0.05: a direction that lowers all terms is left"
    )
    return Table(
        ("term", "multiplier"),
        tuple((shorten(name, 60), percent(value)) for name, value in found.multipliers.items()),
        title=f"Pareto: smallest combined gradient {number(found.ratio)} of the sum of norms",
        folded="Numbers: the combination of the terms that comes nearest to zero",
        note=f"Smallest norm in the convex hull of the weighted gradients {number(found.smallest_norm)}; relative to "
        f"the sum of their norms {number(found.ratio)}, {state}.",
    )
