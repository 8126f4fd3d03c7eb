"""Eigenvalues of the neural tangent kernel of every term."""

from __future__ import annotations

import math

from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import count, number, percent, times
from pinndiag_reports._parts import Absent, Figure, Panel, Part, Table
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Log
from pinndiag_reports.figures._scene import Scene

__all__ = ["kernel", "kernel_figures"]


def kernel(scene: Scene) -> Part:
    """Eigenvalues against their rank, both logarithmic, one line a term."""
    record = scene.record
    if record.ntk is None:
        return Absent("Kernel eigenvalues", scene.why("kernel", "ntk", default="not in the record"))
    terms = record.ntk.terms
    drawn = {name: terms[name] for name in scene.shown if name in terms}
    lines = {
        name: [(rank + 1.0, value) for rank, value in enumerate(item.eigenvalues) if math.isfinite(value) and value > 0]
        for name, item in drawn.items()
    }
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        why = "; ".join(f"{name}: {reason}" for name, reason in record.ntk.reasons.items())
        return Absent("Kernel eigenvalues", f"nothing to draw: no positive, finite eigenvalue. {why}".strip())
    values = [value for points in lines.values() for _, value in points]
    longest = max(len(points) for points in lines.values())
    plot = Plot(
        Log(-0.05, math.log10(longest) + 0.1),
        Log.over(values, decades=13),
        width=440,
        height=220,
        x_label="rank of the eigenvalue",
        y_label="eigenvalue of J J'",
    )
    for name, points in lines.items():
        plot.line([x for x, _ in points], [y for _, y in points], scene.style(name), markers=len(points) <= 3)
    return Figure(
        "fig-kernel",
        _claim(scene),
        (
            Panel(
                plot.svg("kernel"),
                "Eigenvalues of the kernel by rank: "
                + "; ".join(
                    f"{shorten(name, 30)} from {number(points[0][1])} to {number(points[-1][1])}"
                    for name, points in lines.items()
                ),
            ),
        ),
        note="Kernel J J' of the residuals on a seeded subset of each term's points, not normalised. Directions with "
        "small eigenvalues are learned slowly by gradient descent. " + scene.limited,
        keys=scene.keys_of(tuple(lines)),
        size="wide",
    )


def kernel_figures(scene: Scene) -> tuple[Part, ...]:
    """Trace, condition and rank of every kernel, and why a term has none."""
    found = scene.record.ntk
    if found is None:
        return ()
    rows = tuple(
        (
            name,
            count(item.residuals),
            number(item.trace),
            number(item.eigenvalues[0] if item.eigenvalues else None),
            number(item.condition),
            count(item.rank),
            percent(item.slow_share),
        )
        for name, item in found.terms.items()
    )
    table = Table(
        ("term", "residuals", "trace / n", "largest", "condition", "rank", "slow share"),
        rows,
        title="Kernel of every term",
        note="Rank: eigenvalues above 1e-6 of the largest. Slow share: part of the residual's square in directions "
        "with an eigenvalue below 1e-4 of the largest.",
        half=True,
    )
    absent = Table(("term", "why it has no kernel"), tuple(found.reasons.items()), title="Without a kernel", words=True)
    return (table, *((absent,) if absent.rows else ()))


def _claim(scene: Scene) -> str:
    terms = scene.record.ntk.terms if scene.record.ntk else {}
    traces = {name: item.trace for name, item in terms.items() if math.isfinite(item.trace) and item.trace > 0}
    if len(traces) < 2:
        return "How fast each direction of the residuals can be learned"
    large, small = max(traces, key=lambda name: traces[name]), min(traces, key=lambda name: traces[name])
    return (
        f"A residual of {shorten(large, 28)} moves {times(traces[large] / traces[small])} times as fast as one of "
        f"{shorten(small, 28)} (kernel traces)"
    )
