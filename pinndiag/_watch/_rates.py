"""When what is measured: the three schedules of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, SupportsIndex, final

from pinndiag._records import Schedules
from pinndiag._watch._schedule import Schedule

__all__ = ["Due", "Rates", "When"]

# sparse measurements, unless told: what is known of a step should not be older than half of the run
EARLY = (100, 200, 400, 800)
SPARSE = Schedule(
    "at the steps 0, 100, 200, 400 and 800, then every 1000", lambda step: step % 1000 == 0 or step in EARLY
)

When = SupportsIndex | Callable[[int], Any]  # a number of steps (numpy's too), or a function of the step


@final
@dataclass(frozen=True)
class Due:
    """What is measured at a step.

    Attributes:
        line: losses, weights, gradient figures, cosines.
        layers: figures and histograms per layer.
        curvature: the Hessians.
    """

    line: bool = False
    layers: bool = False
    curvature: bool = False

    @property
    def gradients(self) -> bool:
        """Whether the gradients of single terms are needed in the backward pass."""
        return self.line or self.layers

    @property
    def anything(self) -> bool:
        """Whether anything is measured."""
        return self.line or self.layers or self.curvature


@final
@dataclass(frozen=True)
class Rates:
    """The schedules.

    Attributes:
        every: of the step records.
        histograms: of the histograms.
        curvature: of the curvature.
    """

    every: Schedule
    histograms: Schedule
    curvature: Schedule

    @staticmethod
    def of(every: When, histograms: When | None, curvature: When | None) -> Rates:
        """What the user gave. Sparse measurements that were not told are not made at all if every=0."""
        first = Schedule.of(every, "every")
        sparse = Schedule.of(0, "every") if first.never else SPARSE
        return Rates(
            first,
            sparse if histograms is None else Schedule.of(histograms, "histograms"),
            sparse if curvature is None else Schedule.of(curvature, "curvature"),
        )

    @property
    def never(self) -> bool:
        """Whether nothing is ever measured."""
        return self.every.never and self.histograms.never and self.curvature.never

    @property
    def words(self) -> Schedules:
        """The schedules in words."""
        return Schedules(every=self.every.words, histograms=self.histograms.words, curvature=self.curvature.words)

    def due(self, step: int) -> Due:
        """What is measured at a step."""
        return Due(self.every.due(step), self.histograms.due(step), self.curvature.due(step))
