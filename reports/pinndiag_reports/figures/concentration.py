"""How much of each term's loss its worst points carry, at the training points and at fresh ones."""

from __future__ import annotations

import math

from pinndiag_reports._names import shorten, shorten_all
from pinndiag_reports._numbers import count, number, percent, times
from pinndiag_reports._parts import Absent, Figure, Panel, Part, Table
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Linear, Log, Rows
from pinndiag_reports.figures._scene import Scene, Style

__all__ = ["concentration"]

_EVEN = Style("muted", "3 3")


def concentration(scene: Scene) -> Part:
    """Two panels: share of the loss against share of the points, and held-out ratios."""
    panels = tuple(panel for panel in (_curve(scene), _held_out(scene)) if panel is not None)
    if not panels:
        return Absent(
            "Concentration and held-out residuals",
            scene.why("pointwise", "held_out", default="nothing to draw: no shares"),
        )
    rows = []
    for name, term in scene.record.terms.items():
        if (held := term.held_out) is not None:
            rows.append(
                (
                    name,
                    number(held.training),
                    number(held.fresh),
                    times(held.ratio),
                    count(held.points),
                    percent(held.standard_error),
                    percent(held.top_share.get("5%")),
                    held.drawn,
                )
            )
    table = Table(
        (
            "term",
            "mean r², training",
            "mean r², fresh",
            "ratio",
            "fresh points",
            "standard error",
            "worst 5 %, fresh",
            "drawn",
        ),
        tuple(rows),
        folded="Numbers: residuals at fresh points",
    )
    return Figure(
        "fig-concentration",
        _claim(scene),
        panels,
        note="Left, the closer a line runs to the top left corner, the fewer points carry the loss; dotted: all alike. "
        "Right, mean square of the residual at fresh points over that at the training points: far above 1, the network "
        "has learned the points and not the equation.",
        keys=scene.keys,
        tables=(table,) if rows else (),
    )


def _curve(scene: Scene) -> Panel | None:
    found = scene.record.pointwise
    lines = {}
    for name in scene.shown:
        if name in found:
            points = [
                (float(key.rstrip("%")) / 100, share) for key, share in found[name].top_share.items() if _key(key)
            ]
            points = sorted((x, y) for x, y in points if math.isfinite(y))
            if points:
                lines[name] = points
    if not lines:
        return None
    plot = Plot(Linear(0, 10.8), Linear(0, 104), x_label="worst points, % of all", y_label="% of the term's loss")
    plot.line([0, 10], [0, 10], _EVEN, width=1.2)
    for name, points in lines.items():
        style = scene.style(name)
        plot.line([0, *(100 * x for x, _ in points)], [0, *(100 * y for _, y in points)], style)
        plot.dots([100 * x for x, _ in points], [100 * y for _, y in points], style, size=6)
    words = "; ".join(
        f"{shorten(name, 30)} " + ", ".join(f"{percent(x)}: {percent(y)}" for x, y in p) for name, p in lines.items()
    )
    return Panel(
        plot.svg("concentration"), f"Share of the loss in the worst points. {words}", "Share of the worst points"
    )


def _key(key: str) -> bool:
    return key.rstrip("%").replace(".", "", 1).isdigit()


def _held_out(scene: Scene) -> Panel | None:
    ratios = {
        name: held.ratio
        for name in scene.shown
        if (held := scene.record.terms[name].held_out) is not None and math.isfinite(held.ratio) and held.ratio > 0
    }
    if not ratios:
        return None
    plot = Plot(
        Log.over([*ratios.values(), 0.5, 60]),
        Rows(tuple(shorten_all(ratios, 16))),
        left=104,
        grid="x",
        height=max(150, 66 + 24 * len(ratios)),
        x_label="held-out ratio (fresh / training)",
    )
    plot.upright(1.0, "1", color="muted")
    plot.upright(30.0, "30")
    for row, (name, ratio) in enumerate(ratios.items()):
        style = scene.style(name)
        plot.bar(row, 1.0, ratio, style, thickness=6)
        plot.dots([ratio], [row], style)
        plot.label(ratio, row, times(ratio), shift=8, lift=9)
    words = "; ".join(f"{shorten(name, 30)} {times(ratio)}" for name, ratio in ratios.items())
    return Panel(plot.svg("held-out"), f"Held-out ratios: {words}", "Held-out ratio")


def _claim(scene: Scene) -> str:
    ratios = {name: term.held_out.ratio for name, term in scene.record.terms.items() if term.held_out is not None}
    ratios = {name: ratio for name, ratio in ratios.items() if math.isfinite(ratio)}
    if not ratios:
        return "How few points carry the loss"
    name = max(ratios, key=lambda term: ratios[term])
    return (
        f"Held-out residuals are at most {times(ratios[name])} times those at the training points ({shorten(name, 28)})"
    )
