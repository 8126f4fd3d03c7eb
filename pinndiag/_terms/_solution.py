"""A network as the function that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from torch import Tensor, nn

__all__ = ["Solution"]


@final
class Solution(nn.Module):
    """A network that is called with something else than points, as a function of points.

    Its parameters keep the names that they have in the network: see `modules_of`.

    Args:
        network: whose parameters are trained.
        call: points, as a tensor or as columns, to values.
    """

    def __init__(self, network: nn.Module, call: Callable[..., Tensor]) -> None:
        super().__init__()
        self.network = network
        self._call = call

    def forward(self, *points: Tensor) -> Tensor:
        """The values at the points."""
        return self._call(*points)
