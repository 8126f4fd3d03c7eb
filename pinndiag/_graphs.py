"""Walks over autograd graphs: the leaves they end in, the user's own functions, whether two have a part in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.autograd.function import BackwardCFunction

__all__ = ["custom_functions", "leaves", "leaves_and_sharing", "shares"]


def leaves_and_sharing(outputs: Iterable[Tensor]) -> tuple[list[Tensor], bool]:
    """The leaf tensors that receive a gradient, each once, in the order in which they are met; and whether two outputs
    have an interior node of their graphs in common (leaves do not count).

    Nodes are held while the walk lasts, so that none is taken for another.
    """
    found: dict[int, Tensor] = {}
    seen: dict[Any, None] = {}
    shared = False
    for output in outputs:
        if output.grad_fn is None:
            if output.requires_grad:
                found[id(output)] = output
            continue
        shared = shared or output.grad_fn in seen
        mine: dict[Any, None] = {output.grad_fn: None}
        stack = [output.grad_fn]
        while stack:
            for parent, _ in stack.pop().next_functions:
                if parent is None or parent in mine:
                    continue
                if parent in seen:  # what lies behind it is known
                    shared = shared or not hasattr(parent, "variable")
                    continue
                mine[parent] = None
                if parent.next_functions:
                    stack.append(parent)
                elif hasattr(parent, "variable"):
                    found[id(parent.variable)] = parent.variable
        seen |= mine
    return list(found.values()), shared


def leaves(outputs: Iterable[Tensor]) -> list[Tensor]:
    """The leaf tensors that receive a gradient from `outputs`, each once, in the order in which they are met."""
    return leaves_and_sharing(outputs)[0]


def shares(outputs: Iterable[Tensor]) -> bool:
    """Whether two outputs have an interior node of their graphs in common (leaves do not count)."""
    return leaves_and_sharing(outputs)[1]


def custom_functions(outputs: Iterable[Tensor]) -> list[str]:
    """Names of the user's own `torch.autograd.Function`s in the graphs, each once."""
    own = (node for node in _nodes(outputs) if isinstance(node, BackwardCFunction))
    return list(dict.fromkeys(type(node).__name__.removesuffix("Backward") for node in own))


def _nodes(outputs: Iterable[Tensor]) -> Iterable[Any]:
    """Every node of the graphs, each once."""
    seen: set[Any] = set()
    stack = [output.grad_fn for output in outputs]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        stack.extend(parent for parent, _ in node.next_functions)
