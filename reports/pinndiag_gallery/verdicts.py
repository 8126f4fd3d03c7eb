"""Claims against results: published, ours, reproduced or not; as plain records that page and README are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from pinndiag._records import Record
from pinndiag_gallery.results import NotRunError, Results
from pinndiag_gallery.story import Arm, Claim, Story
from pinndiag_reports._numbers import number

__all__ = ["ArmRow", "Judged", "Outcome", "Summary", "command", "judged", "summary"]

Outcome = Literal["reproduced", "not reproduced", "not run"]


class Judged(Record):
    """A claim that was looked at.

    Attributes:
        text, source, published, rule: as in `Claim`.
        ours: our figures in words.
        outcome: whether the rule holds.
        why: what is behind it, where the rule does not hold.
    """

    text: str
    source: str
    published: str
    ours: str
    rule: str
    outcome: Outcome
    why: str


class ArmRow(Record):
    """What the runs of an arm came to; a figure a seed.

    Attributes:
        late: median of ten evaluations of the error over the last tenth of the steps.
        last: error at the last step.
        losses: unweighted, by term.
        figures: further ones.
        seconds: CPU time of a run.
        overhead: time of a step against that of the first timed arm, less 1.
    """

    key: str
    title: str
    problem: str
    scheme: str
    settings: str
    steps: int
    seeds: list[int]
    late: list[float]
    last: list[float]
    losses: list[dict[str, float]]
    figures: list[dict[str, float]]
    seconds: list[float]
    overhead: float | None = None


class Summary(Record):
    """NAME.json of the gallery: a story's runs in numbers, and what they say of the claims."""

    name: str
    title: str
    source: str
    setting: str
    command: str
    full: bool
    made: str
    machine: str
    arms: list[ArmRow]
    claims: list[Judged]

    @property
    def counts(self) -> str:
        """How many claims were reproduced, in words.

        >>> Summary(name="", title="", source="", setting="", command="", full=False, made="", machine="", arms=[],
        ...         claims=[]).counts
        '0 of 0 claims reproduced'
        """
        outcomes = [claim.outcome for claim in self.claims]
        words = f"{outcomes.count('reproduced')} of {len(outcomes)} claims reproduced"
        missing = outcomes.count("not run")
        return words + (f", {missing} not run" if missing else "")


def judged(claim: Claim, results: Results) -> Judged:
    """A claim against the runs that there are. A figure of an arm that was not trained leaves it open."""
    try:
        ours = claim.ours(results)
    except NotRunError:
        return _row(claim, {}, "not run")
    holds = all(math.isfinite(value) for value in ours.values()) and claim.holds(ours)
    return _row(claim, ours, "reproduced" if holds else "not reproduced")


def _row(claim: Claim, ours: Mapping[str, float], outcome: Outcome) -> Judged:
    shown = claim.shown or number
    return Judged(
        text=claim.text,
        source=claim.source,
        published=claim.published,
        ours="; ".join(f"{name}: {shown(value)}" if name else shown(value) for name, value in ours.items()),
        rule=claim.rule,
        outcome=outcome,
        why=claim.why if outcome == "not reproduced" else "",
    )


def summary(story: Story, results: Results, *, full: bool) -> Summary:
    """All of a story in plain values."""
    runs = [run for found in results.runs.values() for run in found]
    return Summary(
        name=f"{story.name}-full" if full else story.name,
        title=story.title,
        source=story.source,
        setting=story.setting,
        command=command(story.name, full=full),
        full=full,
        made=max((run.made for run in runs), default="")[:10],
        machine="; ".join(sorted({run.machine for run in runs})),
        arms=[_arm(arm, results) for arm in story.arms if arm.key in results.runs],
        claims=[judged(claim, results) for claim in story.claims],
    )


def command(name: str, *, full: bool) -> str:
    """What makes a page again."""
    return f"python -m pinndiag_gallery {name}{' --full' if full else ''}"


def _arm(arm: Arm, results: Results) -> ArmRow:
    runs = results.runs[arm.key]
    return ArmRow(
        key=arm.key,
        title=arm.title,
        problem=", ".join([arm.problem, *(f"{key}={value}" for key, value in arm.options.items())]),
        scheme=arm.scheme or "",
        settings=", ".join(f"{key}={value}" for key, value in arm.settings.items()),
        steps=arm.steps,
        seeds=[run.seed for run in runs],
        late=[run.late for run in runs],
        last=[run.error for run in runs],
        losses=[run.losses for run in runs],
        figures=[run.figures for run in runs],
        seconds=[run.seconds for run in runs],
        overhead=results.overhead.get(arm.key),
    )
