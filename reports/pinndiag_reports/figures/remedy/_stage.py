"""What the figures of a remediation share: which arms and networks are drawn, and how each arm looks everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pinndiag._records import Arm, DiagnosisRecord, History, RemedyRecord
from pinndiag_reports._names import shorten_all
from pinndiag_reports._parts import Key
from pinndiag_reports._remedy import all_arms
from pinndiag_reports._theme import SERIES
from pinndiag_reports.figures._scene import Scene, Style, series

__all__ = ["GIVEN", "Stage"]

GIVEN = "as it was given"


@dataclass(frozen=True)
class Stage:
    """A remediation, ready to draw."""

    record: RemedyRecord

    @cached_property
    def arms(self) -> list[Arm]:
        """The arms that are drawn: training on, then the schemes; the chosen one always."""
        arms = all_arms(self.record)
        if len(arms) <= SERIES:
            return arms
        kept = arms[:SERIES]
        chosen = None if self.record.chosen is None else self.record.arms[self.record.chosen]
        return kept if chosen is None or chosen in kept else [*kept[:-1], chosen]

    @cached_property
    def titles(self) -> list[str]:
        """What each arm is called in a figure: without its key, where that tells them apart."""
        titles = [arm.title for arm in self.arms]
        short = [title.partition(" (")[0] for title in titles]
        return shorten_all(short if len(set(short)) == len(short) else titles, 34)

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """The terms that are drawn."""
        return self.scene.shown

    @cached_property
    def scene(self) -> Scene:
        """The network as it was given: the looks of the terms."""
        return Scene(self.record.diagnosis)

    def style(self, index: int) -> Style:
        """The look of an arm."""
        return series(index)

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """The key of a figure that draws the arms."""
        looks = [self.style(index) for index in range(len(self.arms))]
        return tuple(Key(t, look.color, look.dash, look.marker) for t, look in zip(self.titles, looks, strict=True))

    @cached_property
    def networks(self) -> list[tuple[str, DiagnosisRecord]]:
        """Every network that was diagnosed, by title: as it was given, then the arms'."""
        pairs = zip(self.titles, self.arms, strict=True)
        return [(GIVEN, self.record.diagnosis), *((t, arm.diagnosis) for t, arm in pairs if arm.diagnosis is not None)]

    @cached_property
    def histories(self) -> list[tuple[int, History]]:
        """The course of seed 0 of every arm that has one, by the arm's index."""
        found = ((index, arm.runs[0].history) for index, arm in enumerate(self.arms) if arm.runs)
        return [(index, history) for index, history in found if history is not None and history.columns]

    @cached_property
    def masked(self) -> list[tuple[int, Arm]]:
        """The arms with weights of single points, by index."""
        return [(index, arm) for index, arm in enumerate(self.arms) if arm.points]

    @cached_property
    def limited(self) -> str:
        """A sentence when not all arms are drawn, else empty."""
        total = len(all_arms(self.record))
        return "" if len(self.arms) == total else f"{len(self.arms)} of {total} arms drawn. "
