"""Whether neighbouring points have like residuals: what is left to learn is smooth, noise is not."""

from __future__ import annotations

import torch
from jaxtyping import Float, Inexact
from scipy.spatial import cKDTree
from torch import Tensor

from pinndiag._derivatives._jacobian import generator

__all__ = ["FEWEST", "agreement"]

FEWEST = 30  # points; of fewer the agreement of noise is often far from 0
ASKED = 2000  # points whose neighbours are looked for


def agreement(
    coordinates: Float[Tensor, "points d"], residual: Inexact[Tensor, "points components"], *, seed: int = 0
) -> float | None:
    """Mean product of the residuals at each point and at its nearest other point / mean square residual.

    Near 1 where the residual is smooth on the scale of the points; of independent noise 0, with a standard deviation of
    about 1.3 / sqrt(points) (two points may be each other's neighbours); negative where it alternates. Complex ones
    count with the real part of r conj(r'). Distances are measured in units of each coordinate's range. None for fewer
    than 30 points, residuals that are not finite or all zero, and points that are not finite or do not differ.

    Cost: a k-d tree of the points and at most 2000 queries.

    Source: Moran's I (1950) with the nearest neighbour as weight, not centred: a residual is compared with zero.

    >>> x = torch.linspace(0, 1, 101, dtype=torch.float64)[:, None]
    >>> round(agreement(x, torch.sin(x)), 2), round(agreement(x, (-1.0) ** torch.arange(101)[:, None].double()), 2)
    (1.0, -1.0)
    """
    points = coordinates.detach().double().cpu()
    low, high = points.amin(0), points.amax(0)
    wide = high > low
    values = residual.detach().cpu().to(torch.complex128 if residual.is_complex() else torch.float64)
    size = float(values.abs().square().sum())
    if len(points) < FEWEST or not bool(points.isfinite().all()) or not bool(wide.any()) or not 0 < size < float("inf"):
        return None
    scaled = ((points - low) / (high - low))[:, wide].numpy()
    asked = torch.randperm(len(points), generator=generator(seed))[:ASKED]
    # two neighbours: the first of them is the point itself, or another one at the same place
    found = torch.from_numpy(cKDTree(scaled).query(scaled[asked.numpy()], k=2)[1])
    other = torch.where(found[:, 0] == asked, found[:, 1], found[:, 0])
    products = (values[asked] * values[other].conj()).real.sum()
    own = values[asked].abs().square().sum()
    return float(products / own) if own > 0 else None
