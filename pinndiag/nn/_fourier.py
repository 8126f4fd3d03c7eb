"""Random Fourier features: coordinates as waves of many frequencies."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["FourierFeatures"]


class FourierFeatures(nn.Module):
    """x -> (cos 2 pi B x, sin 2 pi B x) with entries of B drawn from N(0, scale^2), a buffer that is not trained.

    Tancik et al. 2020 (NeurIPS 33, 7537); for PINNs Wang, Wang, Perdikaris 2021 (CMAME 384, 113938), who call the
    scale sigma and choose it by the frequencies of the solution: with coordinates of length one, a scale of s resolves
    about s waves. To be put before a network, `nn.Sequential(FourierFeatures(2, 64, scale=1.0), MLP(128, 1))`.

    Args:
        inputs: d, number of coordinates.
        features: number of frequencies; the outputs are twice as many.
        scale: standard deviation of the frequencies, in waves per unit of x.

    State dict: `frequencies`, of shape (features, inputs), without the factor 2 pi.

    >>> FourierFeatures(1, 2, scale=3.0)(torch.zeros(1, 1))
    tensor([[1., 1., 0., 0.]])
    """

    frequencies: Tensor

    def __init__(self, inputs: int, features: int, *, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("frequencies", scale * torch.randn(features, inputs))

    @property
    def phases(self) -> Float[Tensor, "features d"]:
        """2 pi B."""
        return 2 * math.pi * self.frequencies

    def forward(self, x: Float[Tensor, "points d"]) -> Float[Tensor, "points waves"]:
        """Cosines, then sines."""
        phase = nn.functional.linear(x, self.phases)
        return torch.cat([torch.cos(phase), torch.sin(phase)], dim=-1)
