"""Records that look at single points: residuals, their concentration, held-out residuals, the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar, final

from pinndiag._records._record import Record

__all__ = ["Field", "HeldOut", "Kernel", "PerTerm", "Pointwise", "TermKernel"]

T = TypeVar("T")


@final
class PerTerm(dict[str, T], Generic[T]):
    """Records of the terms that have one, by name in the order of the terms, and why the other terms have none.

    Attributes:
        reasons: name of a term without a record -> the reason, for the report.
    """

    def __init__(self, records: Mapping[str, T], reasons: Mapping[str, str]) -> None:
        super().__init__(records)
        self.reasons = dict(reasons)

    @property
    def terms(self) -> dict[str, T]:
        """The records as a plain dictionary, under the name that `Kernel` has for them."""
        return dict(self)


class Field(Record):
    """Values over coordinates, thinned to a number of points that a page can carry.

    Attributes:
        coordinates: one list for each coordinate (1 to d), all of the same length.
        values: name -> one value a point; NaN where a value was not measured.
        of: how many points there were before thinning.
    """

    coordinates: list[list[float]]
    values: dict[str, list[float]]
    of: int


class Pointwise(Record):
    """Residuals of one term, point by point (|r|^2 summed over the components of a point).

    A residual without known points is taken row by row (its first dimension); entry by entry if that is 1.

    Attributes:
        points: number of points.
        mean_square: mean of |r|^2 over all entries (the loss).
        top_share: share of the sum carried by the worst 1 %, 5 %, 10 % of the points (at least one point), keys "1%",
            "5%", "10%".
        gini: Gini index of |r_j|^2: 0 all alike, (n - 1)/n one of n points carries all.
        kurtosis: kurtosis of the residual's entries (real and imaginary parts of complex ones); NaN where constant.
        worst: indices of the ten worst points, the worst first.
        gradient_points: the points of `gradient_norms`: the ten worst, and one from each of equal strata of rank.
        gradient_norms: |d r_j / d theta|, for several components the root of the sum of squares; from at most 256
            backward passes, 64 where each of them costs one through the whole term.
        field: "residual" |r_j| and "gradient_norm" (NaN where it was not measured) over the coordinates, if known.
        time_contrast: mean |r|^2 in the first tenth of the last axis / median of the later half's tenths.
        nonfinite: entries of the residual that are NaN or infinite.
        agreement: mean product of the residuals at each point and at its nearest other one / mean square: near 1 where
            the residual is smooth on the scale of its points, 0 of noise; None where it is not known.
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
    nonfinite: int = 0
    agreement: float | None = None


class HeldOut(Record):
    """Residuals at fresh points of the same set against those at the training points.

    Attributes:
        ratio: mean |r|^2 at fresh points / mean |r|^2 at the training points (of a scalar term: the losses).
        fresh: mean |r|^2 at fresh points.
        training: mean |r|^2 at the training points.
        points: number of fresh points.
        standard_error: of the training mean, relative; NaN where single points cannot be told apart.
        drawn: how the fresh points were drawn, in words.
        top_share: as in `Pointwise`, at the fresh points; empty where single points cannot be told apart.
    """

    ratio: float
    fresh: float
    training: float
    points: int
    standard_error: float
    drawn: str
    top_share: dict[str, float]


class TermKernel(Record):
    """Neural tangent kernel J J^T of one term on a seeded subset of its points, not normalised.

    Attributes:
        eigenvalues: largest first; a complex residual gives two rows of J.
        residuals: entries of the residual at the chosen points.
        trace: sum of the eigenvalues divided by the number of residuals: the mean of |d r_j / d theta|^2.
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
    """What the kernel analyzer returns; `reasons` says why a term has no kernel."""

    terms: dict[str, TermKernel]
    reasons: dict[str, str] = {}
