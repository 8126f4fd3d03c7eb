"""Losses and gradient norms at the stored initial parameters, and now."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pinndiag._records import Work
from pinndiag_reports._names import shorten, shorten_all
from pinndiag_reports._numbers import at_most, number, percent, times
from pinndiag_reports._parts import Absent, Figure, Panel, Part, Table
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Log, Rows
from pinndiag_reports.figures._scene import Scene, Style

__all__ = ["start"]


def start(scene: Scene) -> Part:
    """Two panels of arrows, hollow grey at the start, coloured now."""
    record = scene.record
    first = record.start
    if first is None:
        why = scene.why("start", default="the file holds no initial parameters, or they are the present ones")
        return Absent("Start against now", why)
    now = {name: term.loss for name, term in record.terms.items()}
    norms = {name: term.grad_l2 for name, term in record.terms.items()}
    panels = tuple(
        panel
        for panel in (
            _panel(scene, first.losses, now, "unweighted loss"),
            _panel(scene, first.grad_l2, norms, "gradient norm |g|, unweighted"),
        )
        if panel is not None
    )
    rows = []
    for name, term in record.terms.items():
        work = first.work.get(name)
        held = first.held_out.get(name)
        rows.append(
            (
                name,
                number(first.losses.get(name)),
                number(term.loss),
                number(first.grad_l2.get(name)),
                number(term.grad_l2),
                _work(work),
                _work(term.work),
                times(held.ratio if held else None),
                percent(first.slow_share.get(name)),
            )
        )
    table = Table(
        (
            "term",
            "loss, start",
            "loss, now",
            "|g|, start",
            "|g|, now",
            "work, start",
            "work, now",
            "held-out, start",
            "slow share, start",
        ),
        tuple(rows),
        folded="Numbers: start and now",
        note=f"Learning rate times sigma_max of the total at the start: {number(first.lr_sigma_max)}."
        if first.lr_sigma_max is not None
        else "",
    )
    return Figure(
        "fig-start",
        _claim(first.losses, now),
        panels,
        note="Grey: at the initial parameters; coloured: now. " + scene.limited
        if panels
        else "Nothing to draw: no finite, positive figure.",
        keys=scene.keys,
        tables=(table,),
    )


def _work(found: Work | None) -> str:
    return at_most(found.value, upper=found.how == "scalar") if found else number(None)


def _panel(scene: Scene, before: Mapping[str, float], after: Mapping[str, float], title: str) -> Panel | None:
    pairs = {name: (before.get(name, math.nan), after[name]) for name in scene.shown}
    pairs = {name: pair for name, pair in pairs.items() if all(math.isfinite(value) and value > 0 for value in pair)}
    if not pairs:
        return None
    plot = Plot(
        Log.over([value for pair in pairs.values() for value in pair], pad=0.12),
        Rows(tuple(shorten_all(pairs, 16))),
        left=104,
        top=12,
        grid="x",
        height=max(130, 62 + 28 * len(pairs)),
    )
    for row, (name, (was, now)) in enumerate(pairs.items()):
        style = scene.style(name)
        plot.line([was, now], [row, row], Style(style.color), width=1.6)
        plot.dots([was], [row], Style("muted", "", style.marker), size=7)
        plot.dots([now], [row], style, size=9)
    words = "; ".join(f"{shorten(name, 30)} from {number(was)} to {number(now)}" for name, (was, now) in pairs.items())
    return Panel(plot.svg(f"start-{title}"), f"{title}, start against now: {words}", title)


def _claim(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    falls = {
        name: before[name] / after[name] for name in after if name in before and after[name] > 0 and before[name] > 0
    }
    falls = {name: fall for name, fall in falls.items() if math.isfinite(fall)}
    if not falls:
        return "Start against now"
    best, worst = max(falls, key=lambda name: falls[name]), min(falls, key=lambda name: falls[name])
    if best == worst:
        return f"Since the start the loss of {shorten(best, 28)} fell {times(falls[best])}-fold"
    fall = f"fell {times(falls[worst])}-fold" if falls[worst] >= 1 else f"rose {times(1 / falls[worst])}-fold"
    return f"Since the start {shorten(best, 28)} fell {times(falls[best])}-fold, {shorten(worst, 28)} {fall}"
