"""Before and after: the sections of its page."""

from __future__ import annotations

from pinndiag._records import RemedyRecord
from pinndiag_reports._parts import Section
from pinndiag_reports.figures._plot import drawing
from pinndiag_reports.figures.remedy._stage import Stage
from pinndiag_reports.figures.remedy.balance import balance
from pinndiag_reports.figures.remedy.courses import courses, weights
from pinndiag_reports.figures.remedy.fields import fields
from pinndiag_reports.figures.remedy.histograms import histograms
from pinndiag_reports.figures.remedy.masks import masks
from pinndiag_reports.figures.remedy.paths import paths
from pinndiag_reports.figures.remedy.seeds import seeds

__all__ = ["remedy_sections"]


def remedy_sections(record: RemedyRecord) -> tuple[Section, ...]:
    """The evidence, in the order of the page; none where nothing was trained."""
    stage = Stage(record)
    if not stage.arms:
        return ()
    with drawing():
        return (
            Section("outcome", "Outcome", "", (seeds(stage),)),
            Section("solution", "Solution and error", _SOLUTION, fields(stage)),
            Section("balance", "Gradients before and after", _BALANCE, (balance(stage), histograms(stage))),
            Section("over-time", "Over time", _TIME, (courses(stage), weights(stage))),
            Section("trajectories", "Pareto trajectories", _PATHS, (paths(stage),)),
            *([Section("points", "Weights of single points", _POINTS, (masks(stage),))] if stage.masked else []),
        )


_SOLUTION = "The networks of seed 0 against the reference solution, which chose no arm."
_BALANCE = "What the optimizer sees of each term, w g, and how steep the loss is, in the network of seed 0."
_TIME = "Seed 0 of every arm. One horizontal axis for all: the optimizer's steps."
_PATHS = "Where one term's loss stood when another's fell, all arms together (seed 0)."
_POINTS = "Schemes that weight single points, at the end of seed 0."
