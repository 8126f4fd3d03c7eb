"""The float64 twin: whether the gradient in the training dtype can be trusted."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pinndiag._records._experiments import Precision
from pinndiag._terms._parameters import Vector, real
from pinndiag._terms._pinn import PINN
from pinndiag._terms._points import PointSet
from pinndiag._terms._view import View

__all__ = ["precision"]


def precision(subject: PINN | View) -> Precision:
    """Gradient and residuals at the same parameters in the training dtype and in float64, and points that collapse.

    Both sides are evaluated on captured twins, so that a term that draws its points anew sees the same ones. A float64
    PINN has nothing to be compared with: its figures are 0, and only the points are looked at.

    Args:
        subject: a wrapped PINN, or a view of it.

    Raises:
        CaptureError: a term cannot be captured, so that there is no twin.

    Cost: a gradient in each dtype, and a forward pass in each.
    """
    pinn = View.of(subject).pinn
    distinct = {
        name: _distinct(info.points, pinn.dtype) for name, info in pinn.infos.items() if info.points is not None
    }
    if pinn.dtype == torch.float64:
        return Precision(gradient=0.0, rounding=dict.fromkeys(pinn.names, 0.0), distinct=distinct)
    narrow, wide = View(pinn.copy()), View(pinn.copy(dtype=torch.float64))
    return Precision(
        gradient=_angle(narrow.total, wide.total),
        rounding={name: _rounding(narrow.pinn, wide.pinn, name) for name in pinn.names},
        distinct=distinct,
    )


def _angle(a: Vector, b: Vector) -> float:
    """1 - cos of the angle between two vectors, as |a/|a| - b/|b||^2 / 2, which keeps its digits for small angles."""
    a, b = a.double(), b.double()
    if not (bool(a.any()) or bool(b.any())):
        return 0.0
    a, b = a / a.abs().max(), b / b.abs().max()  # squares of 1e-200 or 1e200 would leave the range
    return float((a / a.norm() - b / b.norm()).square().sum()) / 2


def _rounding(narrow: PINN, wide: PINN, name: str) -> float:
    difference = square = 0.0
    for (a, _), (b, _) in zip(narrow.parts(name), wide.parts(name), strict=True):
        exact = _flat(b)
        difference += float((_flat(a) - exact).square().sum())
        square += float(exact.square().sum())
    if square == 0:
        return 0.0 if difference == 0 else math.inf
    return math.sqrt(difference / square)


def _flat(output: Tensor) -> Tensor:
    return real(output.detach()).double()


def _distinct(points: PointSet, dtype: torch.dtype) -> float:
    """Distinct points after the cast / before it; of points in that dtype already, those they are / their number."""
    coordinates = points.coordinates
    cast = coordinates.to(dtype)
    given = len(coordinates.unique(dim=0)) if coordinates.dtype != dtype else len(coordinates)
    return len(cast.unique(dim=0)) / given
