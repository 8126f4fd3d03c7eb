"""The network against a constant output."""

from __future__ import annotations

from pinndiag_reports._baseline import baseline_table
from pinndiag_reports._parts import Absent, Part
from pinndiag_reports.figures._scene import Scene

__all__ = ["baseline"]


def baseline(scene: Scene) -> Part:
    """A table: losses now, with the output zero, and with the best constant output."""
    return baseline_table(scene.record) or Absent(
        "Against a constant output", scene.why("constant", default="it was not measured")
    )
