"""Walks over autograd graphs: the leaves they end in, the user's own functions, whether two have a part in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction

__all__ = ["Walk", "custom_functions", "leaves", "shares", "walk"]

# the node of a leaf; not known by its attribute, for a user's own function may keep a `variable` as well
LEAF: Any = torch._C._functions.AccumulateGrad  # type: ignore[attr-defined]


class Walk(NamedTuple):
    """What a walk through graphs meets.

    Attributes:
        leaves: the leaf tensors that receive a gradient, each once, in the order in which they are met.
        shared: two outputs have an interior node in common.
        last: the interior nodes next to a leaf: whatever goes back through the graphs passes one of them.
        kinds: the types of the interior nodes.
    """

    leaves: list[Tensor]
    shared: bool
    last: list[Any]
    kinds: set[type]


def walk(outputs: Iterable[Tensor]) -> Walk:
    """One walk through the graphs of the outputs."""
    found: dict[int, Tensor] = {}
    last: list[Any] = []
    seen: set[Any] = set()  # holds the nodes, so that none is taken for another
    shared = False
    for output in outputs:
        if output.grad_fn is None:
            if output.requires_grad:
                found[id(output)] = output
            continue
        shared = shared or output.grad_fn in seen
        mine = {output.grad_fn}
        stack: list[Any] = [output.grad_fn]
        while stack:
            node = stack.pop()
            at_end = False
            for parent, _ in node.next_functions:
                if isinstance(parent, LEAF):
                    at_end = True
                    found[id(parent.variable)] = parent.variable
                elif parent in seen:  # what lies behind it is known
                    shared = True
                elif parent is not None and parent not in mine:
                    mine.add(parent)
                    stack.append(parent)
            if at_end:
                last.append(node)
        seen |= mine
    return Walk(list(found.values()), shared, last, set(map(type, seen)))


def leaves(outputs: Iterable[Tensor]) -> list[Tensor]:
    """The leaf tensors that receive a gradient from `outputs`, each once, in the order in which they are met."""
    return walk(outputs).leaves


def shares(outputs: Iterable[Tensor]) -> bool:
    """Whether two outputs have an interior node of their graphs in common (leaves do not count)."""
    return walk(outputs).shared


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
