"""Domains, known solutions, and conditions that hold by construction."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.calibration.equation import Equation
from pinndiag.problems import Box

__all__ = ["Factor", "Pose", "box_of", "known", "zero"]

Pose = Callable[[torch.dtype], Equation]


class Factor(nn.Module):
    """g + distance * network: what satisfies u = g where the distance is zero."""

    def __init__(self, net: nn.Module, distance: Callable[[Tensor], Tensor], g: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.net, self.distance, self.g = net, distance, g

    def forward(self, x: Tensor) -> Tensor:
        """The product."""
        return self.g(x) + self.distance(x) * self.net(x)


def box_of(low: list[float], high: list[float], dtype: torch.dtype) -> Box:
    return Box(tuple(low), tuple(high), torch.empty(0, dtype=dtype))


def known(box: Box, exact: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """The solution on a regular grid of about a thousand points."""
    x = box.grid(1001 if len(box.low) == 1 else 32)
    return x, exact(x)


def zero(x: Tensor) -> Tensor:
    return torch.zeros_like(x[:, :1])
