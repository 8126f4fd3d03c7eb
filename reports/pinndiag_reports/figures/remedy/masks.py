"""Weights of single points over their coordinates: the mask of McClenny and Braga-Neto (2023)."""

from __future__ import annotations

import numpy as np

from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import number, plural, times
from pinndiag_reports._parts import Absent, Figure, Part, Table
from pinndiag_reports.figures._map import Shown, map_panel, value_range
from pinndiag_reports.figures._scale import array
from pinndiag_reports.figures.remedy._stage import Stage

__all__ = ["masks"]

MOST = 8


def masks(stage: Stage) -> Part:
    """A map for each arm and term with weights of single points."""
    panels, rows = [], []
    for index, arm in stage.masked:
        for item in arm.points:
            values = array(item.values)
            low, high = value_range(values) or (0.0, 1.0)
            title = f"{stage.titles[index]}: {shorten(item.term, 24)}"
            shown = Shown("weight", values, "viridis", low, high)
            panel = map_panel(item.coordinates, shown, title, f"mask-{arm.key}-{item.term}", stage.style(index))
            panels += [panel] if panel is not None else []
            known = values[np.isfinite(values)]
            mean = float(known.mean()) if known.size else float("nan")
            rows.append((stage.titles[index], item.term, str(len(values)), number(low), number(mean), number(high)))
    if not panels:
        return Absent("Weights of single points", "nothing to draw: no finite weight")
    more = f"{MOST} of {plural(len(panels), 'map')} drawn. " if len(panels) > MOST else ""
    return Figure(
        "fig-masks",
        _claim(stage),
        tuple(panels[:MOST]),
        note="The factor of each |r|² over its point's coordinates (the first two where there are more); every map has "
        f"its own scale. {more}",
        tables=(
            Table(
                ("arm", "term", "points", "smallest", "mean", "largest"),
                tuple(rows),
                folded="Numbers: weights of single points",
            ),
        ),
        size="small",
    )


def _claim(stage: Stage) -> str:
    ratios = {}
    for index, arm in stage.masked:
        for item in arm.points:
            values = array(item.values)
            known = values[np.isfinite(values) & (values > 0)]
            if known.size:
                ratios[f"{stage.titles[index]}, {shorten(item.term, 24)}"] = float(known.max() / known.min())
    if not ratios:
        return "Weights of single points"
    name = max(ratios, key=lambda key: ratios[key])
    return f"Largest and smallest weight of a point are {times(ratios[name])}-fold apart ({name})"
