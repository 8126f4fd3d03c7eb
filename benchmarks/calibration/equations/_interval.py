"""Equations on an interval: of Poisson, for an eigenvector, with a layer, with a narrow source."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from benchmarks.calibration.equation import Equation, Exact, Term, equals
from benchmarks.calibration.equations._domain import Factor, Pose, box_of, known, zero
from pinndiag.nn import derivatives

__all__ = ["eigen", "layer", "poisson", "source"]


def poisson(
    waves: float = 1.0,
    *,
    length: float = 1.0,
    offset: float = 0.0,
    size: float = 1.0,
    pde: float = 1.0,
    extra: tuple[float, float] = (0.0, 0.0),
    points: int = 100,
    grid: bool = False,
) -> Pose:
    """Poisson, u'' = f on an interval, u = size (sin(2 pi waves s) + extra[0] sin(2 pi extra[1] s) + s), s from 0 to 1.

    Args:
        waves: periods of the solution.
        length: of the interval; derivatives are taken with respect to s, so that the equation keeps its size.
        offset: where the interval begins.
        size: of the solution.
        pde: a factor of the residual.
        extra: amplitude and periods of a second wave.
        points: inside.
        grid: regular ones, both ends included.
    """
    pairs = ((1.0, 2 * math.pi * waves), (extra[0], 2 * math.pi * extra[1]))

    def pose(dtype: torch.dtype) -> Equation:
        box = box_of([offset], [offset + length], dtype)

        def unit(x: Tensor) -> Tensor:
            return (x - offset) / length

        def exact(x: Tensor) -> Tensor:
            return size * (unit(x) + sum(a * torch.sin(w * unit(x)) for a, w in pairs))

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            _, second = derivatives(net, x, "xx")
            f = -size * sum(a * w**2 * torch.sin(w * unit(x)) for a, w in pairs)
            return pde * (length**2 * second - f)

        hard = Exact(lambda net: Factor(net, lambda x: unit(x) * (1 - unit(x)), lambda x: size * unit(x)), ("bc",))
        terms = {
            "pde": Term(equation, box.inside, points, box.grid(points) if grid else None),
            "bc": Term(equals(exact), box.boundary, 2, box.grid(2)),
        }
        return Equation(box, terms, known(box, exact), exact=hard)

    return pose


def eigen(*, normalised: bool = False) -> Pose:
    """Eigenvector, u'' + pi^2 u = 0, u(0) = u(1) = 0: zero solves it; `normalised`: its mean square is a half."""

    def pose(dtype: torch.dtype) -> Equation:
        box = box_of([0.0], [1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.sin(math.pi * x)

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            u, u_xx = derivatives(net, x, "xx")
            return u_xx + math.pi**2 * u

        def size(net: nn.Module, x: Tensor) -> Tensor:
            values: Tensor = net(x)
            # the sign of an eigenvector is free: here its middle is positive
            return (values.square().mean() - 0.5) ** 2 + (0.5 - values.mean()).clamp(min=0.0) ** 2

        terms = {
            "pde": Term(equation, box.inside, 100),
            "bc": Term(equals(zero), box.boundary, 2, box.grid(2)),
        }
        if normalised:
            terms["size"] = Term(size, box.inside, 100)
        return Equation(box, terms, known(box, exact))

    return pose


def layer(width: float = 0.1, *, points: int = 200) -> Pose:
    """The steady Burgers layer: w u'' + 2 u u' = 0 on [-1, 1], u = tanh(x / w), its values given at both ends."""

    def pose(dtype: torch.dtype) -> Equation:
        box = box_of([-1.0], [1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.tanh(x / width)

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            u, u_x, u_xx = derivatives(net, x, "x", "xx")
            return width * u_xx + 2 * u * u_x

        hard = Exact(lambda net: Factor(net, lambda x: 1 - x**2, lambda x: x * math.tanh(1 / width)), ("bc",))
        terms = {
            "pde": Term(equation, box.inside, points),
            "bc": Term(equals(exact), box.boundary, 2, box.grid(2)),
        }
        return Equation(box, terms, known(box, exact), exact=hard)

    return pose


def source(width: float = 0.05, *, points: int = 200) -> Pose:
    """Poisson, u'' = f on [0, 1], with a Gaussian source of a given width in f; u(0) = u(1) = 0."""

    def pose(dtype: torch.dtype) -> Equation:
        box = box_of([0.0], [1.0], dtype)
        middle = 0.4

        def bump(x: Tensor) -> Tensor:
            """Twice integrated exp(-z^2 / 2) / (w sqrt(2 pi)), z = (x - middle) / w."""
            z = (x - middle) / width
            density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
            below = 0.5 * (1 + torch.erf(z / math.sqrt(2)))
            return width * (z * below + density)

        ends = bump(box.grid(2))

        def exact(x: Tensor) -> Tensor:
            return bump(x) - ends[0] - (ends[1] - ends[0]) * x

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            _, second = derivatives(net, x, "xx")
            z = (x - middle) / width
            return second - torch.exp(-z * z / 2) / (width * math.sqrt(2 * math.pi))

        hard = Exact(lambda net: Factor(net, lambda x: x * (1 - x), zero), ("bc",))
        terms = {
            "pde": Term(equation, box.inside, points),
            "bc": Term(equals(zero), box.boundary, 2, box.grid(2)),
        }
        return Equation(box, terms, known(box, exact), exact=hard)

    return pose
