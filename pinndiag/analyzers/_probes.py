"""Short L-BFGS runs on a copy: what a better optimizer would gain from here, on the total and on each term alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from pinndiag import _parameters
from pinndiag._errors import PinndiagError
from pinndiag._jacobian import draw
from pinndiag._parameters import Vector
from pinndiag._pinn import PINN
from pinndiag._points import PointSet
from pinndiag._records._experiments import Probe
from pinndiag._records._points import PerTerm
from pinndiag._view import View
from pinndiag.analyzers._solution import solution

__all__ = ["descent_probe", "term_probes"]

TOTAL = 100  # iterations on the weighted total
ALONE = 60  # iterations on one term
POINTS = 4096  # points a term is descended on at most
SCALE = 1e4  # the loss is scaled to this first: torch's L-BFGS has thresholds in absolute units


def descent_probe(subject: PINN | View, *, iterations: int = TOTAL, seed: int = 0) -> Probe:
    """L-BFGS iterations on the weighted total from the present parameters, in float64, on a copy.

    Strong Wolfe line search, no tolerances, the total scaled to 1e4 first. A factor of 30 or more in an unfinished
    network says that the optimizer is the bottleneck, one of 1.2 or less that it is not. The best finite value met
    counts. A term with more than 4096 points is descended on 4096 of them, drawn once; `before`, `after` and `terms`
    are of all points (of 16 384 on a 4x50 network: factor 6.1 against 6.9 by descent on all; on 1024 of 2500, about
    an eighth as many as parameters, 3.0 against 5.0).

    Args:
        subject: a wrapped PINN, or a view of it.
        iterations: L-BFGS iterations.
        seed: of the choice of points.

    Raises:
        CaptureError: a term cannot be captured, so that there is no copy.

    Cost: about 1.1 gradients an iteration, in float64; memory of twice `iterations` vectors of P numbers.
    """
    copy = _Copy.of(subject, seed)
    return copy.probe(
        {name: weight for name, weight in copy.view.pinn.weights.items() if weight}, iterations, total=True
    )


def term_probes(subject: PINN | View, *, iterations: int = ALONE, seed: int = 0) -> PerTerm[Probe]:
    """The same for each unweighted term alone: which of them could be solved if the others were not there.

    Where each falls by 50 or more while the total does not move, the terms hold each other; a term that does not fall
    even alone (2 or less) is beyond the network as it is (representation, scaling, capacity).

    Args:
        subject: a wrapped PINN, or a view of it.
        iterations: L-BFGS iterations for each term.
        seed: of the choice of points.

    Raises:
        CaptureError: a term cannot be captured, so that there is no copy.

    Cost: as `descent_probe`, for each term.
    """
    copy = _Copy.of(subject, seed)
    found = {name: copy.probe({name: 1.0}, iterations) for name in copy.view.pinn.names}
    return PerTerm(
        {name: probe for name, probe in found.items() if not probe.reason},
        {name: probe.reason for name, probe in found.items() if probe.reason},
    )


@final
@dataclass(frozen=True)
class _Copy:
    """A float64 copy, looked at before anything is done to it; each probe starts from the same parameters.

    Attributes:
        view: the copy at those parameters (its losses are read before the first step).
        start: the parameters, as one vector.
        points: term -> the points it is descended on, where those are fewer than it has.
    """

    view: View
    start: Vector
    points: dict[str, PointSet]

    @staticmethod
    def of(subject: PINN | View, seed: int) -> _Copy:
        twin = View.of(subject).pinn.copy(dtype=torch.float64)
        points = {}
        for name, info in twin.infos.items():
            if info.takes_points and info.by_point and not info.random and info.points and info.points.count > POINTS:
                points[name] = info.points.rows(draw(info.points.count, POINTS, seed))
        view = View(twin)
        _ = view.losses  # at the parameters before any step
        start = _parameters.flatten([t.detach() for t in twin.tensors], twin.tensors)
        return _Copy(view, start, points)

    def probe(self, weights: Mapping[str, float], iterations: int, *, total: bool = False) -> Probe:
        """Descend on sum_i w_i L_i of the terms in `weights`."""
        before = sum(weight * self.view.losses[name] for name, weight in weights.items())
        points = {name: chosen for name, chosen in self.points.items() if name in weights}
        subset = {name: chosen.count for name, chosen in points.items()}
        reason = self._refusal(before, list(weights))
        if reason:
            return Probe(
                before=before,
                after=math.nan,
                factor=math.nan,
                iterations=0,
                evaluations=0,
                subset=subset,
                reason=reason,
            )
        descent = _Descent(self.view.pinn, weights, points)
        try:
            if before > 0:
                descent.run(iterations)
            losses = _losses(self.view.pinn, self.view.pinn.names if total else list(weights))
            error = _error(self.view.pinn) if total else None
        finally:
            _set(self.view.pinn, self.start)
        after = sum(weight * losses[name] for name, weight in weights.items())
        return Probe(
            before=before,
            after=after,
            factor=before / after if after > 0 else 1.0 if before == 0 else math.inf,
            iterations=descent.iterations,
            evaluations=descent.evaluations,
            terms=losses if total else {},
            rel_l2=error,
            subset=subset,
        )

    def _refusal(self, before: float, names: list[str]) -> str:
        """Why there is nothing to descend on, or ""."""
        if not math.isfinite(before):
            return "the loss is not finite"
        if before < 0:
            return "a negative loss has no factor"
        if not all(bool(self.view.gradients[name].isfinite().all()) for name in names):
            return "the gradient is not finite"
        return ""


@final
class _Descent:
    """One run of L-BFGS on a weighted sum of terms; leaves the parameters at the best finite value."""

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
        optimizer = torch.optim.LBFGS(
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
        _set(self._pinn, self._best_at)

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


def _losses(pinn: PINN, names: list[str]) -> dict[str, float]:
    return {name: sum(float(piece.detach()) for piece in pinn.pieces(name)) for name in names}


def _set(pinn: PINN, vector: Vector) -> None:
    with torch.no_grad():
        for tensor, value in zip(pinn.tensors, _parameters.unflatten(vector, pinn.tensors), strict=True):
            tensor.copy_(value)
            tensor.grad = None


def _error(pinn: PINN) -> float | None:
    """Relative L2 error, where there is a reference and the network can be evaluated there."""
    try:
        return solution(pinn).rel_l2
    except PinndiagError:
        return None
