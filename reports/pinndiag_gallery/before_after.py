"""Arms of the gallery as a record of before and after, so that the product's own figures draw them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from pinndiag._records import REMEDY_SCHEMA, Arm, ArmRun, RemedyRecord
from pinndiag_gallery.results import Results, Run
from pinndiag_gallery.sharpness import sharpness
from pinndiag_gallery.story import Group, Story
from pinndiag_reports._parts import Absent, Figure, Part, Section
from pinndiag_reports.figures._plot import drawing
from pinndiag_reports.figures.remedy import remedy_sections
from pinndiag_reports.figures.remedy._stage import Stage

__all__ = ["sections"]


def sections(story: Story, group: Group, results: Results) -> tuple[Section, ...]:
    """What a group shows of the arms that were trained; anchors begin with the group's key."""
    keys = [key for key in group.arms if key in results.runs]
    if not keys:
        why = "no arm of it was trained"
        return (Section(group.key, group.title, group.lead, (Absent(group.title, why),)),)
    record = _record(story, keys, results)
    found = {section.id: section for section in remedy_sections(record)}
    if "curvature" in group.show:
        with drawing():
            found["curvature"] = Section("curvature", "", "", (sharpness(Stage(record)),))
    return tuple(_placed(group, found[name]) for name in group.show if name in found)


def _placed(group: Group, section: Section) -> Section:
    """Under the group's key; without the table of runs, which the page has itself."""

    def placed(part: Part) -> Part:
        if not isinstance(part, Figure):
            return part
        return replace(part, id=f"{group.key}-{part.id}", tables=() if section.id == "outcome" else part.tables)

    return replace(section, id=f"{group.key}-{section.id}", parts=tuple(map(placed, section.parts)))


def _record(story: Story, keys: list[str], results: Results) -> RemedyRecord:
    first = results.runs[keys[0]][0]
    assert first.before is not None
    optimizer = first.before.run.optimizer
    assert optimizer is not None
    baseline, *rest = (_arm(story, key, results.runs[key]) for key in keys)
    return RemedyRecord(
        schema=REMEDY_SCHEMA,
        name=story.title,
        created=first.made,
        start="initial",
        steps=first.steps,
        seeds=max(len(results.runs[key]) for key in keys),
        optimizer=optimizer,
        measure="rel_l2",
        diagnosis=first.before,
        baseline=baseline,
        arms=rest,
        chosen=None,
        reason="",
        trials=[],
        comparison=None,
        severity="unknown",
        text="",
        evaluations=0,
        seconds=0.0,
    )


def _arm(story: Story, key: str, runs: Sequence[Run]) -> Arm:
    late = [run.late for run in runs]
    return Arm(
        key=key,
        title=story.arm(key).title,
        settings={},
        runs=[_run(run) for run in runs],
        mean=statistics.fmean(late),
        error=statistics.stdev(late) / len(late) ** 0.5 if len(late) > 1 else None,
        diagnosis=runs[0].after,
        points=list(runs[0].points),
    )


def _run(run: Run) -> ArmRun:
    """The late error stands for that at the end, whose spikes say nothing of an arm."""
    return ArmRun(
        seed=run.seed,
        steps=run.steps,
        losses=run.losses,
        held_out={},
        score=0.0,
        rel_l2=run.late,
        weights=run.weights,
        seconds=run.seconds,
        evaluations=run.steps,
        finite=True,
        history=run.history,
    )
