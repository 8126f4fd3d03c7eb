"""Pareto trajectories of a run: paths of two losses, the points nothing betters, where the terms hold each other."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from jaxtyping import Float64

from pinndiag._diagnosis._fronts import non_dominated
from pinndiag._records import Interval, ParetoPath, StepLine
from pinndiag._store import Columns
from pinndiag.analyzers._pareto import STALLED, smallest_in_hull

__all__ = ["paths", "stalled", "stationarity"]

POINTS = 200  # of a path in a figure
PAIRS = 6
LASTING = 3  # records

Series = Float64[np.ndarray, " points"]


def paths(steps: Columns) -> list[ParetoPath]:
    """The path of every pair of terms, at most the first six pairs.

    Source: Deguchi, Asai 2023 (J. Phys. Commun. 7, 075005), figures 4, 7, 10; losses are divided by their first
    recorded value, so that runs with other units can be drawn together.
    """
    return [_path(steps, a, b) for a, b in itertools.islice(itertools.combinations(steps.names, 2), PAIRS)]


def stationarity(line: StepLine) -> float:
    """Smallest norm in the convex hull of the w_i g_i / the sum of their norms, from norms and cosines; NaN if unknown.

    Terms of weight zero do not count. See `pinndiag.analyzers.pareto`.
    """
    names = [name for name, term in line.terms.items() if term.weight != 0 and term.grad_l2 is not None]
    if not names or len(line.applied) < len(line.terms):
        return math.nan
    lengths = np.array([line.applied[name] for name in names])
    cosines = np.array([[_cosine(line, a, b) for b in names] for a in names])
    if not np.isfinite(lengths).all() or lengths.sum() == 0:
        return math.nan
    if (lengths == 0).any():
        return 0.0
    # vectors with these lengths and angles: rows of a square root of the matrix of products
    values, vectors = np.linalg.eigh(np.nan_to_num(cosines))
    rows = lengths[:, None] * vectors * np.sqrt(values.clip(min=0))
    norm = smallest_in_hull(torch.from_numpy(rows))[0]
    return float(norm / lengths.sum())


def stalled(steps: Series, ratios: Series) -> list[Interval]:
    """Where the ratio lies below 0.05 over three records or more (design: "stalled")."""
    below = np.concatenate([[False], np.nan_to_num(ratios, nan=1.0) < STALLED, [False]])
    changes = np.flatnonzero(below[1:] != below[:-1])
    pairs = zip(changes[::2], changes[1::2], strict=True)
    return [Interval(first=int(steps[a]), last=int(steps[b - 1])) for a, b in pairs if b - a >= LASTING]


def _path(steps: Columns, a: str, b: str) -> ParetoPath:
    both = np.flatnonzero(steps.present(a) & steps.present(b))
    x, y = (_relative(steps.term(name, "loss")[both]) for name in (a, b))
    product = np.where((x > 0) & (y > 0), x * y, np.inf)
    lowest = int(np.argmin(product)) if len(both) else 0
    front = non_dominated(x, y)
    kept = _thinned(len(both), {lowest, *front[:: max(1, len(front) // 50)]})
    place = {index: i for i, index in enumerate(kept)}
    return ParetoPath(
        a=a,
        b=b,
        steps=[int(steps.steps[both[i]]) for i in kept],
        x=[_short(x[i]) for i in kept],
        y=[_short(y[i]) for i in kept],
        lowest=place.get(lowest, 0),
        front=[place[i] for i in front if i in place],
    )


def _relative(losses: Series) -> Series:
    usable = losses[np.isfinite(losses) & (losses > 0)]
    return losses / usable[0] if len(usable) else losses


def _thinned(count: int, wanted: set[int]) -> list[int]:
    """At most about 200 indices, both ends and the wanted ones among them, denser at the start as losses fall fast."""
    if count <= POINTS:
        return list(range(count))
    early = np.geomspace(1, count, POINTS // 2).astype(int) - 1
    even = np.linspace(0, count - 1, POINTS // 2).astype(int)
    return sorted({*early.tolist(), *even.tolist(), *(i for i in wanted if i < count)})


def _cosine(line: StepLine, a: str, b: str) -> float:
    if a == b:
        return 1.0
    return line.cosine.get(f"{a}|{b}", line.cosine.get(f"{b}|{a}", math.nan))


def _short(value: float) -> float:
    return float(f"{value:.6g}") if math.isfinite(value) else float(value)
