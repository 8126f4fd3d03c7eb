"""Losses, error and weights over the steps, arm by arm."""

from __future__ import annotations

import math

from pinndiag._records import Arm, History
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import count, number, times
from pinndiag_reports._parts import Absent, Figure, Panel, Part, Table
from pinndiag_reports.figures.remedy._stage import Stage
from pinndiag_reports.figures.run._course import Course
from pinndiag_reports.figures.run._timeline import Curve, timeline

__all__ = ["courses", "weights"]


def courses(stage: Stage) -> Part:
    """A panel for the error, and one for the loss of each term; a curve an arm."""
    if not stage.histories:
        return Absent("Losses over time", "no run was recorded")
    axis = stage.histories[0][1]
    panels = [_error(stage, axis)]
    panels += [_loss(stage, axis, term) for term in stage.terms]
    return Figure(
        "fig-courses",
        _claim(stage),
        tuple(panel for panel in panels if panel is not None),
        note=f"Unweighted, logarithmic. Bars at the upper edge: NaN or infinite. {stage.limited}{stage.scene.limited}",
        keys=stage.keys,
        tables=(_table(stage),),
        size="timeline",
    )


def weights(stage: Stage) -> Part:
    """A panel for each arm whose weights change; a curve a term."""
    panels = []
    fixed = []
    for index, history in stage.histories:
        found = {
            term: Course.of(band, history.columns) for term, band in history.weights.items() if term in stage.terms
        }
        known = {term: course for term, course in found.items() if len(course)}
        if all(course.low.min() == course.high.max() for course in known.values()):
            fixed.append((stage.titles[index], {term: course.last for term, course in known.items()}))
            continue
        panel = timeline(
            history,
            [Curve(term, course, stage.scene.style(term)) for term, course in known.items()],
            key=f"weights-{index}",
            title=f"{stage.titles[index]}: {_span(known)}",
            y_label="weight",
            keyed=True,
        )
        panels += [panel] if panel is not None else []
    words = "; ".join(
        f"{title}: {', '.join(f'{shorten(term, 20)} {number(value)}' for term, value in values.items())}"
        for title, values in fixed
    )
    if not panels:
        return Absent("Weights over time", f"no weight changed ({words})" if words else "no weight was recorded")
    return Figure(
        "fig-weights",
        "Weights over time",
        tuple(panels),
        note="Of weights of single points the mean. " + (f"Unchanged: {words}." if words else ""),
        tables=(_ends(stage),),
        size="timeline",
    )


def _error(stage: Stage, axis: History) -> Panel | None:
    found = [
        (index, Course.of(history.rel_l2, history.columns))
        for index, history in stage.histories
        if history.rel_l2 is not None
    ]
    return timeline(
        axis,
        [Curve(stage.titles[index], course, stage.style(index), (index,)) for index, course in found],
        key="arms-rel_l2",
        title="Relative L2 error",
        y_label="|network - solution| / |solution|",
    )


def _loss(stage: Stage, axis: History, term: str) -> Panel | None:
    found = [
        (index, Course.of(history.losses[term], history.columns))
        for index, history in stage.histories
        if term in history.losses
    ]
    return timeline(
        axis,
        [Curve(stage.titles[index], course, stage.style(index), (index,)) for index, course in found],
        key=f"arms-loss-{stage.terms.index(term)}",
        title=f"Loss of {shorten(term, 30)}",
        y_label="unweighted loss",
    )


def _span(known: dict[str, Course]) -> str:
    ends = {term: course.last for term, course in known.items() if math.isfinite(course.last) and course.last > 0}
    if len(ends) < 2:
        return "weights"
    high, low = max(ends, key=lambda term: ends[term]), min(ends, key=lambda term: ends[term])
    return f"{shorten(high, 20)} ends with {times(ends[high] / ends[low])} times the weight of {shorten(low, 20)}"


def _claim(stage: Stage) -> str:
    chosen = stage.record.chosen
    baseline = stage.record.baseline
    if chosen is None or baseline is None:
        return "Losses over time"
    arm = stage.record.arms[chosen]
    ratios = {term: _ratio(baseline, arm, term) for term in stage.terms}
    known = {term: ratio for term, ratio in ratios.items() if math.isfinite(ratio) and ratio > 0}
    if not known:
        return "Losses over time"
    parts = []
    for term, ratio in sorted(known.items(), key=lambda item: -item[1]):
        way = f"{times(ratio)} times lower" if ratio >= 1 else f"{times(1 / ratio)} times higher"
        parts.append(f"{shorten(term, 20)} {way}")
    return f"With {shorten(arm.title, 40)} the losses end: {', '.join(parts[:4])} than training on as it is"


def _ratio(baseline: Arm, arm: Arm, term: str) -> float:
    before, after = (a.runs[0].losses.get(term, math.nan) for a in (baseline, arm))
    return before / after if after else math.nan


def _table(stage: Stage) -> Table:
    rows = []
    for index, history in stage.histories:
        for term in stage.terms:
            if term in history.losses:
                course = Course.of(history.losses[term], history.columns)
                low, step = course.lowest
                rows.append((stage.titles[index], term, *map(number, (course.first, course.last, low)), count(step)))
    head = ("arm", "term", "loss, first", "loss, last", "lowest", "at step")
    return Table(head, tuple(rows), folded="Numbers: losses over time")


def _ends(stage: Stage) -> Table:
    rows = [
        (stage.titles[index], *(number(arm.runs[0].weights.get(term)) for term in stage.terms))
        for index, arm in enumerate(stage.arms)
    ]
    return Table(("weights at the end of", *stage.terms), tuple(rows), folded="Numbers: weights at the end")
