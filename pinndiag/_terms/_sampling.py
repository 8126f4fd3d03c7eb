"""Fresh points where the user gave no sampler: uniform in the box of the stored points, or on its faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag._errors import PinndiagError

__all__ = ["Draw", "box_sampler"]

Points = Float[np.ndarray, "points d"]
Fresh = Float[np.ndarray, "fresh d"]
Scaled = Float[np.ndarray, "points varying"]

REACH = 3.0  # a draw farther than this many nearest-neighbour distances from every stored point is outside the domain
FLAT = 0.42  # (spread across / along a point's neighbours) * sqrt(d): 0.7 to 0.85 where points fill, 0 on a surface
CONVEX = 8  # so many points drawn from a rectangle are all corners of their hull once in 140 times
SAMPLE = 2048  # points at which spacing and flatness are looked at
ROUNDS = 200  # batches of draws before a domain is called too thin for its box


@final
@dataclass(frozen=True)
class Draw:
    """Fresh coordinates, and how they were drawn, in words."""

    coordinates: Float[Tensor, "fresh d"]
    how: str


def box_sampler(coordinates: Float[Tensor, "points d"], count: int, seed: int) -> Draw:
    """Draw `count` points from the set that `coordinates` seem to come from.

    Coordinates that are the same everywhere stay so. Points that all lie on faces of their bounding box are drawn on
    those faces (and on faces of faces), in proportion to the points there. Otherwise the draw is uniform in the box,
    without the parts of it that lie farther from every stored point than three times the spacing of the points, so
    that a disc or an L-shape stays one. Distances are measured in units of the spacing along each coordinate, so
    that grids of unequal steps count as filled. Up to 2 d + 2 points say nothing about a shape: they stand for their
    box.

    Args:
        coordinates: the stored points, floating.
        count: how many to draw.
        seed: equal seeds give equal draws; no global generator is touched.

    Raises:
        PinndiagError: the points are not finite, or they fill neither their box nor its faces (a circle, a curve).

    Cost: a k-d tree of the points.

    >>> import torch
    >>> box_sampler(torch.tensor([[0.0, 1.0], [0.5, 1.0], [2.0, 1.0]]), 2, seed=0).how
    'uniform in the box [0, 2] x {1} of the stored points'
    """
    points = coordinates.detach().double().cpu().numpy()
    if not len(points) or not np.isfinite(points).all():
        raise PinndiagError(
            "fresh points cannot be drawn from the stored points",
            where=f"{len(points)} points, {int((~np.isfinite(points)).any(axis=1).sum())} of them not finite",
            cause="the set of points is empty or holds NaN or infinities",
            fix="correct the points, or pass sampler={...} to wrap",
        )
    precision = torch.finfo(coordinates.dtype).eps
    drawn, how = _draw(points, count, np.random.default_rng(seed), 16 * precision * np.abs(points).max(axis=0))
    # casting to a narrower dtype may round a draw out of the box
    fresh = torch.from_numpy(drawn).to(coordinates)
    inside = fresh.clamp(coordinates.detach().amin(dim=0), coordinates.detach().amax(dim=0))
    return Draw(inside, f"{how} of the stored points")


def _draw(points: Points, count: int, rng: np.random.Generator, slack: np.ndarray) -> tuple[Fresh, str]:
    """Draws and how they were made; `slack` is the rounding error of each coordinate."""
    low, high = points.min(axis=0), points.max(axis=0)
    varying = np.flatnonzero(high - low > slack)
    if not len(varying):
        return np.repeat(points[:1], count, axis=0), "the single point"
    box = _box(low, high, high - low > slack)
    faces = _faces(points, varying, slack)
    if faces:
        shares = np.array([share for _, share in faces])
        which = rng.choice(len(faces), size=count, p=shares / shares.sum())
        drawn = np.empty((count, points.shape[1]))
        for i, (members, _) in enumerate(faces):
            drawn[which == i] = _draw(points[members], int((which == i).sum()), rng, slack)[0]
        ends = len(varying) == 1
        return drawn, f"on the {len(faces)} {'end' if ends else 'face'}{'s'[: len(faces) > 1]} of the box {box}"
    if len(points) <= 2 * len(varying) + 2:
        return _uniform(low, high, count, rng), f"uniform in the box {box}"
    return _near(points, low, high, varying, count, rng, box)


def _faces(points: Points, varying: np.ndarray, slack: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Faces that together hold every point, as (indices on the face, how many count for it); [] when there are none.

    Few random points may each be the extreme of some coordinate by chance, but two of them never share an extreme: so
    more than one coordinate varies, some face must hold two points.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    on = [points[:, j] <= low[j] + slack[j] for j in varying] + [points[:, j] >= high[j] - slack[j] for j in varying]
    if len(varying) > 1 and max(int(face.sum()) for face in on) < 2:
        return []
    left, found = np.ones(len(points), dtype=bool), []
    while left.any():
        best = max(on, key=lambda face: int((face & left).sum()))
        share = int((best & left).sum())
        if not share:
            return []
        found.append((np.flatnonzero(best), share))
        left &= ~best
    return found


def _near(
    points: Points,
    low: np.ndarray,
    high: np.ndarray,
    varying: np.ndarray,
    count: int,
    rng: np.random.Generator,
    box: str,
) -> tuple[Fresh, str]:
    """Uniform in the part of the box that the points fill."""
    from scipy.spatial import cKDTree  # a third of a second that an analysis without fresh points is spared

    distinct = np.unique(points, axis=0)
    levels = [np.unique(distinct[:, j]) for j in varying]
    scaled = _in_spacings(distinct, varying, levels)
    tree = cKDTree(scaled)
    sample = scaled[rng.permutation(len(scaled))[:SAMPLE]]
    dimensions = len(varying)
    neighbours = min(2 * dimensions + 2, len(scaled) - 1)
    distances, index = tree.query(sample, k=neighbours + 1)
    if dimensions > 1 and (_is_flat(scaled[index]) or _is_loop(distinct[:, varying])):
        raise _unknown(points, box, "they lie on a curve or a surface that is no face of their box")
    reach = REACH * float(np.quantile(distances[:, 1], 0.95))
    kept: list[Fresh] = []
    tried = 0
    while sum(map(len, kept)) < count:
        if tried >= ROUNDS * max(count, 64):
            raise _unknown(points, box, "they fill hardly any of their box")
        batch = _uniform(low, high, max(count, 64), rng)
        near = tree.query(_in_spacings(batch, varying, levels, len(distinct)), distance_upper_bound=reach)[0] <= reach
        kept.append(batch[near])
        tried += len(batch)
    drawn = np.concatenate([np.empty((0, points.shape[1])), *kept])[:count]
    share = sum(map(len, kept)) / tried if tried else 1.0
    how = f"uniform in the box {box}" if share == 1 else f"uniform in the {share:.0%} near them of the box {box}"
    return drawn, how


def _in_spacings(points: Points, varying: np.ndarray, levels: list[np.ndarray], total: int | None = None) -> Scaled:
    """Coordinates in units of the typical step between stored points along each.

    A coordinate with few distinct values (of a grid) is measured in those steps; the others share what is left of the
    number of points evenly.
    """
    total = len(points) if total is None else total
    gridded = [len(values) <= total / 2 for values in levels]
    steps = float(np.prod([len(values) for values, is_grid in zip(levels, gridded, strict=True) if is_grid]))
    rest = max(1, len(levels) - sum(gridded))
    length = max(1.0, total / steps) ** (1 / rest)
    columns = [
        np.interp(points[:, j], values, np.arange(len(values)))
        if is_grid
        else (points[:, j] - values[0]) / (values[-1] - values[0]) * length
        for j, values, is_grid in zip(varying, levels, gridded, strict=True)
    ]
    return np.stack(columns, axis=1)


def _is_flat(neighbourhoods: Float[np.ndarray, "sample neighbours d"]) -> bool:
    """Whether the neighbours of most points spread far less across some direction than along another."""
    centred = neighbourhoods - neighbourhoods.mean(axis=1, keepdims=True)
    spread = np.linalg.svd(centred, compute_uv=False)
    middle = float(np.median(spread[:, -1] / spread[:, 0]))
    return bool(middle * neighbourhoods.shape[-1] ** 0.5 < FLAT)


def _is_loop(points: Points) -> bool:
    """Whether points of a plane lie on a convex curve: seen in their hull where they are too few to look flat."""
    if points.shape[1] != 2 or len(points) < CONVEX:
        return False
    from scipy.spatial import ConvexHull

    return bool(len(ConvexHull(points).vertices) == len(points))


def _uniform(low: np.ndarray, high: np.ndarray, count: int, rng: np.random.Generator) -> Fresh:
    fresh: np.ndarray = low + (high - low) * rng.random((count, len(low)))
    return fresh


def _box(low: np.ndarray, high: np.ndarray, varies: np.ndarray) -> str:
    sides = zip(low, high, varies, strict=True)
    return " x ".join(f"[{a:.4g}, {b:.4g}]" if v else f"{{{a:.4g}}}" for a, b, v in sides)


def _unknown(points: Points, box: str, cause: str) -> PinndiagError:
    return PinndiagError(
        "fresh points cannot be drawn: the set that the stored points come from cannot be guessed",
        where=f"{len(points)} points in the box {box}",
        cause=cause,
        fix="pass sampler={name: draw} to wrap, where draw(n) returns n fresh points",
    )
