"""The largest eigenvalues of all arms over the steps: a panel a term, a curve an arm."""

from __future__ import annotations

from collections.abc import Callable

from pinndiag._records import CurvatureSeries
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import number
from pinndiag_reports._parts import Absent, Figure, Panel, Part
from pinndiag_reports.figures.remedy._stage import Stage
from pinndiag_reports.figures.run._course import Course
from pinndiag_reports.figures.run._timeline import Curve, timeline

__all__ = ["sharpness"]

Series = Callable[[CurvatureSeries], list[float | None]]


def sharpness(stage: Stage) -> Part:
    """Of every unweighted term, and of the weighted total (seed 0)."""
    found = [(index, history.curvature) for index, history in stage.histories if history.curvature is not None]
    if not found:
        return Absent("Largest eigenvalues over time", "no arm's curvature was measured")

    def panel(name: str, series: Series) -> Panel | None:
        curves = [
            Curve(stage.titles[index], Course.single(item.steps, series(item)), stage.style(index), (index,))
            for index, item in found
        ]
        ends = ", ".join(f"{number(curve.course.highest[0])}" for curve in curves if len(curve.course))
        return timeline(
            stage.histories[0][1],
            curves,
            key=f"sharpness-{name}",
            title=f"{name}: at most {ends}",
            y_label="sigma_max",
        )

    def of(term: str) -> Series:
        return lambda item: item.terms.get(term, [])

    panels = [panel(shorten(term, 24), of(term)) for term in stage.terms]
    panels.append(panel("weighted total", lambda item: item.total))
    return Figure(
        "fig-sharpness",
        "Largest eigenvalue of the Hessian over the steps",
        tuple(item for item in panels if item is not None),
        note=f"{len(found[0][1].steps)} measurements a run, each with a residual bound below a thousandth. "
        "Gradient descent is stable up to 2 / learning rate.",
        keys=stage.keys,
        size="timeline",
    )
