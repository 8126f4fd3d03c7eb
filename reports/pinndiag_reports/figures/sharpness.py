"""The largest curvature of every term beside the limit that the step size sets."""

from __future__ import annotations

import math

from pinndiag._records import Eigenvalue, Stability
from pinndiag_reports._names import shorten, shorten_all
from pinndiag_reports._numbers import number, times
from pinndiag_reports._parts import Absent, Figure, Key, Panel, Part, Table
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Log, Rows
from pinndiag_reports.figures._scene import PLAIN, Scene, Style

__all__ = ["sharpness"]

_DOT = 8.0  # diameter in pixels


def sharpness(scene: Scene) -> Part:
    """A dot with its residual for each term, for the total, and for the total as the optimizer sees it."""
    record = scene.record
    rows = _rows(scene)
    if not rows:
        return Absent(
            "Largest curvature of each term", scene.why("curvature", "spectrum", default="no eigenvalue in the record")
        )
    positive = [(name, item, style) for name, item, style in rows if math.isfinite(item.value) and item.value > 0]
    stability = record.spectrum.stability if record.spectrum else None
    table = _table(scene, stability)
    if not positive:
        return Absent("Largest curvature of each term", "nothing to draw: no positive, finite eigenvalue")
    limits = _limits(stability)
    values = [item.value for _, item, _ in positive] + [value for value, _ in limits]
    plot = Plot(
        Log.over(values, pad=0.12),
        Rows(tuple(name for name, _, _ in positive)),
        width=440,
        grid="x",
        left=128,
        right=28,
        height=66 + 24 * len(positive),
        x_label="largest eigenvalue of the Hessian",
    )
    bars = 0
    for row, (_, item, style) in enumerate(positive):
        low, high = max(item.value - item.residual, item.value * 1e-3), item.value + item.residual
        if plot.across(low, high) > _DOT:  # a shorter bar hides behind the dot
            plot.bar(row, low, high, Style("muted"), thickness=5)
            bars += 1
        plot.dots([item.value], [row], style, size=_DOT)
        if _right(plot, item.value):
            plot.label(item.value, row, number(item.value), shift=-9, align="right")
        else:
            plot.label(item.value, row, number(item.value), shift=9)
    for value, words in limits:
        plot.upright(value, words)
    alt = "; ".join(f"{name}: {number(item.value)} ± {number(item.residual)}" for name, item, _ in positive)
    return Figure(
        "fig-sigma-max",
        _claim(stability),
        (Panel(plot.svg("sigma-max"), f"Largest eigenvalues: {alt}"),),
        note=_note(scene, stability),
        keys=(Key("grey bar: residual bound, an eigenvalue lies within it", "muted"),) if bars else (),
        tables=(table, *_predicted(scene)),
        size="wide",
    )


def _right(plot: Plot, value: float) -> bool:
    return isinstance(plot.x, Log) and (math.log10(value) - plot.x.low) / (plot.x.high - plot.x.low) > 0.75


def _rows(scene: Scene) -> list[tuple[str, Eigenvalue, Style]]:
    record = scene.record
    rows = [
        (short, item, scene.style(name))
        for name, short in zip(scene.shown, shorten_all(scene.shown, 18), strict=True)
        if (item := record.terms[name].sigma_max) is not None
    ]
    if record.total is not None and record.total.sigma_max is not None:
        rows.append(("total (weighted)", record.total.sigma_max, PLAIN))
    stability = record.spectrum.stability if record.spectrum else None
    if stability is not None and stability.preconditioned:
        rows.append((f"total, {shorten(stability.optimizer, 8)}", stability.sigma_max, Style("ink", "", "D")))
    return rows


def _limits(stability: Stability | None) -> list[tuple[float, str]]:
    """The curvature at which the learning rate in use becomes unstable."""
    if stability is None or not stability.sharpness > 0:
        return []
    edge = stability.sigma_max.value / stability.sharpness
    if not (math.isfinite(edge) and edge > 0):
        return []
    return [(edge, f"limit for {shorten(stability.optimizer, 18)}: {number(edge)}")]


def _claim(stability: Stability | None) -> str:
    if stability is None:
        return "Largest eigenvalue of each term's Hessian"
    share = stability.sharpness
    if not math.isfinite(share):
        return "The stability limit could not be compared: a figure is not finite"
    where = (
        "beyond the edge of stability"
        if share > 1.1
        else "at the edge of stability"
        if share > 0.8
        else "below the edge"
    )
    return (
        f"The learning rate {number(stability.lr)} is {times(share)} times the largest stable one "
        f"({number(stability.limit)}): {where}"
    )


def _note(scene: Scene, stability: Stability | None) -> str:
    note = (
        "sigma_max is the largest algebraic eigenvalue of the Hessian, by Lanczos on exact Hessian-vector products. "
        "The residual proves that an eigenvalue lies that near; it does not prove that no larger one was missed. "
    )
    if stability is None:
        why = scene.why("curvature.stability", default="it needs the optimizer's settings and state")
        return note + f"No stability limit: {why}."
    if stability.preconditioned:
        note += (
            f"The dashed limit is for the eigenvalue as {stability.optimizer} sees it (diamond), after its own "
            f"scaling; the plain "
            "eigenvalues above may pass it without harm. "
        )
    else:
        note += f"2/lr = {number(2 / stability.lr) if stability.lr else 'NaN'}. "
    return note + f"Rule: {stability.rule}."


def _table(scene: Scene, stability: Stability | None) -> Table:
    rows = []
    everything = list(scene.record.terms.items())
    if scene.record.total is not None:
        everything.append(("total (weighted)", scene.record.total))
    for name, term in everything:
        for label, item in (("max", term.sigma_max), ("min", term.sigma_min)):
            if item is not None:
                rows.append((name, label, *_figures(item)))
    if stability is not None and stability.preconditioned:
        rows.append((f"total, scaled by {stability.optimizer}", "max", *_figures(stability.sigma_max)))
    return Table(
        ("term", "end", "eigenvalue", "residual", "state", "products"),
        tuple(rows),
        folded="Numbers: both ends of every spectrum",
        note="A smallest eigenvalue whose residual is as large as its value is not resolved.",
    )


def _figures(item: Eigenvalue) -> tuple[str, str, str, str]:
    state = "not resolved" if not item.resolved else "converged" if item.converged else "not converged"
    return number(item.value), number(item.residual), state, number(item.products)


def _predicted(scene: Scene) -> tuple[Table, ...]:
    rows = []
    everything = list(scene.record.terms.items())
    if scene.record.total is not None:
        everything.append(("total (weighted)", scene.record.total))
    for name, term in everything:
        if (change := term.predicted) is not None:
            both = change.first_order + change.curvature
            relative = both / term.loss if term.loss else math.nan
            rows.append(
                (
                    name,
                    number(term.loss),
                    number(change.first_order),
                    number(change.curvature),
                    number(both),
                    number(relative),
                )
            )
    if not rows:
        return ()
    return (
        Table(
            ("term", "loss", "first order", "curvature", "sum", "sum / loss"),
            tuple(rows),
            folded="Numbers: predicted change of every term for one gradient step",
            note="First order -lr g_i.G, curvature 1/2 lr² G'H_i G, for a plain gradient step of the learning rate "
            "in use: a positive sum means that the term rises.",
        ),
    )
