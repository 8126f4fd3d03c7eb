"""A run as a report shows it: series reduced to as many columns as a figure has, snapshots, trajectories."""

from __future__ import annotations

from pinndiag._records._record import Histogram, Record
from pinndiag._records._run import EventLine, Schedules

__all__ = ["Band", "CurvatureSeries", "History", "Interval", "LayerHistograms", "ParetoPath", "Snapshot"]


class Band(Record):
    """A series in columns: the smallest and the largest value of each; None where nothing was measured.

    NaN and infinities are kept as such: a column that holds one shows it in `high`.
    """

    low: list[float | None]
    high: list[float | None]


class Interval(Record):
    """Steps of a run, both ends included."""

    first: int
    last: int


class CurvatureSeries(Record):
    """The sparse measurements of curvature, one entry a measurement.

    Attributes:
        steps: when.
        terms: sigma_max of each term; None where it could not be measured.
        total: sigma_max of the weighted total.
        residuals: residual bound of `total`.
        sharpness: learning rate / largest stable one, of the optimizer in use; None where unknown.
        bound: the value of sigma at which the learning rate in use is no longer stable; for Adam it is of the
            preconditioned Hessian, `preconditioned` of which is the largest eigenvalue.
        preconditioned: the eigenvalue that is compared with `bound`.
        rule: how the bound is computed, in words.
        work: remaining work of each term.
    """

    steps: list[int]
    terms: dict[str, list[float | None]]
    total: list[float | None]
    residuals: list[float | None]
    sharpness: list[float | None]
    bound: list[float | None]
    preconditioned: list[float | None]
    rule: str
    work: dict[str, list[float | None]]


class LayerHistograms(Record):
    """Histograms of what the optimizer sees of each term on one layer, w_i g_i; the layer "" is the whole network."""

    layer: str
    weighted: dict[str, Histogram]


class Snapshot(Record):
    """Histograms at one step.

    Attributes:
        step: when.
        which: "first", "worst" (the largest ratio of the terms' gradients) or "last".
        ratio: largest / smallest |w_i g_i| at that step.
        layers: the whole network, then each layer.
    """

    step: int
    which: str
    ratio: float
    layers: list[LayerHistograms]


class ParetoPath(Record):
    """The path of two terms' losses, each divided by its first recorded value.

    Attributes:
        a, b: the terms.
        steps: when; thinned to what a figure can show, the ends and the lowest point kept.
        x: loss of `a` / its first.
        y: loss of `b` / its first.
        lowest: index of the point with the smallest product of the two.
        front: indices of the points that no other point of the whole run betters in both.
    """

    a: str
    b: str
    steps: list[int]
    x: list[float]
    y: list[float]
    lowest: int
    front: list[int]


class History(Record):
    """A run over time.

    Attributes:
        name: of the run.
        first, last: steps of the first and the last record.
        records: number of step records.
        columns: last step of each column of the series.
        time: seconds since the run began, at the end of each column.
        losses: unweighted loss of each term.
        weights: weight of each term.
        gradients: |g_i|, unweighted.
        applied: |w_i g_i|, what the optimizer sees of each.
        total: the weighted sum.
        cosine: "a|b" -> cosine.
        alignment: as in `Gradients`.
        lr: learning rate.
        rel_l2: relative L2 error; None where no solution was given.
        share: share of the wall time that watching took, over the whole run.
        curvature: the sparse measurements, or None.
        snapshots: histograms at the first, the worst and the last recorded step.
        pareto: a path for every pair of terms (the 6 first pairs where there are more).
        stationarity: smallest norm in the hull of the w_i g_i / the sum of their norms.
        stalled: intervals of steps in which it lay below 0.05 over three records or more.
        weight_growth: "name" -> largest factor by which its weight grew within 1000 steps.
        skipped: steps that a gradient scaler did not let the optimizer take.
        events: what happened once.
        schedules: when what was measured.
        scheme: key of the balancing scheme, or "".
        notes: what was lost or superseded.
        ended: whether the training was closed in order.
        running: whether it was still being written when this was made; None where nobody could tell.
        scatter: decades by which the weighted total lies off its two neighbouring records, the median over the second
            half of the run; None where fewer than 12 records are known there.
    """

    name: str
    first: int
    last: int
    records: int
    columns: list[int]
    time: list[float]
    losses: dict[str, Band]
    weights: dict[str, Band]
    gradients: dict[str, Band]
    applied: dict[str, Band]
    total: Band
    cosine: dict[str, Band]
    alignment: Band
    lr: Band
    rel_l2: Band | None
    share: float | None
    curvature: CurvatureSeries | None
    snapshots: list[Snapshot]
    pareto: list[ParetoPath]
    stationarity: Band
    stalled: list[Interval]
    weight_growth: dict[str, float]
    skipped: int
    events: list[EventLine]
    schedules: Schedules
    scheme: str = ""
    notes: list[str] = []
    ended: bool = False
    running: bool | None = None
    scatter: float | None = None
