"""Ordinary differential equations in time."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from benchmarks.calibration.equation import Equation, Exact, Term, equals
from benchmarks.calibration.equations._domain import Factor, Pose, box_of, known
from pinndiag.nn import derivatives

__all__ = ["decay_inverse", "logistic", "oscillator"]


def oscillator(frequency: float = 4.0, *, damping: float = 0.0, points: int = 150) -> Pose:
    """Oscillation, u'' + 2 d u' + w^2 u = 0 on [0, 1], u(0) = 1, u'(0) = -d: u = exp(-d t) cos(sqrt(w^2 - d^2) t)."""
    turn = math.sqrt(frequency**2 - damping**2)

    def pose(dtype: torch.dtype) -> Equation:
        box = box_of([0.0], [1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.exp(-damping * x) * torch.cos(turn * x)

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            u, u_t, u_tt = derivatives(net, x, "t", "tt", axes="t")
            return u_tt + 2 * damping * u_t + frequency**2 * u

        def start(net: nn.Module, x: Tensor) -> Tensor:
            u, u_t = derivatives(net, x, "t", axes="t")
            return torch.cat([u - 1, u_t + damping], dim=1)

        first = box.faces([(0, 0)])
        hard = Exact(lambda net: Factor(net, lambda x: x**2, lambda x: 1 - damping * x), ("ic",))
        terms = {"ode": Term(equation, box.inside, points), "ic": Term(start, first, 1)}
        return Equation(box, terms, known(box, exact), exact=hard)

    return pose


def logistic(first: float = 0.01, *, rate: float = 10.0, weight: float = 1.0) -> Pose:
    """Growth, u' = r u (1 - u) on [0, 1] from a small u(0); 0 and 1 solve it too (Rohrhofer et al. 2022)."""

    def pose(dtype: torch.dtype) -> Equation:
        box = box_of([0.0], [1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            grown = first * torch.exp(rate * x)
            return grown / (1 - first + grown)

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            u, u_t = derivatives(net, x, "t", axes="t")
            return u_t - rate * u * (1 - u)

        hard = Exact(lambda net: Factor(net, lambda x: x, lambda x: torch.full_like(x, first)), ("ic",))
        terms = {
            "ode": Term(equation, box.inside, 100),
            "ic": Term(equals(exact), box.faces([(0, 0)]), 1, weight=weight),
        }
        return Equation(box, terms, known(box, exact), exact=hard)

    return pose


def decay_inverse(rate: float = 2.0, *, wrong: float = 0.0, weight: float = 1.0) -> Pose:
    """Decay, u' = -k u on [0, 1], k sought from data of exp(-rate t), to which a wave of size `wrong` is added."""

    def pose(dtype: torch.dtype) -> Equation:
        box = box_of([0.0], [1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.exp(-rate * x)

        def measured(x: Tensor) -> Tensor:
            return exact(x) + wrong * torch.sin(4 * math.pi * x)

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            u, u_t = derivatives(net, x, "t", axes="t")
            return u_t + net.coefficient * u

        terms = {
            "ode": Term(equation, box.inside, 100),
            "data": Term(equals(measured), box.inside, 40, weight=weight),
        }
        return Equation(box, terms, known(box, exact), coefficient=1.0)

    return pose
