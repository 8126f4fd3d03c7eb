"""A graph in another floating dtype."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from pinndiag._capture._graph import Graph
from pinndiag._capture._replay import cast, to_dtype

__all__ = ["recast"]


def recast(graph: Graph, real: torch.dtype) -> Graph:
    """The graph as if it had been captured in `real`: inputs, constants, and the dtypes that its calls name."""

    def renamed(value: Any) -> Any:
        if isinstance(value, torch.dtype):
            return to_dtype(value, real)
        if isinstance(value, (list, tuple)):
            return type(value)(renamed(item) for item in value)
        return value

    return replace(
        graph,
        inputs=tuple(replace(i, dtype=to_dtype(i.dtype, real)) for i in graph.inputs),
        constants=tuple(replace(c, value=cast(c.value, real, c.value.device)) for c in graph.constants),
        nodes=tuple(
            replace(node, args=renamed(node.args), kwargs={key: renamed(a) for key, a in node.kwargs.items()})
            for node in graph.nodes
        ),
    )
