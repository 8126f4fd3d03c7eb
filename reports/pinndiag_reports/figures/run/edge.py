"""Curvature over the steps: every term's largest eigenvalue, the stability limit, the remaining work."""

from __future__ import annotations

import math

from pinndiag._records import CurvatureSeries, History
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import count, number, plural, times
from pinndiag_reports._parts import Absent, Figure, Panel, Part, Table
from pinndiag_reports.figures._scene import PLAIN, Scene, Style
from pinndiag_reports.figures.run._course import Course
from pinndiag_reports.figures.run._timeline import Curve, Level, timeline
from pinndiag_reports.figures.run.losses import TOTAL, of_terms, total_curve

__all__ = ["edge"]

DONE = 2e-5  # remaining work below which healthy runs end; see the glossary
MOST = 40  # rows of the table


def edge(scene: Scene, history: History) -> Part:
    """sigma_max of all terms, the total against the limit of the learning rate in use, remaining work."""
    found = history.curvature
    if found is None:
        return Absent("Curvature over the run", f"schedule of curvature: {history.schedules.curvature}")
    panels = [_terms(scene, history, found), _limit(history, found), _work(scene, history, found)]
    drawn = tuple(panel for panel in panels if panel is not None)
    if not drawn:
        return Absent("Curvature over the run", "nothing to draw: no finite eigenvalue")
    return Figure(
        "fig-edge",
        _claim(found),
        drawn,
        note=f"{plural(len(found.steps), 'measurement')} by Lanczos on the graph of the step. "
        + (
            f"Rule of the limit: {found.rule}. "
            if found.rule
            else "No limit: the optimizer had no state yet, or its rule is not known. "
        )
        + "Riding the edge of stability is normal in training; far beyond it the loss should grow. "
        + scene.limited,
        keys=(*scene.keys_of(scene.over_time), TOTAL),
        tables=(_table(found),),
        size="timeline",
    )


def _claim(found: CurvatureSeries) -> str:
    shares = [(value, step) for value, step in zip(found.sharpness, found.steps, strict=True) if value is not None]
    shares = [(value, step) for value, step in shares if math.isfinite(value)]
    if not shares:
        return "Largest eigenvalues over the run"
    value, step = max(shares, key=lambda pair: pair[0])
    if len(shares) == 1:
        return f"The learning rate was {times(value)} times the largest stable one at step {count(step)}"
    return (
        f"The learning rate was at most {times(value)} times the largest stable one (step {count(step)}), "
        f"{times(shares[-1][0])} times at step {count(shares[-1][1])}"
    )


def _terms(scene: Scene, history: History, found: CurvatureSeries) -> Panel | None:
    courses = {name: Course.single(found.steps, values) for name, values in found.terms.items()}
    total = total_curve(scene, Course.single(found.steps, found.total))
    known = {name: course.last for name, course in courses.items() if course.last > 0 and math.isfinite(course.last)}
    title = "Largest eigenvalue of every term"
    if known:
        top = max(known, key=lambda name: known[name])
        at = count(found.steps[-1])
        title = f"Largest eigenvalue: {shorten(top, 24)} is the steepest at step {at}, {number(known[top])}"
    curves = [*of_terms(scene, courses), total]
    return timeline(
        history, curves, key="sigma", title=title, y_label="sigma_max of the unweighted terms; of the weighted total"
    )


def _limit(history: History, found: CurvatureSeries) -> Panel | None:
    scaled = any(value is not None for value in found.preconditioned)
    seen = Course.single(found.steps, found.preconditioned if scaled else found.total)
    bound = Course.single(found.steps, found.bound)
    if not len(bound) or not len(seen):
        return None
    words = "total, as the optimizer scales it" if scaled else "total (weighted)"
    curves = [
        Curve(words, seen, PLAIN),
        Curve("limit of the learning rate in use", bound, Style("problem", "5 3", "D")),
    ]
    at_last = f"{number(seen.last)} against a limit of {number(bound.last)} at last"
    return timeline(
        history,
        curves,
        key="limit",
        title=f"{'Scaled sigma_max' if scaled else 'sigma_max'} of the total: {at_last}",
        y_label="eigenvalue",
        keyed=True,
    )


def _work(scene: Scene, history: History, found: CurvatureSeries) -> Panel | None:
    courses = {name: Course.single(found.steps, values) for name, values in found.work.items()}
    known = {name: course.last for name, course in courses.items() if math.isfinite(course.last)}
    if not known:
        return None
    most, at = max(known, key=lambda name: known[name]), count(found.steps[-1])
    return timeline(
        history,
        of_terms(scene, courses),
        key="work",
        title=f"Remaining work: {shorten(most, 24)} had the most left at step {at}, {number(known[most])}",
        y_label="remaining work, squared distance in parameters",
        levels=[Level(DONE, f"healthy runs end below {number(DONE)}")],
    )


def _table(found: CurvatureSeries) -> Table:
    names = list(found.terms)
    rows = []
    for i, step in enumerate(found.steps):
        rows.append(
            (
                count(step),
                *(number(found.terms[name][i]) for name in names),
                number(found.total[i]),
                number(found.residuals[i]),
                number(found.preconditioned[i]),
                number(found.bound[i]),
                number(found.sharpness[i]),
            )
        )
    shown = rows if len(rows) <= MOST else [rows[k * (len(rows) - 1) // (MOST - 1)] for k in range(MOST)]
    return Table(
        (
            "step",
            *(f"sigma_max {shorten(name, 20)}" for name in names),
            "total",
            "its residual",
            "as the optimizer sees it",
            "limit",
            "lr / largest stable",
        ),
        tuple(shown),
        folded="Numbers: curvature" + (f", {MOST} of {len(rows)} measurements" if len(shown) < len(rows) else ""),
    )
