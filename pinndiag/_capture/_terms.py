"""Terms that replay a captured graph instead of calling the user's closures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from pinndiag._capture._graph import Graph
from pinndiag._points import PointSet
from pinndiag._terms import AbstractTerms, TermInfo

__all__ = ["CapturedTerms"]


@final
class CapturedTerms(AbstractTerms):
    """Terms of a captured graph, bound to parameters, a device and a dtype.

    Args:
        graph: the captured graph.
        infos: facts about the terms, in order; their points are moved to the device and dtype.
        parameters: name -> tensor, every parameter of the graph.
        device: where the replay runs.
        dtype: floating dtype of the replay, or None for the dtypes of the graph as they stand.
    """

    def __init__(
        self,
        graph: Graph,
        infos: Mapping[str, TermInfo],
        parameters: Mapping[str, Tensor],
        *,
        device: torch.device,
        dtype: torch.dtype | None = None,
    ) -> None:
        raise NotImplementedError

    def outputs(self, names: Sequence[str], points: Mapping[str, PointSet] | None = None) -> dict[str, Tensor]:
        """See `AbstractTerms`."""
        raise NotImplementedError

    def solve(self, points: PointSet) -> Tensor:
        """See `AbstractTerms`."""
        raise NotImplementedError

    def activations(self, term: str) -> list[tuple[str, str, Tensor]]:
        """Hidden activations of the first forward pass in a term: (layer, function, values of shape (points, units))."""
        raise NotImplementedError
