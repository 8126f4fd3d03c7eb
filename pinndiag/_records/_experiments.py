"""Records of remaining work and of the active tests, which are experiments on a copy."""

from __future__ import annotations

import math
from collections.abc import Collection

from pinndiag._records._points import HeldOut
from pinndiag._records._record import Record

__all__ = [
    "DerivativeCheck",
    "Noise",
    "Precision",
    "Probe",
    "Rescaled",
    "Restart",
    "ShortRun",
    "Start",
    "Trials",
    "WeightTrial",
    "WeightTrials",
    "Work",
]


class Work(Record):
    """Remaining work of one term: squared distance in parameter space that would make its typical residual vanish.

    Attributes:
        value: mean(r^2) / mean_p |d r_p / d theta|^2; 0 for a term that is solved, infinite for one without gradient.
        how: "residuals" (that formula) or "scalar" (4 L^2 / |g|^2, an upper figure where only a loss is known).
        points: residuals used for the mean squared gradient norm; 1 for a scalar loss.
    """

    value: float
    how: str
    points: int


class Precision(Record):
    """The float64 twin, against the same PINN in its own dtype.

    Attributes:
        gradient: 1 - cos(gradient in the training dtype, in float64), of the weighted total.
        rounding: |r_32 - r_64| / |r_64|, by term.
        distinct: share of distinct points after the cast to the training dtype, by term with known points. Points that
            are given twice in a wider dtype count once.
    """

    gradient: float
    rounding: dict[str, float]
    distinct: dict[str, float]


class DerivativeCheck(Record):
    """Central differences of the loss against <g, v> along random directions, in float64.

    Attributes:
        error: largest relative disagreement over the directions that could be judged; None when none could.
        settled: two step sizes gave the same difference quotient, in every direction that was not negligible.
        directions: how many directions were judged.
        reason: why it could not be judged, if so.
    """

    error: float | None
    settled: bool
    directions: int
    reason: str = ""


class Noise(Record):
    """Gradients on fresh batches of points, of the size the terms were given.

    Attributes:
        ratio: |mean G| / standard deviation of the weighted total's gradient over the batches; infinite without any.
        terms: the same of each term's unweighted gradient; infinite for a term whose points stay.
        batches: number of batches.
        points: term -> points of a batch, for the terms whose points were drawn anew.
        factor: weighted total before / after a descent on one large fixed set of fresh points, both on another; None
            where it was not asked for (little noise) or cannot be had.
    """

    ratio: float
    terms: dict[str, float]
    batches: int
    points: dict[str, int]
    factor: float | None = None


class Probe(Record):
    """A short L-BFGS run from the present parameters, in float64, on a copy.

    Attributes:
        before: loss before.
        after: loss after: the best finite one met.
        factor: before / after.
        iterations: iterations done.
        evaluations: loss and gradient evaluations.
        terms: unweighted loss of every term after the probe (for the probe of the total).
        rel_l2: error against the reference after the probe, where one is known. Never used to judge.
        subset: term -> points it descended on, for terms with more points than a probe uses; `before` and `after` are
            of all points.
        reason: why it could not run, if so; the figures are NaN then.
    """

    before: float
    after: float
    factor: float
    iterations: int
    evaluations: int
    terms: dict[str, float] = {}
    rel_l2: float | None = None
    subset: dict[str, int] = {}
    reason: str = ""


class Start(Record):
    """The same network at its stored initial parameters.

    Attributes:
        losses: unweighted loss of each term.
        grad_l2: gradient norm of each term, unweighted.
        work: remaining work of each term.
        held_out: held-out ratio of each term with points.
        saturation: layer -> share of saturated (unit, point) pairs, largest over the terms.
        spread: layer -> mean standard deviation of the units over points, largest over the terms.
        slow_share: term -> share of the residual in slow kernel directions.
        lr_sigma_max: learning rate times sigma_max of the total at the start, for plain gradient descent.
        update: length of the optimizer's first step / length of the initial parameters, for plain descent and for
            optimizers that move every parameter by the learning rate at first (Adam and its kin).
        weights: weight of each term then, where it may have been another than now.
        reasons: what could not be measured -> why.
    """

    losses: dict[str, float]
    grad_l2: dict[str, float]
    work: dict[str, Work]
    held_out: dict[str, HeldOut]
    saturation: dict[str, float]
    spread: dict[str, float]
    slow_share: dict[str, float]
    lr_sigma_max: float | None = None
    update: float | None = None
    weights: dict[str, float] = {}
    reasons: dict[str, str] = {}


class WeightTrial(Record):
    """A short L-BFGS run with one weight changed.

    Attributes:
        term: whose weight was changed; "" for the run with the weights as they are.
        factor: what it was multiplied by.
        losses: unweighted loss of every term afterwards, at all points.
        iterations: iterations done.
        evaluations: loss and gradient evaluations.
    """

    term: str
    factor: float
    losses: dict[str, float]
    iterations: int
    evaluations: int


class WeightTrials(Record):
    """What other weights would do: short L-BFGS runs from the present parameters, in float64, on a copy.

    Attributes:
        before: unweighted loss of every term before.
        unchanged: the run with the weights as they are.
        trials: the runs with the weight of one term changed.
        weighted: the terms with a positive weight.
        subset: term -> points it descended on, for terms with more points than a run uses; losses are of all points.
    """

    before: dict[str, float]
    unchanged: WeightTrial
    trials: list[WeightTrial]
    weighted: list[str]
    subset: dict[str, int] = {}

    def common_fall(self, first: str, second: str) -> float:
        """The largest factor by which one run, with whatever weights, lowers both terms at once."""
        runs = [self.unchanged, *self.trials]
        return max(min(self._fall(run, first), self._fall(run, second)) for run in runs)

    def fronts(self, *, fall: float, stuck: float) -> list[tuple[str, str]]:
        """Pairs of terms that trade along a front: lowering one raises the other, and no weights lower both.

        Args:
            fall: each term of a pair falls by more than this in some run, and one of them rises by more than this in
                a run that lowers the other.
            stuck: no run lowers both by more than this.
        """
        runs = [self.unchanged, *self.trials]
        found = []
        for i, first in enumerate(self.weighted):
            for second in self.weighted[i + 1 :]:
                falls = [(self._fall(run, first), self._fall(run, second)) for run in runs]
                each = all(max(pair[k] for pair in falls) > fall for k in (0, 1))
                price = any(max(pair) > fall and min(pair) < 1 / fall for pair in falls)
                if each and price and self.common_fall(first, second) <= stuck:
                    found.append((first, second))
        return found

    def better(self, unfinished: Collection[str], *, rise: float) -> tuple[WeightTrial, float] | None:
        """The run that ends furthest below the unchanged one in every unfinished term, and by what factor.

        Args:
            unfinished: the terms that have work left.
            rise: a run in which another weighted term ends above this multiple of its present loss does not count.

        Returns None where no run counts.
        """
        best: tuple[WeightTrial, float] | None = None
        for run in self.trials:
            spared = all(self._fall(run, name) * rise >= 1 for name in self.weighted if name not in unfinished)
            gain = min(
                (_quotient(self.unchanged.losses.get(n, math.nan), run.losses.get(n, math.nan)) for n in unfinished),
                default=0.0,
            )
            if spared and gain > (best[1] if best else 0.0):
                best = run, gain
        return best

    def _fall(self, run: WeightTrial, name: str) -> float:
        return _quotient(self.before.get(name, math.nan), run.losses.get(name, math.nan))


def _quotient(before: float, after: float) -> float:
    """The quotient before / after; 1 where both are zero, 0 where a loss is NaN, so that it never looks like a gain."""
    if math.isnan(before) or math.isnan(after):
        return 0.0
    return before / after if after else 1.0 if before == 0 else math.inf


class ShortRun(Record):
    """A short run of Adam on the weighted total.

    Attributes:
        before: unweighted loss of every term at its start, at all points.
        after: the same at its end.
        total_before: the weighted total at its start.
        total_after: the same at its end.
        rel_l2: error against the reference at its end, where one is known. Never used to judge.
    """

    before: dict[str, float]
    after: dict[str, float]
    total_before: float
    total_after: float
    rel_l2: float | None = None


class Restart(Record):
    """The first steps of the training once more, from the stored initial parameters and from others.

    Attributes:
        steps: steps of Adam.
        lr: its learning rate.
        stored: the run from the stored initial parameters.
        redrawn: the run from redrawn ones.
        factor: total after the stored run / after the redrawn one; above 1 the redrawn one is better.
        subset: term -> points it was trained on, for terms with more points than a run uses.
    """

    steps: int
    lr: float
    stored: ShortRun
    redrawn: ShortRun
    factor: float
    subset: dict[str, int] = {}


class Rescaled(Record):
    """The first steps of the training with inputs in [-1, 1] and an output of order one; compare `Restart.redrawn`.

    Attributes:
        steps: steps of Adam.
        lr: its learning rate.
        run: what it came to.
        ranges: first weight -> lowest and highest value of each of its inputs, as they were.
        scale: what each output of the network was multiplied by.
        scale_from: where that comes from, in words.
        subset: term -> points it was trained on, for terms with more points than a run uses.
    """

    steps: int
    lr: float
    run: ShortRun
    ranges: dict[str, list[tuple[float, float]]]
    scale: list[float]
    scale_from: str
    subset: dict[str, int] = {}


class Trials(Record):
    """The active tests that only a thorough analysis runs; what is absent stands in the diagnosis's reasons."""

    weights: WeightTrials | None = None
    restart: Restart | None = None
    rescaled: Rescaled | None = None

    @property
    def rescaling(self) -> float | None:
        """Total after a short run as it is / with inputs and output rescaled, both redrawn with the same seed."""
        if self.restart is None or self.rescaled is None:
            return None
        return _quotient(self.restart.redrawn.total_after, self.rescaled.run.total_after)
