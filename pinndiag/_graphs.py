"""Walks over autograd graphs: which leaves they end in, and whether two graphs have a part in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

__all__ = ["leaves", "shares"]


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


def shares(outputs: Sequence[Tensor]) -> bool:
    """Whether two outputs have an interior node of their graphs in common (leaves do not count)."""
    seen: set[Any] = set()
    for output in outputs:
        mine = {node for node in _nodes([output], set()) if not hasattr(node, "variable")}
        if mine & seen:
            return True
        seen |= mine
    return False


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
