"""Equations on a square, and in one space coordinate and time: points are (t, x) then."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.calibration.equation import Equation, Residual, Term, equals
from benchmarks.calibration.equations._domain import Pose, box_of, known
from pinndiag.nn import derivatives
from pinndiag.problems import Box

__all__ = ["advection", "burgers", "heat", "square"]


def square(waves: float = 0.5, *, points: int = 300, edge: int = 80) -> Pose:
    """Laplace u = f on the unit square, u = sin(2 pi waves x) cos(2 pi waves y)."""
    w = 2 * math.pi * waves

    def pose(dtype: torch.dtype) -> Equation:
        box = box_of([0.0, 0.0], [1.0, 1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.sin(w * x[:, :1]) * torch.cos(w * x[:, 1:])

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            _, laplacian = derivatives(net, x, "xx+yy")
            return laplacian + 2 * w**2 * exact(x)

        terms = {
            "pde": Term(equation, box.inside, points),
            "bc": Term(equals(exact), box.boundary, edge),
        }
        return Equation(box, terms, known(box, exact))

    return pose


def heat(diffusivity: float = 0.3, *, points: int = 300) -> Pose:
    """Heat, u_t = a u_xx on [0, 1]^2, u = exp(-a pi^2 t) sin(pi x)."""

    def pose(dtype: torch.dtype) -> Equation:
        box = box_of([0.0, 0.0], [1.0, 1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.exp(-diffusivity * math.pi**2 * x[:, :1]) * torch.sin(math.pi * x[:, 1:])

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            _, u_t, u_xx = derivatives(net, x, "t", "xx", axes="tx")
            return u_t - diffusivity * u_xx

        return _evolution(box, equation, exact, points)

    return pose


def advection(speed: float = 1.0, *, points: int = 300) -> Pose:
    """Advection, u_t + c u_x = 0 on [0, 1]^2, periodic, u = sin(2 pi (x - c t)); hard for c of 10 and more.

    Krishnapriyan et al. 2021.
    """

    def pose(dtype: torch.dtype) -> Equation:
        box = box_of([0.0, 0.0], [1.0, 1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.sin(2 * math.pi * (x[:, 1:] - speed * x[:, :1]))

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            _, u_t, u_x = derivatives(net, x, "t", "x", axes="tx")
            return u_t + speed * u_x

        def periodic(net: nn.Module, x: Tensor) -> Tensor:
            left, right = x.clone(), x.clone()
            left[:, 1], right[:, 1] = 0.0, 1.0
            jump: Tensor = net(left) - net(right)
            return jump

        terms = {
            "pde": Term(equation, box.inside, points),
            "ic": Term(equals(exact), box.faces([(0, 0)]), 60),
            "periodic": Term(periodic, box.faces([(1, 0)]), 60),
        }
        return Equation(box, terms, known(box, exact))

    return pose


def burgers(viscosity: float = 0.1, *, points: int = 300) -> Pose:
    """Burgers, u_t + u u_x = v u_xx on [0, 1] x [-1, 1] with the source that makes exp(-t) sin(pi x) its solution."""

    def pose(dtype: torch.dtype) -> Equation:
        box = box_of([0.0, -1.0], [1.0, 1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.exp(-x[:, :1]) * torch.sin(math.pi * x[:, 1:])

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            u, u_t, u_x, u_xx = derivatives(net, x, "t", "x", "xx", axes="tx")
            e, angle = torch.exp(-x[:, :1]), math.pi * x[:, 1:]
            known = exact(x)
            f = -known + known * e * math.pi * torch.cos(angle) + viscosity * math.pi**2 * known
            return u_t + u * u_x - viscosity * u_xx - f

        return _evolution(box, equation, exact, points)

    return pose


def _evolution(box: Box, equation: Residual, exact: Callable[[Tensor], Tensor], points: int) -> Equation:
    """An equation in time, with the solution given at the start and at both ends."""
    terms = {
        "pde": Term(equation, box.inside, points),
        "bc": Term(equals(exact), box.faces([(1, 0), (1, 1)]), 60),
        "ic": Term(equals(exact), box.faces([(0, 0)]), 60),
    }
    return Equation(box, terms, known(box, exact))
