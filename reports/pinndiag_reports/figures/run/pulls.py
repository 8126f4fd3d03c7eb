"""What the terms' gradients do over the steps: their norms, their angles, and whether the terms hold each other."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from pinndiag._records import Band, History
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import count, number, percent, times
from pinndiag_reports._parts import Figure, Panel, Table
from pinndiag_reports.figures._scene import PLAIN, Scene, series
from pinndiag_reports.figures.run._course import Course
from pinndiag_reports.figures.run._timeline import Curve, Level, timeline
from pinndiag_reports.figures.run.losses import of_terms

__all__ = ["drawn_pairs", "pulls"]

PAIRS = 8
OPPOSED = -0.5
STALLED = 0.05


def pulls(scene: Scene, history: History) -> Figure:
    """|g|, |w g| (where weights differ from 1), cosines, stationarity."""
    plain = _courses(history.gradients, history)
    applied = _courses(history.applied, history)
    alike = all(value in (1.0, None) for band in history.weights.values() for value in (*band.low, *band.high))
    panels = [
        timeline(
            history,
            of_terms(scene, plain),
            key="gradients",
            title=f"Gradient norms |g|{': all weights are 1' if alike else ', unweighted'}; {_spread(plain)}",
            y_label="|g|, l2 norm over all parameters",
        ),
        None
        if alike
        else timeline(
            history,
            of_terms(scene, applied),
            key="applied",
            title=f"What the optimizer sees, |w g|: {_spread(applied)}",
            y_label="|w g|",
        ),
        _cosines(scene, history),
        _stationarity(history),
    ]
    return Figure(
        "fig-pulls",
        _claim(applied),
        tuple(panel for panel in panels if panel is not None),
        note="Norms are logarithmic, over all trainable parameters. " + scene.limited,
        keys=scene.keys_of(scene.over_time),
        tables=(_table(plain, applied),),
        size="timeline",
    )


def drawn_pairs(history: History) -> list[str]:
    """The pairs whose cosines are drawn: all, or those that ever were most opposed."""

    def lowest(pair: str) -> float:
        known = [value for value in history.cosine[pair].low if value is not None and math.isfinite(value)]
        return min(known, default=1.0)

    if len(history.cosine) <= PAIRS:
        return list(history.cosine)
    chosen = sorted(history.cosine, key=lowest)[:PAIRS]
    return [pair for pair in history.cosine if pair in chosen]


def _courses(bands: Mapping[str, Band], history: History) -> dict[str, Course]:
    return {name: Course.of(band, history.columns) for name, band in bands.items()}


def _ratios(courses: Mapping[str, Course]) -> tuple[np.ndarray, np.ndarray]:
    """Largest over smallest norm at each step at which all terms are known."""
    known = [course for course in courses.values() if len(course)]
    if len(known) < 2:
        return np.array([]), np.array([])
    found = [dict(zip(course.steps.tolist(), course.mid.tolist(), strict=True)) for course in known]
    steps = np.array(sorted(set(found[0]).intersection(*found[1:])))
    rows = np.array([[course[step] for step in steps] for course in found])
    good = (np.isfinite(rows) & (rows > 0)).all(axis=0) if rows.size else np.array([], dtype=bool)
    return steps[good], rows[:, good].max(axis=0) / rows[:, good].min(axis=0) if good.any() else np.array([])


def _spread(courses: Mapping[str, Course]) -> str:
    steps, ratios = _ratios(courses)
    if not len(ratios):
        return "over the steps"
    worst = int(np.argmax(ratios))
    return (
        f"largest / smallest {times(float(ratios[-1]))} at last, "
        f"{times(float(ratios[worst]))} at worst (step {count(int(steps[worst]))})"
    )


def _claim(applied: Mapping[str, Course]) -> str:
    known = {name: course.last for name, course in applied.items() if course.last > 0 and math.isfinite(course.last)}
    odd = [name for name, course in applied.items() if course.odd.any()]
    if odd:
        return f"The gradient of {', '.join(shorten(name, 24) for name in odd[:3])} became NaN or infinite"
    if len(known) < 2:
        return "The gradient over the run"
    large, small = max(known, key=lambda name: known[name]), min(known, key=lambda name: known[name])
    ratio = known[large] / known[small]
    return f"At the end {shorten(large, 24)} pulls {times(ratio)} times as hard as {shorten(small, 24)} (norms of w g)"


def _cosines(scene: Scene, history: History) -> Panel | None:
    places = {name: index for index, name in enumerate(scene.over_time)}
    pairs = drawn_pairs(history)
    curves = [
        Curve(
            pair.replace("|", " | "),
            Course.of(history.cosine[pair], history.columns),
            series(index),
            tuple(places[name] for name in pair.split("|", 1) if name in places),
        )
        for index, pair in enumerate(pairs)
    ]
    curves = [curve for curve in curves if len(curve.course)]
    if not curves:
        return None
    opposed = {curve.name: float((curve.course.mid < OPPOSED).mean()) for curve in curves}
    name = max(opposed, key=lambda pair: opposed[pair])
    title = f"Cosines: {shorten(name, 30)} opposed (below {OPPOSED}) {percent(opposed[name])} of the time"
    if not opposed[name]:
        title = f"Cosines: no pair is opposed (below {OPPOSED})"
    if len(pairs) < len(history.cosine):
        title += f"; {len(pairs)} of {len(history.cosine)} pairs drawn, those most opposed"
    return timeline(
        history,
        curves,
        key="cosine",
        title=title,
        y_label="cosine of the unweighted gradients",
        scale="linear",
        levels=[Level(0.0, "")],
        keyed=True,
    )


def _stationarity(history: History) -> Panel | None:
    course = Course.of(history.stationarity, history.columns)
    if len(history.applied) < 2:
        return None
    title = "No stretch in which the terms hold each other"
    if history.stalled:
        longest = max(history.stalled, key=lambda part: part.last - part.first)
        title = f"The terms hold each other from step {count(longest.first)} to {count(longest.last)}"
        if len(history.stalled) > 1:
            title += f", the longest of {len(history.stalled)} stretches"
    return timeline(
        history,
        [Curve("smallest combination", course, PLAIN)],
        key="stationarity",
        title=title,
        y_label="smallest norm in the hull of the w g / sum of norms",
        levels=[Level(STALLED, f"stalled below {STALLED}", "problem")],
    )


def _table(plain: Mapping[str, Course], applied: Mapping[str, Course]) -> Table:
    rows = []
    for name, course in plain.items():
        high, step = course.highest
        seen = applied.get(name)
        ends = (number(seen.first), number(seen.last)) if seen is not None else (number(None), number(None))
        rows.append((name, number(course.first), number(course.last), number(high), count(step), *ends))
    return Table(
        ("term", "|g|, first", "|g|, last", "largest |g|", "at step", "|w g|, first", "|w g|, last"),
        tuple(rows),
        folded="Numbers: gradient norms",
    )
