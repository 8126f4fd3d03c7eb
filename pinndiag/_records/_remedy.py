"""Before and after: what training on came to, as it is and under each scheme."""

from __future__ import annotations

import math
import statistics
from typing import Any, Literal

from pinndiag._records._comparison import ComparisonRecord
from pinndiag._records._diagnosis import DiagnosisRecord
from pinndiag._records._history import History
from pinndiag._records._optimizer import OptimizerCard
from pinndiag._records._record import Record

__all__ = ["REMEDY_SCHEMA", "Arm", "ArmRun", "ChosenBy", "Outcome", "PointWeights", "RemedyRecord", "Trial"]

REMEDY_SCHEMA = "pinndiag.remedy/1"

Outcome = Literal["better", "worse", "alike", "diverged", "unknown"]
ChosenBy = Literal["estimate", "score"]


class ArmRun(Record):
    """One training of an arm.

    Attributes:
        seed: 0 for the stored points and start; others redraw them.
        steps: optimizer steps taken.
        losses: unweighted loss of each term at the end, at the training points.
        held_out: the same at points not trained on, for the terms that can be evaluated there.
        score: remaining work summed over the terms, median over the last quarter of the steps.
        estimate: relative error as far as the residuals tell, without a solution; None where it cannot be had.
        estimate_moved: the factor by which it moved when the points looked at were doubled last; None: not known.
        rel_l2: relative L2 error at the end, where a solution is known. Never used to choose.
        weights: weight of each term at the end (of per-point weights the mean).
        seconds: wall time of the training.
        evaluations: evaluations of the loss and its gradient.
        finite: whether every loss and parameter is finite at the end.
        history: the run over time.
    """

    seed: int
    steps: int
    losses: dict[str, float]
    held_out: dict[str, float]
    score: float
    rel_l2: float | None
    weights: dict[str, float]
    seconds: float
    evaluations: int
    finite: bool
    history: History | None = None
    estimate: float | None = None
    estimate_moved: float | None = None

    def left(self, chosen_by: ChosenBy) -> float:
        """What arms are chosen by, small is good: the estimated error, or the work left."""
        return _left(self, chosen_by)

    def figure(self, measure: str) -> float:
        """The figure of comparison, small is good: `rel_l2`, or the geometric mean over the terms of the loss.

        Losses are unweighted, at points not trained on where those are known. Infinite where the run diverged.
        """
        if not self.finite:
            return math.inf
        if measure == "rel_l2":
            return math.inf if self.rel_l2 is None or math.isnan(self.rel_l2) else self.rel_l2
        losses = [self.held_out.get(name, loss) for name, loss in self.losses.items()]
        logs = [math.log(abs(loss)) for loss in losses if loss != 0 and math.isfinite(loss)]
        return math.exp(statistics.fmean(logs)) if logs else 0.0


class PointWeights(Record):
    """Per-point weights of a term at the end, over its coordinates.

    Attributes:
        term: whose points.
        coordinates: one list a dimension, of at most 2500 points.
        values: the factor of each |r_j|^2.
    """

    term: str
    coordinates: list[list[float]]
    values: list[float]


class Arm(Record):
    """One way to train on.

    Attributes:
        key: key of the scheme, "as it is" for the user's own weights, "prescribed" for fixed weights of the diagnosis.
        title: how a report calls it.
        settings: the scheme's arguments.
        runs: one entry a seed; one only where nothing random is in it.
        outcome: against training on as it is.
        words: how that is known, in a sentence.
        factor: the figure of comparison of training on / of this arm, geometric mean over the seeds; above 1 is better.
        mean, error: mean and standard error over the seeds of the figure of comparison.
        diagnosis: of the trained network, seed 0.
        points: per-point weights at the end of seed 0.
    """

    key: str
    title: str
    settings: dict[str, Any]
    runs: list[ArmRun]
    outcome: Outcome = "unknown"
    words: str = ""
    factor: float | None = None
    mean: float | None = None
    error: float | None = None
    diagnosis: DiagnosisRecord | None = None
    points: list[PointWeights] = []

    def left(self, chosen_by: ChosenBy) -> float:
        """What arms are chosen by: the geometric mean over the seeds."""
        scores = [run.left(chosen_by) for run in self.runs]
        if any(math.isinf(score) for score in scores):
            return math.inf
        return math.exp(statistics.fmean(math.log(score) for score in scores)) if all(scores) else 0.0


class Trial(Record):
    """A candidate of `schemes="auto"` at the half of the steps.

    Attributes:
        key: of the scheme.
        why: why it was a candidate.
        score, estimate: as in `ArmRun`.
        losses: unweighted loss of each term.
        kept: whether it was trained on to the end.
        steps: optimizer steps taken by then.
        evaluations: evaluations of the loss and its gradient by then.
        seconds: wall time of them.
    """

    key: str
    why: str
    score: float
    losses: dict[str, float]
    kept: bool
    steps: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    estimate: float | None = None

    def left(self, chosen_by: ChosenBy) -> float:
        """As in `ArmRun`."""
        return _left(self, chosen_by)


class RemedyRecord(Record):
    """What `remediate` returns.

    Attributes:
        name: of the PINN.
        created: when (ISO 8601).
        start: "checkpoint" or "initial": where every arm began.
        steps: optimizer steps of each run.
        seeds: number of seeds asked for.
        resample: steps after which the points were drawn anew; 0 where they stayed.
        optimizer: what every arm was trained with.
        measure: the figure of comparison: "rel_l2" or "losses" (geometric mean over the terms of the unweighted loss,
            at points not trained on where the file allows it).
        chosen_by: what arms are chosen by: "estimate" of the error, or "score", the work left.
        diagnosis: of the network as it was given.
        baseline: training on as it is.
        arms: the schemes, in the order asked for.
        chosen: index of the arm that is called the treatment; None where nothing was treated.
        reason: why that one, or why nothing was treated.
        trials: the candidates of "auto".
        comparison: diagnosis of training on against diagnosis of the chosen arm.
        severity: "better", "worse" or "alike": the chosen arm against training on.
        text: the verdict in a sentence.
        evaluations: evaluations of loss and gradient in all.
        seconds: wall time in all.
        interrupted: whether the user ended it; what was done by then is kept.
        notes: what a report should say.
    """

    schema: str
    name: str
    created: str
    start: str
    steps: int
    seeds: int
    optimizer: OptimizerCard
    measure: str
    diagnosis: DiagnosisRecord
    baseline: Arm | None
    arms: list[Arm]
    chosen: int | None
    reason: str
    trials: list[Trial]
    comparison: ComparisonRecord | None
    severity: Outcome
    text: str
    evaluations: int
    seconds: float
    interrupted: bool = False
    notes: list[str] = []
    source: str = ""
    resample: int = 0
    chosen_by: ChosenBy = "score"


def _left(run: ArmRun | Trial, chosen_by: ChosenBy) -> float:
    return run.score if chosen_by == "score" or run.estimate is None else run.estimate
