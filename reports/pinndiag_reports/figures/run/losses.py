"""Losses, error, weights and learning rate over the steps."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pinndiag._records import History
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import count, number, times
from pinndiag_reports._parts import Figure, Key, Panel, Table
from pinndiag_reports.figures._scene import PLAIN, Scene
from pinndiag_reports.figures.run._course import Course
from pinndiag_reports.figures.run._timeline import Curve, timeline

__all__ = ["TOTAL", "losses", "of_terms", "total_curve"]

LEVEL = 1.25  # a factor by which nothing much has changed
TOTAL = Key("total (weighted)", "ink")


def losses(scene: Scene, history: History) -> Figure:
    """The losses of all terms and of the total; the error; weights and learning rate where they change."""
    found = {name: Course.of(band, history.columns) for name, band in history.losses.items()}
    weights = {name: Course.of(band, history.columns) for name, band in history.weights.items()}
    rate = Course.of(history.lr, history.columns)
    total = total_curve(scene, Course.of(history.total, history.columns))
    panels = [
        timeline(
            history,
            [*of_terms(scene, found), total],
            key="losses",
            title=_loss_claim(found),
            y_label="unweighted loss; weighted total",
        ),
        _error(history),
        None if all(map(_constant, weights.values())) else _weights(scene, history, weights),
        None if _constant(rate) or not len(rate) else _rate(history, rate),
    ]
    note = "Logarithmic. A band spans the smallest and the largest value of a column of the drawing, the line runs "
    note += "between; bars at the upper edge: NaN or infinite; at the lower edge: zero or negative. "
    note += _constants(weights, rate)
    return Figure(
        "fig-losses",
        _claim(history, total.course),
        tuple(panel for panel in panels if panel is not None),
        note=note + _late(found, history) + scene.limited,
        keys=(*scene.keys_of(scene.over_time), TOTAL),
        tables=(_table(history, found, weights),),
        size="timeline",
    )


def of_terms(scene: Scene, courses: Mapping[str, Course]) -> list[Curve]:
    """A curve for each drawn term, in the look that it has everywhere."""
    return [
        Curve(name, courses[name], scene.style(name), (index,))
        for index, name in enumerate(scene.over_time)
        if name in courses
    ]


def total_curve(scene: Scene, course: Course) -> Curve:
    """The weighted sum, which can be switched off after the terms."""
    return Curve(TOTAL.name, course, PLAIN, (len(scene.over_time),))


def _fold(course: Course) -> float:
    """First value / last value; NaN where that says nothing."""
    usable = math.isfinite(course.first) and math.isfinite(course.last) and course.first > 0 and course.last > 0
    return course.first / course.last if usable else math.nan


def _constant(course: Course) -> bool:
    return bool(len(course)) and course.low.min() == course.high.max()


def _constants(weights: Mapping[str, Course], rate: Course) -> str:
    """What did not change, in a sentence."""
    fixed = {name: number(course.last) for name, course in weights.items() if _constant(course)}
    words = [f"the weight of {shorten(name, 24)} is {value}" for name, value in list(fixed.items())[:6]]
    if len(fixed) == len(weights) > 1 and len(set(fixed.values())) == 1:
        words = [f"every weight is {next(iter(fixed.values()))}"]
    words += [f"the learning rate is {number(rate.last)}"] if _constant(rate) else []
    return f"All along {', '.join(words)}. " if words else ""


def _changed(factor: float) -> str:
    if 1 / LEVEL < factor < LEVEL:
        return "ended where it began"
    return f"fell {times(factor)}-fold" if factor >= 1 else f"rose {times(1 / factor)}-fold"


def _claim(history: History, total: Course) -> str:
    over = f"{count(history.last - history.first + 1)} steps"
    if total.odd.any():
        first = total.where(total.odd)[0].first
        return f"Over {over} the loss became NaN or infinite, first by step {count(first)}"
    factor = _fold(total)
    return f"Over {over} the weighted loss {_changed(factor)}" if math.isfinite(factor) else f"Losses over {over}"


def _loss_claim(found: Mapping[str, Course]) -> str:
    odd = [name for name, course in found.items() if course.odd.any()]
    if odd:
        return f"Losses: NaN or infinite in {', '.join(shorten(name, 24) for name in odd[:3])}"
    folds = {name: _fold(course) for name, course in found.items() if math.isfinite(_fold(course))}
    if not folds:
        return "Losses"
    best, worst = max(folds, key=lambda name: folds[name]), min(folds, key=lambda name: folds[name])
    if best == worst:
        return f"Losses: {shorten(best, 24)} {_changed(folds[best])}"
    return f"Losses: {shorten(best, 24)} {_changed(folds[best])}, {shorten(worst, 24)} {_changed(folds[worst])}"


def _error(history: History) -> Panel | None:
    if history.rel_l2 is None:
        return None
    course = Course.of(history.rel_l2, history.columns)
    value, step = course.lowest
    return timeline(
        history,
        [Curve("relative L2 error", course, PLAIN)],
        key="rel_l2",
        title=f"Relative L2 error {number(course.last)} at last, {number(value)} at best (step {count(step)})",
        y_label="|network - solution| / |solution|",
    )


def _weights(scene: Scene, history: History, weights: Mapping[str, Course]) -> Panel | None:
    ratios = {name: 1 / _fold(course) for name, course in weights.items() if math.isfinite(_fold(course))}
    title = "Weights"
    if ratios:
        name = max(ratios, key=lambda name: abs(math.log(ratios[name])))
        title = f"Weights: that of {shorten(name, 24)} {_changed(1 / ratios[name])}"
        title += f", to {number(weights[name].last)}"
    if history.scheme:
        title += f" ({shorten(history.scheme, 20)})"
    return timeline(history, of_terms(scene, weights), key="weights", title=title, y_label="weight")


def _rate(history: History, rate: Course) -> Panel | None:
    title = f"Learning rate from {number(rate.first)} to {number(rate.last)}"
    return timeline(history, [Curve("learning rate", rate, PLAIN)], key="lr", title=title, y_label="learning rate")


def _late(found: Mapping[str, Course], history: History) -> str:
    """Terms that came later or went before the end."""
    words = []
    for name, course in found.items():
        if len(course) and course.steps[0] > history.columns[0]:
            words.append(f"{shorten(name, 24)} came by step {count(int(course.steps[0]))}")
        if len(course) and course.steps[-1] < history.columns[-1]:
            words.append(f"{shorten(name, 24)} was last seen by step {count(int(course.steps[-1]))}")
    return f"{'; '.join(words)}. " if words else ""


def _table(history: History, found: Mapping[str, Course], weights: Mapping[str, Course]) -> Table:
    rows = []
    for name, course in (*found.items(), ("total (weighted)", Course.of(history.total, history.columns))):
        value, step = course.lowest
        weight = weights.get(name)
        ends = (number(weight.first), number(weight.last)) if weight is not None else (number(None), number(None))
        rows.append((name, number(course.first), number(course.last), number(value), count(step), *ends))
    return Table(
        ("term", "loss, first", "loss, last", "lowest", "at step", "weight, first", "weight, last"),
        tuple(rows),
        folded="Numbers: losses and weights",
    )
