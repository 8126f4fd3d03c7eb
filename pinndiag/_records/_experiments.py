"""Records of remaining work and of the active tests, which are experiments on a copy."""

from __future__ import annotations

from pinndiag._records._common import Record
from pinndiag._records._points import HeldOut

__all__ = ["DerivativeCheck", "Precision", "Probe", "Start", "Work"]


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
    reasons: dict[str, str] = {}
