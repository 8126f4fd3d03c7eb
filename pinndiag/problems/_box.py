"""Boxes to draw points from: inside, on faces, on a grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Box", "Sampler"]

Points = Float[Tensor, "points d"]
Sampler = Callable[[int], Points]


@final
@dataclass(frozen=True)
class Box:
    """An axis-parallel box. Draws come from torch's global generator, as `wrap` asks of a sampler.

    Attributes:
        low: the lower end of each coordinate.
        high: the upper ends.
        like: a tensor whose dtype and device the points get.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    like: Tensor

    def inside(self, count: int) -> Points:
        """Points uniform in the box."""
        low, high = self._corners
        draws = torch.rand(count, len(self.low), dtype=self.like.dtype, device=self.like.device)
        return low + (high - low) * draws

    def faces(self, faces: Sequence[tuple[int, int]]) -> Sampler:
        """A sampler of points uniform on some faces, as many on each (up to one), face after face in turn.

        Args:
            faces: pairs (coordinate, end) with end 0 for its lower and 1 for its upper end.
        """

        def draw(count: int) -> Points:
            points = self.inside(count)
            for k, (axis, end) in enumerate(faces):
                points[k :: len(faces), axis] = (self.low, self.high)[end][axis]
            return points

        return draw

    @property
    def boundary(self) -> Sampler:
        """A sampler of points on all faces."""
        return self.faces([(axis, end) for axis in range(len(self.low)) for end in (0, 1)])

    def grid(self, per_side: int) -> Points:
        """All points of a regular grid with both ends, the last coordinate running fastest."""
        ends = zip(self.low, self.high, strict=True)
        columns = [torch.linspace(a, b, per_side, dtype=self.like.dtype, device=self.like.device) for a, b in ends]
        return torch.stack(torch.meshgrid(*columns, indexing="ij"), dim=-1).reshape(-1, len(columns))

    @cached_property
    def _corners(self) -> tuple[Tensor, Tensor]:
        return self.like.new_tensor(self.low), self.like.new_tensor(self.high)
