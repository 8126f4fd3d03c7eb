"""Capture: the terms of a PINN as a graph of ATen operators, and terms that replay it."""

from __future__ import annotations

from typing import final

import torch

from pinndiag._capture._graph import Graph
from pinndiag._capture._terms import CapturedTerms
from pinndiag._pinn import PINN

__all__ = ["Captured", "CapturedTerms", "Graph", "captured", "checked_shapes"]


@final
class Captured:
    """A PINN whose terms were captured.

    Attributes:
        graph: the graph.
        failures: term -> why it could not be captured (only with `partial=True`).
        notes: what a report should say about the capture.
    """

    graph: Graph
    failures: dict[str, str]
    notes: list[str]

    def rebuilt(
        self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None, initial: bool = False
    ) -> PINN:
        """An independent PINN over the graph, at the present (or initial) parameters."""
        raise NotImplementedError


def captured(pinn: PINN, *, partial: bool = False) -> Captured:
    """Capture the terms of a PINN; see `Captured`."""
    raise NotImplementedError


def checked_shapes(graph: Graph) -> None:
    """Raise CheckpointError unless every value of the graph is small enough, found out without allocating any."""
    raise NotImplementedError
