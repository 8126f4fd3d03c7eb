"""Residuals point by point: where the loss sits, and how strongly each point pulls."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pinndiag._derivatives._jacobian import Jacobian, generator
from pinndiag._records._points import Field, PerTerm, Pointwise
from pinndiag._terms._pinn import PINN
from pinndiag._terms._points import PointSet
from pinndiag._terms._terms import TermInfo, square
from pinndiag._terms._view import View
from pinndiag.analyzers._neighbours import agreement

__all__ = ["gini", "kurtosis", "per_point", "pointwise", "time_contrast", "top_share"]

GRADIENTS = 256  # residuals whose gradient norm is computed
WORST = 10
FIELD = 2500  # points of a map
SHARES = {"1%": 0.01, "5%": 0.05, "10%": 0.10}

Squares = Float[Tensor, " points"]


def pointwise(subject: PINN | View, *, time_axis: int | None = None, seed: int = 0) -> PerTerm[Pointwise]:
    """Residual of every point of every term, how concentrated they are, and the gradient norms of some.

    Args:
        subject: a wrapped PINN, or a view of it.
        time_axis: coordinate along which `time_contrast` is taken. Default: the last one of points with two or more
            coordinates, none of points with one.
        seed: of the choice of points (strata of rank, thinning of the map).

    Cost: one forward pass of each term, and at most 256 rows of its Jacobian (about 5 gradients of the term where it
    takes its points, 64 backward passes where not). Memory: the residual, and 16 rows.
    """
    view = View.of(subject)
    records, reasons = {}, {}
    for name, info in view.pinn.infos.items():
        if info.kind == "loss":
            reasons[name] = "a scalar loss has no single points; return the residuals instead"
        else:
            records[name] = _pointwise(view.pinn, name, time_axis, seed)
    return PerTerm(records, reasons)


def _pointwise(pinn: PINN, name: str, time_axis: int | None, seed: int) -> Pointwise:
    info = pinn.infos[name]
    jacobian = Jacobian(pinn, name)
    squares = per_point(jacobian.residual, _points(info))
    order = torch.nan_to_num(squares, nan=math.inf).argsort(descending=True, stable=True)
    components = info.entries // len(squares)
    chosen = _strata(order, max(1, jacobian.limit(GRADIENTS) // components), seed)
    entries = (chosen[:, None] * components + torch.arange(components)).reshape(-1)
    norms = jacobian.squared_norms(entries).double().reshape(-1, components).sum(1).sqrt().cpu()
    points = info.points if info.by_point else None
    return Pointwise(
        points=len(squares),
        mean_square=float(squares.sum()) / info.entries,
        top_share=top_share(squares),
        gini=gini(squares),
        kurtosis=kurtosis(jacobian.residual),
        worst=order[:WORST].tolist(),
        gradient_points=chosen.tolist(),
        gradient_norms=norms.tolist(),
        field=None if points is None else _field(points, squares, chosen, norms, seed),
        time_contrast=None if points is None else _contrast(points, squares, time_axis),
        nonfinite=int((~jacobian.residual.isfinite()).sum()),
        agreement=None
        if points is None
        else agreement(points.coordinates, jacobian.residual.reshape(len(squares), -1), seed=seed),
    )


def _points(info: TermInfo) -> int:
    """Its points; else the rows of the residual, or its entries where there is one row."""
    if info.by_point and info.points is not None:
        return info.points.count
    return info.shape[0] if info.shape[0] > 1 else info.entries


def per_point(residual: Tensor, points: int) -> Squares:
    """|r_j|^2 summed over the components of each point, in float64 on the CPU."""
    return square(residual.detach()).double().cpu().reshape(points, -1).sum(1)


def top_share(squares: Squares) -> dict[str, float]:
    """Share of the sum carried by the worst 1, 5 and 10 % of the points (rounded up); NaN of an all-zero residual."""
    ranked = squares.sort(descending=True).values
    count = len(squares)
    return {key: float(ranked[: math.ceil(share * count)].sum() / ranked.sum()) for key, share in SHARES.items()}


def gini(squares: Squares) -> float:
    """Gini index, sum_ij |x_i - x_j| / (2 n sum x), from the sorted values; 0 of an all-zero residual.

    >>> import torch
    >>> gini(torch.tensor([0.0, 0.0, 0.0, 5.0], dtype=torch.float64))  # one of four carries all
    0.75
    """
    ranked = squares.sort().values
    total, count = float(ranked.sum()), len(ranked)
    if total == 0:
        return 0.0
    rank = torch.arange(1, count + 1, dtype=ranked.dtype)
    return float(((2 * rank - count - 1) * ranked).sum()) / (count * total)


def kurtosis(residual: Tensor) -> float:
    """Fourth standardised moment of the entries, 3 of a normal distribution; NaN where they are all alike."""
    flat = residual.detach().reshape(-1)
    values = (torch.view_as_real(flat.resolve_conj()).reshape(-1) if flat.is_complex() else flat).double()
    scaled = (values - values.mean()) / (values - values.mean()).abs().max()  # keeps the fourth power in range
    return float(scaled.pow(4).mean() / scaled.square().mean().square())


def time_contrast(times: Float[Tensor, " points"], squares: Squares) -> float | None:
    """Mean |r|^2 in the first tenth of the axis / median over the tenths of its later half that hold points.

    None where all points have the same time.
    """
    low, high = float(times.min()), float(times.max())
    if not high > low:
        return None
    tenth = ((times - low) / (high - low) * 10).long().clamp(max=9)
    later = torch.stack([squares[tenth == i].mean() for i in range(5, 10) if bool((tenth == i).any())])
    return float(squares[tenth == 0].mean() / later.quantile(0.5))


def _contrast(points: PointSet, squares: Squares, axis: int | None) -> float | None:
    coordinates = points.coordinates.double().cpu()
    if axis is None and coordinates.shape[1] < 2:
        return None
    return time_contrast(coordinates[:, -1 if axis is None else axis], squares)


def _strata(order: Int[Tensor, " points"], count: int, seed: int) -> Int[Tensor, " chosen"]:
    """The worst points, then one drawn from each of equal strata of the rank order."""
    count = min(count, len(order))
    first = min(WORST, count)
    rest, strata = order[first:], count - first
    if strata == 0:
        return order[:first]
    edges = torch.arange(strata + 1, dtype=torch.float64) * len(rest) / strata
    low, high = edges[:-1].floor(), edges[1:].floor()
    drawn = low + (torch.rand(strata, generator=generator(seed), dtype=torch.float64) * (high - low)).floor()
    return torch.cat([order[:first], rest[drawn.long()]])


def _field(
    points: PointSet, squares: Squares, chosen: Int[Tensor, " chosen"], norms: Float[Tensor, " chosen"], seed: int
) -> Field:
    """The map: points with a gradient norm (the worst ones among them), filled up uniformly."""
    others = torch.randperm(len(squares), generator=generator(seed))
    index = torch.tensor(sorted(list(dict.fromkeys([*chosen.tolist(), *others.tolist()]))[:FIELD]))
    known = torch.full((len(squares),), math.nan, dtype=torch.float64)
    known[chosen] = norms
    coordinates = points.coordinates.double().cpu()[index]
    return Field(
        coordinates=coordinates.T.tolist(),
        values={"residual": squares.sqrt()[index].tolist(), "gradient_norm": known[index].tolist()},
        of=len(squares),
    )
