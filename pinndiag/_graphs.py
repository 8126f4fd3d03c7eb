"""Walks over autograd graphs: the leaves they end in, the user's own functions, whether two have a part in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor
from torch.autograd.function import BackwardCFunction

__all__ = ["custom_functions", "interiors", "leaves", "shares"]


def leaves(outputs: Iterable[Tensor]) -> list[Tensor]:
    """The leaf tensors that receive a gradient from `outputs`, each once, in the order in which they are met."""
    found: dict[int, Tensor] = {}
    for output in outputs:
        if output.grad_fn is None and output.requires_grad:
            found[id(output)] = output
    for node in _nodes(outputs, set()):
        if hasattr(node, "variable"):
            found[id(node.variable)] = node.variable
    return list(found.values())


def custom_functions(outputs: Iterable[Tensor]) -> list[str]:
    """Names of the user's own `torch.autograd.Function`s in the graphs, each once."""
    own = (node for node in _nodes(outputs, set()) if isinstance(node, BackwardCFunction))
    return list(dict.fromkeys(type(node).__name__.removesuffix("Backward") for node in own))


def interiors(outputs: Iterable[Tensor]) -> list[set[Any]]:
    """The nodes of each output's graph, without the leaves."""
    return [{node for node in _nodes([output], set()) if not hasattr(node, "variable")} for output in outputs]


def shares(outputs: Sequence[Tensor]) -> bool:
    """Whether two outputs have an interior node of their graphs in common (leaves do not count)."""
    found = interiors(outputs)
    return sum(map(len, found)) > len(set().union(*found))


def _nodes(outputs: Iterable[Tensor], seen: set[Any]) -> Iterable[Any]:
    """Every node of the graphs, each once. Nodes are held while the walk lasts, so that none is taken for another."""
    stack = [output.grad_fn for output in outputs]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        stack.extend(parent for parent, _ in node.next_functions)
