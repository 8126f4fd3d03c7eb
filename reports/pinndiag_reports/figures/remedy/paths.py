"""The Pareto trajectories of all arms together."""

from __future__ import annotations

from pinndiag._diagnosis._fronts import pareto_fronts
from pinndiag_reports._parts import Absent, Part
from pinndiag_reports.figures.fronts import fronts
from pinndiag_reports.figures.remedy._stage import Stage

__all__ = ["paths"]


def paths(stage: Stage) -> Part:
    """A panel for each pair of terms, with the lowest point of every arm."""
    labels = {letter: index for letter, (index, _) in zip("ABCDEFGH", stage.histories, strict=False)}
    found = pareto_fronts({letter: dict(stage.histories)[index] for letter, index in labels.items()})
    if not found:
        why = "one term" if len(stage.scene.names) < 2 else "fewer than two arms were recorded"
        return Absent("Pareto trajectories", f"nothing to draw: {why}")
    return fronts(found, {letter: stage.titles[index] for letter, index in labels.items()})
