"""How wrong a network is, as far as its residuals tell: an estimate of its error that needs no solution."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag._derivatives._jacobian import UNIFORM, Jacobian, Rows, draw, joined, uniform_rows
from pinndiag._errors import PinndiagError
from pinndiag._records import SETTLED, EstimatedError
from pinndiag._terms import _parameters
from pinndiag._terms._parameters import Vector
from pinndiag._terms._pinn import PINN
from pinndiag._terms._points import PointSet
from pinndiag._terms._view import View

__all__ = ["estimated", "estimated_error"]

OUTPUTS = 1000  # points at most where the output is looked at
DOUBLINGS = 2  # of the points of each term, from 160 on, while the answer moves
ROWS, MEMORY = 1536, 2**29  # of all terms together at most: residuals, and bytes of their Jacobian
FRESH = UNIFORM * 2**DOUBLINGS  # points that a term was not trained at, drawn once
LOST = 1e-9  # of the largest eigenvalue of J J^T: what is smaller cannot be told from rounding in float32


def estimated_error(subject: PINN | View, *, seed: int = 0) -> EstimatedError:
    """The relative L2 error as far as the residuals tell, without a solution.

    It is the relative change of the output u that makes all residuals vanish, to first order:
    |J_u d| / |u + J_u d| with the step of Gauss and Newton d = -J^T (J J^T + e)^-1 r, over the residuals of all terms
    that count. The error of a linear problem solves the problem's own equations with the residuals at their right-hand
    sides, so that this is the relative L2 error, as far as the network can express it and the chosen residuals
    determine it. Each term's rows are divided by their root mean square, so that its unit and weight do not matter;
    e is 1e-9 of the largest eigenvalue of J J^T. Noise in data counts as error.

    Too few residuals leave the step free between their points, which overstates the error of a network that is nearly
    right: on the Poisson problem with omega = 4 pi, trained to 4e-3, by 8 with 160 points of each term, by 3 with 320,
    not with 640. So the points are doubled, twice at most, until the answer stands still; a term that was trained at
    fewer, and takes its points, is looked at fresh ones as well.

    Args:
        subject: the PINN; terms of weight zero do not count.
        seed: of the choice of points: 160 of each term, the same as for its remaining work, then 320 and 640.

    Raises:
        PinndiagError: a term is a scalar loss, or the output by itself is not known.

    Cost: twice the rows that remaining work takes, or four times, the eigenvalues of their products, three passes for
        the output; memory of the rows, at most 1536 residuals times P numbers and 512 MiB.

    >>> import torch, pinndiag
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.constant_(model.weight, 3.0)                                       # u = 3 x
    >>> x = torch.tensor([[1.0], [2.0]])
    >>> pinn = pinndiag.wrap(model, {"data": lambda x: model(x) - 2 * x}, points={"data": x})  # that is 0 for u = 2 x
    >>> round(estimated_error(pinn).value, 4)
    0.5
    """
    found = estimated(View.of(subject), seed=seed)
    if found is None:
        raise PinndiagError(
            "the error cannot be estimated",
            cause="a term is a scalar loss, or the network's output by itself is not known",
            fix="give terms that return residuals, and points= to wrap",
        )
    return found


def estimated(view: View, *, seed: int = 0) -> EstimatedError | None:
    """What `estimated_error` gives; None where that raises."""
    pinn = view.pinn
    names = [name for name in pinn.names if pinn.weights[name] != 0]
    if not names or any(pinn.infos[name].kind == "loss" for name in names):
        return None
    output = _output(pinn, seed)
    if output is None:
        return None
    samples = [_Sample(pinn, name, uniform_rows(view, name, seed), seed) for name in names]
    most = min(ROWS, MEMORY // (8 * pinn.size))
    found, moved = _change(output, pinn.tensors, samples), None
    for _ in range(DOUBLINGS):
        if all(sample.whole for sample in samples):
            moved = 1.0
        rest = [sample.rest for sample in samples]
        if not any(rest) or sum(len(sample.residual) for sample in samples) + sum(rest) > most:
            break
        samples = [sample.doubled() for sample in samples]
        before, found = found, _change(output, pinn.tensors, samples)
        moved = _factor(before, found)
        if moved < SETTLED:
            break
    return EstimatedError(value=found, moved=moved)


@final
class _Sample:
    """Rows of a term's Jacobian at the first points of a random order: the term's own, then fresh ones.

    Args:
        pinn: the PINN.
        name: of the term.
        rows: those of the first points.
        seed: of the order, and of the fresh points.
    """

    def __init__(self, pinn: PINN, name: str, rows: Rows, seed: int) -> None:
        self._pinn, self._name, self._rows, self._seed = pinn, name, rows, seed
        self.residual, self.matrix = rows.residual, rows.matrix
        self._own = pinn.infos[name].entries // rows.components
        self._known = len(rows.entries) // rows.components

    @property
    def whole(self) -> bool:
        """Whether every point was looked at that there is."""
        return self._known >= self._own and self._more == 0

    @property
    def rest(self) -> int:
        """Rows that a doubling adds; none where each would cost a pass through the whole term."""
        return self._more * self._rows.components * self._rows.real_rows

    def doubled(self) -> _Sample:
        """At twice as many points."""
        if self._more == 0:
            return self
        components, last = self._rows.components, self._known + self._more
        parts = [self._rows]
        if self._known < self._own:
            points = draw(self._own, last, self._seed)[self._known :]
            parts.append(self._jacobian.rows((points[:, None] * components + torch.arange(components)).reshape(-1)))
        if last > self._own:
            assert self._fresh is not None
            begin = max(self._known - self._own, 0)
            parts.append(self._jacobian.elsewhere(self._fresh.rows(slice(begin, last - self._own))))
        return _Sample(self._pinn, self._name, joined(parts, components), self._seed)

    @functools.cached_property
    def _jacobian(self) -> Jacobian:
        return Jacobian(self._pinn, self._name)

    @functools.cached_property
    def _more(self) -> int:
        """Points that a doubling adds."""
        if not self._jacobian.separable:
            return 0
        fresh = 0 if self._fresh is None else self._fresh.count
        return min(self._known, self._own + fresh - self._known)

    @functools.cached_property
    def _fresh(self) -> PointSet | None:
        """Points that the term was not trained at, where it has too few of its own."""
        if 2 * self._known <= self._own or self._rows.components != self._pinn.infos[self._name].components:
            return None
        try:
            fresh = self._pinn.fresh_points(self._name, FRESH, self._seed)[0]
            alone = self._pinn.outputs([self._name], {self._name: fresh.rows(slice(0, 1))})[self._name]
        except Exception:  # none are known, or the user's own code holds values for its own points only
            return None
        return fresh if alone.numel() == self._rows.components else None


def _factor(before: float, now: float) -> float:
    """By how much one is larger than the other."""
    if before == now:
        return 1.0
    small, large = sorted((before, now))
    return large / small if small > 0 and math.isfinite(large) else math.inf


def _change(output: Float[Tensor, " entries"], tensors: list[Tensor], samples: Sequence[_Sample]) -> float:
    """The relative change of the output under the step that the samples ask for."""
    change = _pushed(output, tensors, _step(samples)).double()
    found = float(change.norm() / (output.detach().double() + change).norm())
    return math.inf if math.isnan(found) else found


def _step(terms: Sequence[_Sample]) -> Vector:
    """The smallest step that makes the residuals vanish, to first order."""
    scales = [rows.matrix.double().square().sum(1).mean().sqrt() for rows in terms]
    scales = [torch.where(scale == 0, 1.0, scale) for scale in scales]  # no parameter reaches the term
    jacobian = torch.cat([rows.matrix.double() / scale for rows, scale in zip(terms, scales, strict=True)])
    residual = torch.cat([rows.residual.double() / scale for rows, scale in zip(terms, scales, strict=True)])
    if not bool(torch.isfinite(jacobian).all() & torch.isfinite(residual).all()):
        return torch.full_like(jacobian[0], math.nan)
    values, vectors = torch.linalg.eigh(jacobian @ jacobian.T)
    room = torch.where(values[-1] > 0, LOST * values[-1], 1.0)
    step: Vector = jacobian.T @ (vectors @ ((vectors.T @ residual) / (values.clamp(min=0) + room)))
    return -step


def _output(pinn: PINN, seed: int) -> Float[Tensor, " entries"] | None:
    """The network's output at points that it is known to take, with its graph, as reals; None where there are none."""
    sets = [] if pinn.reference is None else [pinn.reference.points]
    sets += [info.points for info in pinn.infos.values() if info.points is not None]
    for points in sets:
        try:
            return _parameters.real(pinn.solve(_some(points, seed)).reshape(-1))
        except Exception:  # the points of a term need not be what the network takes
            continue
    return None


def _some(points: PointSet, seed: int) -> PointSet:
    if points.count <= OUTPUTS:
        return points
    return points.rows(draw(points.count, OUTPUTS, seed).sort().values.to(points.tensors[0].device))


def _pushed(output: Float[Tensor, " entries"], tensors: list[Tensor], step: Vector) -> Float[Tensor, " entries"]:
    """J_u d: the derivative, along the step, of v -> J_u^T v, which is linear in v."""
    direction = torch.zeros_like(output, requires_grad=True)
    pulled = torch.autograd.grad(output, tensors, direction, create_graph=True, allow_unused=True)
    along = _parameters.flatten(pulled, tensors)
    found: tuple[Tensor, ...] = torch.autograd.grad(along @ step.to(along.dtype), direction)
    return found[0]
