"""Claims against results: published, ours, reproduced or not; as plain records that page and README are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from pinndiag._records import Record
from pinndiag_gallery.results import NotRunError, Results
from pinndiag_gallery.story import Arm, Claim, Story
from pinndiag_reports._numbers import count, number, plural

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
    """NAME.json of the gallery: a story's runs in numbers, and what they say of the claims.

    Attributes:
        name, title, source, setting: as in `Story`.
        command: what makes the page again.
        full: whether these are runs of the published size.
        made, machine: the last day of the runs, and where they were made.
        hours: CPU time that the published size would take there.
        arms: what was trained.
        claims: what was looked at.
    """

    name: str
    title: str
    source: str
    setting: str
    command: str
    full: bool
    made: str
    machine: str
    hours: float | None
    arms: list[ArmRow]
    claims: list[Judged]

    @property
    def counts(self) -> str:
        """How many claims were reproduced, in words.

        >>> Summary(name="", title="", source="", setting="", command="", full=False, made="", machine="",
        ...         hours=None, arms=[], claims=[]).counts
        '0 of 0 claims reproduced'
        """
        outcomes = [claim.outcome for claim in self.claims]
        words = f"{outcomes.count('reproduced')} of {len(outcomes)} claims reproduced"
        missing = outcomes.count("not run")
        return words + (f", {missing} not run" if missing else "")

    @property
    def trained(self) -> str:
        """Steps and seeds: of all arms, or of those that share them."""
        alike: dict[tuple[int, int], list[str]] = {}
        for row in self.arms:
            alike.setdefault((row.steps, len(row.seeds)), []).append(row.key)
        told = [
            f"{count(steps)} steps, {plural(seeds, 'seed')}{': ' + ' · '.join(keys) if len(alike) > 1 else ''}"
            for (steps, seeds), keys in alike.items()
        ]
        return f"Runs: {'; '.join(told)}."

    @property
    def published_size(self) -> str:
        """What the published size takes, in words; none where it was not timed, or is what was run."""
        if self.hours is None or self.full:
            return ""
        return f"The published size takes {number(self.hours, 2)} CPU hours here, as timed over a few steps of each arm"


def judged(claim: Claim, results: Results) -> Judged:
    """A claim against the runs that there are. A figure of an arm that was not trained leaves it open."""
    try:
        ours = claim.ours(results)
    except NotRunError:
        return _row(claim, {}, "not run")
    if all(math.isfinite(value) for value in ours.values()) and claim.holds(ours):
        return _row(claim, ours, "reproduced")
    return _row(claim, ours, "not reproduced", _why(claim, results))


def _why(claim: Claim, results: Results) -> str:
    """The reason in words; none where what it is made of was not trained."""
    if isinstance(claim.why, str):
        return claim.why
    try:
        return claim.why(results)
    except NotRunError:
        return ""


def _row(claim: Claim, ours: Mapping[str, float], outcome: Outcome, why: str = "") -> Judged:
    shown = claim.shown or number
    return Judged(
        text=claim.text,
        source=claim.source,
        published=claim.published,
        ours="; ".join(f"{name}: {shown(value)}" if name else shown(value) for name, value in ours.items()),
        rule=claim.rule,
        outcome=outcome,
        why=why,
    )


def summary(story: Story, results: Results, *, full: bool, hours: float | None = None) -> Summary:
    """All of a story in plain values; `hours` is what the published size would take."""
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
        hours=hours,
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
