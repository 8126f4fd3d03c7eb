"""A run over its steps: the sections that come before those of its last step."""

from __future__ import annotations

from pinndiag_reports._parts import Section
from pinndiag_reports.figures._scene import Scene
from pinndiag_reports.figures.run.edge import edge
from pinndiag_reports.figures.run.held import held
from pinndiag_reports.figures.run.losses import losses
from pinndiag_reports.figures.run.pulls import pulls
from pinndiag_reports.figures.run.snapshots import snapshots
from pinndiag_reports.figures.run.trajectories import trajectories

__all__ = ["run_sections"]


def run_sections(scene: Scene) -> tuple[Section, ...]:
    """The story of the run; none where the record is of no run."""
    history = scene.record.history
    if history is None or not history.columns:
        return ()
    return (
        Section(
            "over-time",
            "Over the run",
            "One horizontal axis for all: the optimizer's steps.",
            (held(scene, history), losses(scene, history), pulls(scene, history), edge(scene, history)),
            leading=True,
        ),
        Section(
            "trajectories",
            "Trade-offs over the run",
            "Where one term's loss stood when another's fell.",
            (trajectories(history), snapshots(scene, history)),
        ),
    )
