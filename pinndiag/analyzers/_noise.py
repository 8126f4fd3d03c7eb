"""The noise of mini-batches: how much of a gradient is the points that happened to be drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from pinndiag._derivatives._jacobian import draw
from pinndiag._descent._descent import Descent
from pinndiag._errors import PinndiagError
from pinndiag._records._experiments import Noise
from pinndiag._terms import _parameters
from pinndiag._terms._parameters import Vector
from pinndiag._terms._pinn import PINN
from pinndiag._terms._points import PointSet
from pinndiag._terms._terms import LiveTerms, mean_square
from pinndiag._terms._view import View

__all__ = ["noise"]

BATCHES = 16
FEWEST = 4  # batches without which a standard deviation says nothing
LARGE = 2048  # points of the large fixed sets
ITERATIONS = 100
LOUD = 2.0  # below this ratio the descent on large sets is worth its cost


def noise(subject: PINN | View, *, seed: int = 0) -> Noise:
    """Gradients on 16 fresh batches of the size the terms were given, and what a large fixed set would allow.

    `ratio` is |mean G| / sqrt(E |G - mean G|^2) of the weighted total at the present parameters, corrected for the
    number of batches; below about 2 a step follows the points drawn as much as the problem. By itself that is no sign:
    every network near its optimum gets there. So below 2 a copy is descended by L-BFGS on one large fixed set of fresh
    points, and judged on another.

    Terms with `sampler=` are drawn anew (in a file from the fresh points that were stored), and live ones that draw
    random numbers by themselves; the others stay as they are.

    Args:
        subject: a wrapped PINN, or a view of it.
        seed: of the draws.

    Raises:
        PinndiagError: no term draws its points or random numbers anew.

    Cost: 16 gradients; below 2 about 110 gradients at 2048 points a term as well, in float64 on a copy.

    Source: the signal-to-noise ratio of the gradient over batches, as in pathologies of noise; compare McCandlish et
    al. 2018 (arXiv 1812.06162).
    """
    pinn = View.of(subject).pinn
    drawn = [n for n in pinn.names if n in pinn.sampled and pinn.infos[n].takes_points and pinn.weights[n]]
    random = isinstance(pinn.terms, LiveTerms) and any(i.random or not i.repeatable for i in pinn.infos.values())
    if not drawn and not random:
        raise PinndiagError(
            "no term draws new points",
            cause="no sampler was given, and no term draws random numbers by itself",
            fix="pass sampler= to wrap if each step of the training sees new points",
        )
    sums: dict[str, Vector] = {}
    squares: dict[str, float] = {}
    count = 0
    for found in _batches(pinn, drawn, seed):
        for name, gradient in found.items():
            sums[name] = sums.get(name, 0.0) + gradient
            squares[name] = squares.get(name, 0.0) + float(gradient.square().sum())
        count += 1
    if count < FEWEST:
        raise PinndiagError(
            "too few fresh points are known for the noise of the batches",
            where=f"{count} batches",
            cause="the file holds fewer fresh points than four batches need",
            fix="analyse the live PINN instead of the file",
        )
    ratios = {name: _ratio(sums[name], squares[name], count) for name in sums}
    total = ratios.pop("")
    factor = None if random or total >= LOUD else _factor(pinn, drawn, seed)
    sizes = {name: points.count for name in drawn if (points := pinn.infos[name].points) is not None}
    return Noise(ratio=total, terms=ratios, batches=count, points=sizes, factor=factor)


def _batches(pinn: PINN, drawn: list[str], seed: int) -> Iterator[dict[str, Vector]]:
    """The gradient of every term and, under "", of the weighted total, batch by batch, in double precision."""
    kept: dict[str, PointSet] = {}
    for batch in range(BATCHES):
        points = {}
        for name in drawn:
            given = pinn.infos[name].points
            assert given is not None
            size = given.count
            fresh = kept[name] if name in kept else pinn.fresh_points(name, size, seed + 1 + batch)[0]
            if name in kept or fresh.count != size:  # those stored in a file: one set, to be shared out
                kept[name] = fresh
                if (batch + 1) * size > fresh.count:
                    return
                fresh = fresh.rows(draw(fresh.count, fresh.count, seed)[batch * size : (batch + 1) * size])
            points[name] = fresh
        terms = pinn.terms.redrawn(seed + 1 + batch) if isinstance(pinn.terms, LiveTerms) else pinn.terms
        yield _gradients(pinn, terms.outputs(pinn.names, points))


def _gradients(pinn: PINN, outputs: Mapping[str, Tensor]) -> dict[str, Vector]:
    found: dict[str, Vector] = {}
    for name, output in outputs.items():
        pulled = torch.autograd.grad(mean_square(output), pinn.tensors, retain_graph=True, allow_unused=True)
        found[name] = _parameters.flatten(pulled, pinn.tensors).double()
    found[""] = torch.stack([pinn.weights[name] * found[name] for name in outputs]).sum(0)
    return found


def _ratio(total: Vector, squares: float, count: int) -> float:
    """|mean| / standard deviation; the mean of `count` draws holds a `count`-th of the variance, which is taken off."""
    mean = float((total / count).square().sum())
    variance = (squares - count * mean) / (count - 1)
    signal = max(0.0, mean - variance / count)
    if not math.isfinite(variance):
        return math.nan
    return math.sqrt(signal / variance) if variance > 0 else math.inf


def _factor(pinn: PINN, drawn: list[str], seed: int) -> float | None:
    """Weighted total on one large set before / after a descent on another; None where there is no copy."""
    twin = pinn.copy(dtype=torch.float64)
    if not all(twin.infos[name].by_point for name in drawn):
        return None
    sets = [{name: _large(twin, name, part, seed) for name in drawn} for part in (0, 1)]
    weights = {name: weight for name, weight in twin.weights.items() if weight}

    def total() -> float:
        found = twin.losses(list(weights), sets[1])
        return float(sum(weights[name] * loss.detach() for name, loss in found.items()))

    before = total()
    Descent(twin, weights, sets[0]).run(ITERATIONS)
    after = total()
    return before / after if after > 0 else math.inf


def _large(pinn: PINN, name: str, part: int, seed: int) -> PointSet:
    """A large fixed set: the first or the second, which have no point in common."""
    fresh = pinn.fresh_points(name, 2 * LARGE, seed)[0]
    half = fresh.count // 2
    return fresh.rows(slice(part * half, (part + 1) * half))
