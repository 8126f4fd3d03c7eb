"""Short descents on a copy: L-BFGS on a weighted sum of terms, Adam from new initial parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from pinndiag._derivatives._jacobian import draw
from pinndiag._descent._lbfgs import LBFGS
from pinndiag._terms import _parameters
from pinndiag._terms._parameters import Vector
from pinndiag._terms._pinn import PINN
from pinndiag._terms._points import PointSet

__all__ = ["POINTS", "Adam", "Descent", "losses", "put", "subsets"]

POINTS = 4096  # points a term is descended on at most
SCALE = 1e4  # the loss is scaled to this first: torch's L-BFGS has thresholds in absolute units


def subsets(pinn: PINN, seed: int) -> dict[str, PointSet]:
    """Term -> the points it is descended on, where those are fewer than it has; drawn once."""
    points = {}
    for name, info in pinn.infos.items():
        if info.takes_points and info.by_point and not info.random and info.points and info.points.count > POINTS:
            points[name] = info.points.rows(draw(info.points.count, POINTS, seed))
    return points


def losses(pinn: PINN, names: Sequence[str]) -> dict[str, float]:
    """Unweighted losses at all points, at the present parameters."""
    return {name: sum(float(piece.detach()) for piece in pinn.pieces(name)) for name in names}


def put(pinn: PINN, vector: Vector) -> None:
    """Set the trainable parameters to the entries of `vector`; their gradients are dropped."""
    with torch.no_grad():
        for tensor, value in zip(pinn.tensors, _parameters.unflatten(vector, pinn.tensors), strict=True):
            tensor.copy_(value)
            tensor.grad = None


@final
class Descent:
    """One run of L-BFGS on a weighted sum of terms; leaves the parameters at the best finite value.

    Args:
        pinn: a copy, whose parameters are changed.
        weights: the terms of the sum, and their weights.
        points: term -> points it is descended on, if not its own.
    """

    def __init__(self, pinn: PINN, weights: Mapping[str, float], points: Mapping[str, PointSet]) -> None:
        self.iterations = 0
        self.evaluations = 0
        self._pinn = pinn
        self._weights = weights
        self._points = points
        self._scale = 1.0
        self._best = math.inf
        self._best_at = _parameters.flatten([t.detach() for t in pinn.tensors], pinn.tensors)

    def run(self, iterations: int) -> None:
        """At most `iterations` iterations; a line search that meets non-finite values turns back."""
        start = float(self._loss().detach())
        if not math.isfinite(start) or start == 0:
            return
        self._scale = SCALE / start
        optimizer = LBFGS(
            self._pinn.tensors,
            max_iter=iterations,
            max_eval=2 * iterations,
            tolerance_grad=0,
            tolerance_change=0,
            history_size=iterations,
            line_search_fn="strong_wolfe",
        )
        optimizer.step(self._evaluated)
        self.iterations = int(optimizer.state[self._pinn.tensors[0]]["n_iter"])
        put(self._pinn, self._best_at)

    def _loss(self) -> Tensor:
        losses = self._pinn.losses(list(self._weights), self._points or None)
        return torch.stack([self._weights[name] * loss for name, loss in losses.items()]).sum()

    def _evaluated(self) -> Tensor:
        """The scaled loss, and its gradient where the optimizer looks for it."""
        self.evaluations += 1
        loss = self._loss() * self._scale
        tensors = self._pinn.tensors
        pulled = torch.autograd.grad(loss, tensors, allow_unused=True)
        finite = bool(
            torch.stack([loss.detach().isfinite(), *(g.isfinite().all() for g in pulled if g is not None)]).all()
        )
        value = float(loss.detach())
        if finite and value < self._best:
            self._best = value
            self._best_at = _parameters.flatten([t.detach() for t in tensors], tensors).clone()
        for tensor, gradient in zip(tensors, pulled, strict=True):
            tensor.grad = torch.zeros_like(tensor) if gradient is None or not finite else gradient
        # the line search interpolates values: a larger finite one makes it turn back, NaN or infinity spoil its step
        return loss.detach() if finite else torch.full_like(loss.detach(), 2 * self._best)


@final
class Adam:
    """Adam's settings for short runs: those of the file where it was trained with Adam, else 1e-3 and the defaults.

    A rate that a schedule has lowered counts with its first value, since these runs begin anew.
    """

    def __init__(self, pinn: PINN) -> None:
        optimizer = pinn.optimizer
        known = optimizer.settings if optimizer is not None and optimizer.kind in ("Adam", "AdamW") else {}
        lr = float(known.get("initial_lr", known.get("lr", 0.0)))
        self.lr = lr if math.isfinite(lr) and lr > 0 else 1e-3
        first, second = known.get("betas", (0.9, 0.999))
        self.betas = float(first), float(second)
        self.eps = float(known.get("eps", 1e-8))

    def run(
        self,
        pinn: PINN,
        steps: int,
        points: Mapping[str, PointSet],
        start: Sequence[Tensor],
        place: Callable[[list[Tensor]], list[Tensor]] = list,
    ) -> None:
        """Train a copy on its weighted total for `steps` steps; what becomes NaN or infinite stays so.

        Args:
            pinn: a copy, whose parameters are changed; it is left at the last step.
            steps: number of steps.
            points: term -> points it is trained on, if not its own.
            start: what is trained, one tensor for each trainable parameter.
            place: the parameters as a differentiable function of what is trained; by default they are the same.
        """
        weights = {name: weight for name, weight in pinn.weights.items() if weight}
        leaves = [tensor.detach().clone().requires_grad_(True) for tensor in start]
        optimizer = torch.optim.Adam(leaves, lr=self.lr, betas=self.betas, eps=self.eps)
        for _ in range(steps):
            placed = place(leaves)
            self._set(pinn, placed)
            found = pinn.losses(list(weights), points or None)
            total = torch.stack([weights[name] * loss for name, loss in found.items()]).sum()
            pulled = torch.autograd.grad(total, pinn.tensors, allow_unused=True)
            filled = [
                torch.zeros_like(t) if g is None else g.detach() for t, g in zip(pinn.tensors, pulled, strict=True)
            ]
            for leaf, gradient in zip(leaves, torch.autograd.grad(placed, leaves, filled), strict=True):
                leaf.grad = gradient
            optimizer.step()
        self._set(pinn, place(leaves))

    @staticmethod
    def _set(pinn: PINN, values: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for tensor, value in zip(pinn.tensors, values, strict=True):
                tensor.copy_(value)
