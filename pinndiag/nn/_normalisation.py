"""Inputs brought to order one, as the first step of a network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Normalisation"]


class Normalisation(nn.Module):
    """x' = (x - shift) / scale, coordinate by coordinate; both are buffers and are not trained.

    Args:
        shift: one number for each coordinate.
        scale: one positive number for each coordinate.

    >>> Normalisation.unit([0.0, -1.0], [4.0, 1.0])(torch.tensor([[4.0, 0.0]]))
    tensor([[1., 0.]])
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Sequence[float], scale: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.get_default_dtype()))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.get_default_dtype()))

    @classmethod
    def unit(cls, low: Sequence[float], high: Sequence[float]) -> Normalisation:
        """The box between two corners becomes [-1, 1]^d."""
        return cls(_middle(low, high), [(b - a) / 2 for a, b in zip(low, high, strict=True)])

    @classmethod
    def standard(cls, low: Sequence[float], high: Sequence[float]) -> Normalisation:
        """Points uniform in the box get mean 0 and standard deviation 1 (Wang, Teng, Perdikaris 2021, their code)."""
        return cls(_middle(low, high), [(b - a) / math.sqrt(12) for a, b in zip(low, high, strict=True)])

    def forward(self, x: Float[Tensor, "points d"]) -> Float[Tensor, "points d"]:
        """Shift and scale."""
        return (x - self.shift) / self.scale

    def extra_repr(self) -> str:
        """The numbers, for `print(model)`."""
        return f"shift={self.shift.tolist()}, scale={self.scale.tolist()}"


def _middle(low: Sequence[float], high: Sequence[float]) -> list[float]:
    return [(a + b) / 2 for a, b in zip(low, high, strict=True)]
