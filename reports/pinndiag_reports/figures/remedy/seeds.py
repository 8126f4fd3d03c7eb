"""The figure of comparison of every run: one mark a seed, a row an arm."""

from __future__ import annotations

import math

from pinndiag_reports._numbers import estimate, number, plural
from pinndiag_reports._parts import Figure, Panel, Part, Table
from pinndiag_reports._remedy import chosen_as, measured_as, remedy_view
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Log, Rows
from pinndiag_reports.figures._scene import Style
from pinndiag_reports.figures.remedy._stage import Stage

__all__ = ["seeds"]


def seeds(stage: Stage) -> Part:
    """Dots on a logarithmic axis; the mean as a bar through them."""
    record = stage.record
    rows = [[run.figure(record.measure) for run in arm.runs] for arm in stage.arms]
    words = measured_as(record)
    known = [value for values in rows for value in values if math.isfinite(value) and value > 0]
    plot = Plot(
        Log.over(known),
        Rows(tuple(stage.titles)),
        width=440,
        height=64 + 30 * len(rows),
        left=168,
        x_label=f"{words}: left is better",
    )
    alt = []
    for index, (title, values) in enumerate(zip(stage.titles, rows, strict=True)):
        style = stage.style(index)
        plot.dots(values, [float(index)] * len(values), Style(style.color, "", style.marker), size=9)
        lost = sum(not math.isfinite(value) for value in values)
        if lost and known:
            plot.label(max(known), index, f"{lost} diverged", color="problem", align="right", lift=9)
        alt.append(f"{title}: {', '.join(number(value) for value in values)}")
    view = remedy_view(record)
    head = ("arm", "seed", words, chosen_as(record), *(f"loss {term}" for term in view.terms), "time", "gradients")
    return Figure(
        "fig-seeds",
        _claim(stage),
        (Panel(plot.svg("seeds"), f"{words} of every run. {'; '.join(alt)}"),) if known else (),
        note=f"{_note(stage)}{stage.limited}",
        tables=(
            Table(
                head,
                view.runs,
                title="Every run",
                note="Losses are unweighted, at the training points; in brackets: at points not trained on.",
            ),
        ),
    )


def _claim(stage: Stage) -> str:
    parts = []
    for arm, title in zip(stage.arms, stage.titles, strict=True):
        if arm.mean is not None:
            parts.append(f"{title} {number(arm.mean) if arm.error is None else estimate(arm.mean, arm.error)}")
    return f"Every seed, {measured_as(stage.record)}: {', '.join(parts[:4])}" if parts else "Every seed"


def _note(stage: Stage) -> str:
    most = max(len(arm.runs) for arm in stage.arms)
    if most == 1:
        return "One seed: the marks show no spread, and what differs little may be chance. "
    return f"Each mark is a run; the claim gives mean ± standard error over {plural(most, 'seed')}. "
