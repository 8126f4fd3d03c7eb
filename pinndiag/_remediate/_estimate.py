"""How wrong a network is, as far as its residuals tell: an estimate of its error that needs no solution."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag._derivatives._jacobian import Rows, draw, uniform_rows
from pinndiag._terms import _parameters
from pinndiag._terms._parameters import Vector
from pinndiag._terms._pinn import PINN
from pinndiag._terms._points import PointSet
from pinndiag._terms._view import View

__all__ = ["estimated"]

POINTS = 1000  # at most, where the output is looked at
LOST = 1e-9  # of the largest eigenvalue of J J^T: what is smaller cannot be told from rounding in float32


def estimated(view: View, *, seed: int = 0) -> float | None:
    """The relative change of the output u that makes all residuals vanish, to first order.

    |J_u d| / |u + J_u d| with the step of Gauss and Newton d = -J^T (J J^T + e)^-1 r, over the residuals of all terms
    that count. The error of a linear problem solves the problem's own equations with the residuals at their right-hand
    sides, so that this is the relative L2 error, as far as the network can express it and the chosen residuals
    determine it. Each term's rows are divided by their root mean square, so that its unit and weight do not matter;
    e is 1e-9 of the largest eigenvalue of J J^T.

    Args:
        view: the PINN; terms of weight zero do not count.
        seed: of the choice of points: 160 of each term, the same as for its remaining work.

    Returns:
        None where it cannot be had: a term is a scalar loss, or the output by itself is not known; infinite where it
        is not a number.

    Cost: the rows that remaining work takes, the eigenvalues of their products, three passes for the output.

    >>> import torch, pinndiag
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.constant_(model.weight, 1.5)                                       # u = 1.5 x
    >>> x = torch.tensor([[1.0], [2.0]])
    >>> pinn = pinndiag.wrap(model, {"data": lambda x: model(x) - x}, points={"data": x})    # that is 0 for u = x
    >>> round(estimated(View(pinn)), 4)
    0.5
    """
    pinn = view.pinn
    names = [name for name in pinn.names if pinn.weights[name] != 0]
    if not names or any(pinn.infos[name].kind == "loss" for name in names):
        return None
    output = _output(pinn, seed)
    if output is None:
        return None
    step = _step([uniform_rows(view, name, seed) for name in names])
    change = _pushed(output, pinn.tensors, step).double()
    found = float(change.norm() / (output.detach().double() + change).norm())
    return math.inf if math.isnan(found) else found


def _step(terms: list[Rows]) -> Vector:
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
    if points.count <= POINTS:
        return points
    return points.rows(draw(points.count, POINTS, seed).sort().values.to(points.tensors[0].device))


def _pushed(output: Float[Tensor, " entries"], tensors: list[Tensor], step: Vector) -> Float[Tensor, " entries"]:
    """J_u d: the derivative, along the step, of v -> J_u^T v, which is linear in v."""
    direction = torch.zeros_like(output, requires_grad=True)
    pulled = torch.autograd.grad(output, tensors, direction, create_graph=True, allow_unused=True)
    along = _parameters.flatten(pulled, tensors)
    found: tuple[Tensor, ...] = torch.autograd.grad(along @ step.to(along.dtype), direction)
    return found[0]
