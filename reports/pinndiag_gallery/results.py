"""What trainings came to, and the figures that claims are made of."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from pinndiag._records import DiagnosisRecord, History, PointWeights, Record

__all__ = ["Figures", "NotRunError", "Results", "Run", "against", "errors", "medians"]

Figures = Mapping[str, float]


class NotRunError(LookupError):
    """What a claim needs was not trained or not measured."""


class Run(Record):
    """One training of an arm.

    Attributes:
        seed: of initial parameters, points and draws.
        steps: optimizer steps taken.
        error: relative L2 error at the last step.
        late: median of ten evaluations of it over the last tenth of the steps: Adam's errors have spikes.
        losses: unweighted loss of each term at the end.
        weights: weight of each term at the end; of weights of single points the mean.
        seconds: CPU time of the training, with what was measured in it.
        figures: further ones, by name.
        made: when (ISO 8601).
        machine: where.
        history: the run over time.
        before, after: the diagnosis at the start and at the end; of seed 0 only.
        points: weights of single points at the end.
    """

    seed: int
    steps: int
    error: float
    late: float
    losses: dict[str, float]
    weights: dict[str, float]
    seconds: float
    figures: dict[str, float]
    made: str
    machine: str
    history: History | None = None
    before: DiagnosisRecord | None = None
    after: DiagnosisRecord | None = None
    points: tuple[PointWeights, ...] = ()


@final
@dataclass(frozen=True)
class Results:
    """The runs of a story.

    Attributes:
        runs: key of an arm -> one run a seed.
        overhead: key of an arm -> CPU time of a step against that of the first timed arm, less 1.
    """

    runs: Mapping[str, Sequence[Run]]
    overhead: Mapping[str, float] = field(default_factory=dict)

    def of(self, arm: str) -> Sequence[Run]:
        """The runs of an arm.

        Raises:
            NotRunError: there is none.
        """
        if arm not in self.runs:
            raise NotRunError(arm)
        return self.runs[arm]

    def first(self, arm: str) -> Run:
        """The run of seed 0; the same error."""
        return self.of(arm)[0]

    def overheads(self, *arms: str) -> Figures:
        """The overhead of some arms; the same error."""
        if any(arm not in self.overhead for arm in arms):
            raise NotRunError(", ".join(arms))
        return {arm: self.overhead[arm] for arm in arms}

    def values(self, arm: str, figure: Callable[[Run], float]) -> list[float]:
        """A figure of every run of an arm; the same error."""
        return [figure(run) for run in self.of(arm)]

    def median(self, arm: str, figure: Callable[[Run], float] | None = None) -> float:
        """The median over the seeds of a figure; default: the late error.

        >>> run = Run(seed=0, steps=1, error=2.0, late=1.0, losses={}, weights={}, seconds=0.0, figures={},
        ...           made="", machine="")
        >>> Results({"a": [run]}).median("a")
        1.0
        """
        return statistics.median(self.values(arm, figure or (lambda run: run.late)))


def errors(*arms: str) -> Callable[[Results], Figures]:
    """The median error of some arms, under their keys."""
    return medians(None, *arms)


def against(first: str, *arms: str) -> Callable[[Results], Figures]:
    """The median errors of an arm and of those others that were trained, at least one."""

    def found(results: Results) -> Figures:
        trained = [arm for arm in arms if arm in results.runs]
        if not trained:
            raise NotRunError(", ".join(arms))
        return errors(first, *trained)(results)

    return found


def medians(figure: Callable[[Run], float] | None, *arms: str) -> Callable[[Results], Figures]:
    """The median of a figure over the seeds that all these arms were trained from; None for the error."""

    def found(results: Results) -> Figures:
        shared = set.intersection(*({run.seed for run in results.of(arm)} for arm in arms))
        alike = Results({arm: [run for run in results.of(arm) if run.seed in shared] for arm in arms})
        return {arm: alike.median(arm, figure) for arm in arms}

    return found
