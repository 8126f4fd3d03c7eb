"""Records that look at single points: residuals, their concentration, held-out residuals, the kernel."""

from __future__ import annotations

from pinndiag._records._common import Record

__all__ = ["Field", "HeldOut", "Kernel", "Pointwise", "TermKernel"]


class Field(Record):
    """Values over coordinates, thinned to a number of points that a page can carry.

    Attributes:
        coordinates: one list for each coordinate (1 to d), all of the same length.
        values: name -> one value a point.
        of: how many points there were before thinning.
    """

    coordinates: list[list[float]]
    values: dict[str, list[float]]
    of: int


class Pointwise(Record):
    """Residuals of one term, point by point (|r|^2 summed over the components of a point).

    Attributes:
        points: number of points.
        mean_square: mean of |r|^2 over all entries (the loss).
        top_share: share of the sum carried by the worst 1 %, 5 %, 10 % of the points, keys "1%", "5%", "10%".
        gini: Gini index of |r_j|^2: 0 all alike, 1 one point carries all.
        kurtosis: kurtosis of the residual over the points.
        worst: indices of the ten worst points.
        gradient_norms: |d r_j / d theta| on the points `gradient_points` (at most 256, stratified).
        field: residual (and gradient norm where known) over the coordinates, when the points are known.
        time_contrast: mean |r|^2 in the first tenth of the last axis / median of the later half's tenths.
    """

    points: int
    mean_square: float
    top_share: dict[str, float]
    gini: float
    kurtosis: float
    worst: list[int]
    gradient_points: list[int] = []
    gradient_norms: list[float] = []
    field: Field | None = None
    time_contrast: float | None = None


class HeldOut(Record):
    """Residuals at fresh points of the same set against those at the training points.

    Attributes:
        ratio: mean |r|^2 at fresh points / mean |r|^2 at the training points.
        fresh: mean |r|^2 at fresh points.
        training: mean |r|^2 at the training points.
        points: number of fresh points.
        standard_error: of the training mean, relative.
        drawn: how the fresh points were drawn, in words.
        top_share: as in `Pointwise`, at the fresh points.
    """

    ratio: float
    fresh: float
    training: float
    points: int
    standard_error: float
    drawn: str
    top_share: dict[str, float]


class TermKernel(Record):
    """Neural tangent kernel J J^T of one term on a seeded subset of its residuals, not normalised.

    Attributes:
        eigenvalues: largest first.
        residuals: size of the kernel.
        trace: sum of the eigenvalues divided by the number of residuals.
        condition: largest / smallest eigenvalue above rounding.
        rank: eigenvalues above 1e-6 of the largest.
        slow_share: share of the residual's square in directions with eigenvalue < 1e-4 of the largest.
    """

    eigenvalues: list[float]
    residuals: int
    trace: float
    condition: float
    rank: int
    slow_share: float


class Kernel(Record):
    """What the kernel analyzer returns."""

    terms: dict[str, TermKernel]
    reasons: dict[str, str] = {}
