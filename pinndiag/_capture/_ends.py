"""The two ends of a network in a captured graph: the layers that meet the points, and the one that gives the output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from pinndiag._capture._activations import FUNCTIONS
from pinndiag._capture._graph import Graph, Node, Ref, references

__all__ = ["End", "first_layers", "last_layer"]

_PRODUCTS = {  # products of (points, inputs) with a weight -> which arguments are the points and the weight
    "aten.mm.default": (0, 1),
    "aten.addmm.default": (1, 2),
    "aten.linear.default": (0, 1),
}
_FLIPS = frozenset({"aten.t.default", "aten.transpose.int", "aten.permute.default"})  # of a matrix: its transpose
_ALIKE = frozenset(f"aten.{name}.default" for name in ("detach", "alias", "clone", "_to_copy"))
_PASSES = _ALIKE | frozenset(
    f"aten.{name}"
    for name in (
        "view.default",
        "_unsafe_view.default",
        "reshape.default",
        "squeeze.dim",
        "squeeze.default",
        "unsqueeze.default",
    )
)
_REACH = 64  # calls between a layer and its nonlinearity


@final
@dataclass(frozen=True)
class End:
    """A layer x W^T + b (or x W + b) with parameters that are trained.

    Attributes:
        weight: name of W.
        transposed: whether W stands there as (outputs, inputs).
        bias: name of b, a vector over the outputs that is added; None where none was found.
        inputs: what W is multiplied with, as a value of the graph.
    """

    weight: str
    transposed: bool
    bias: str | None
    inputs: Ref


def first_layers(graph: Graph, term: str) -> list[End]:
    """The layers of a term's first forward pass whose inputs depend on no trained parameter, in the network's order.

    Empty where one of them is added to another product before its nonlinearity, so that it is not clear what it is.
    """
    found: list[End] = []
    for activation in graph.activations:
        if activation.term != term or activation.node.source != "node":
            continue
        ends = _layers(graph, references(graph.nodes[activation.node.index].args[:1]))
        meeting = [end for end in ends if not _depends(graph, end.inputs)]
        if meeting and len(ends) > 1:
            return []
        found += [end for end in meeting if end.weight not in [known.weight for known in found]]
    return found


def last_layer(graph: Graph) -> End | None:
    """The layer whose output is the network's output, unchanged; None where something else follows it."""
    ref = graph.solve
    while ref is not None and ref.source == "node":
        node = graph.nodes[ref.index]
        arguments = references(node.args)
        biased = node.operator == "aten.add.Tensor" and not node.kwargs and len(arguments) == 2
        if node.operator in _PRODUCTS or (biased and any(_vector(graph, r) for r in arguments)):
            ends = _layers(graph, [ref])
            return ends[0] if len(ends) == 1 else None
        ref = arguments[0] if node.operator in _PASSES else None
    return None


def _layers(graph: Graph, start: list[Ref]) -> list[End]:
    """The nearest products with a trained matrix behind a value, with the vector added to them on the way."""
    pending, added = list(start), list[str]()
    products: list[tuple[str, bool, Ref]] = []
    for _ in range(_REACH):
        if not pending:
            break
        ref = pending.pop(0)
        name = _parameter(graph, ref)
        if name is not None:
            added.append(name)
        if ref.source != "node":
            continue
        node = graph.nodes[ref.index]
        if node.operator in _PRODUCTS:
            left, right = (node.args[k] for k in _PRODUCTS[node.operator])
            weight = _matrix(graph, right) if isinstance(right, Ref) else None
            if weight is not None and isinstance(left, Ref):
                name, flipped = weight
                products.append((name, flipped != (node.operator == "aten.linear.default"), left))
            added += _beside(graph, node)
        elif node.operator not in FUNCTIONS:  # behind another nonlinearity lies another layer
            pending += references((node.args, node.kwargs))
    return [
        End(name, outputs_first, _bias(graph, name, outputs_first, added), left)
        for name, outputs_first, left in products
    ]


def _vector(graph: Graph, ref: Ref) -> bool:
    """Whether a reference is a parameter, or one times a number."""
    if ref.source == "node" and graph.nodes[ref.index].operator == "aten.mul.Scalar":
        [ref] = references(graph.nodes[ref.index].args)
    return _parameter(graph, ref) is not None


def _beside(graph: Graph, product: Node) -> list[str]:
    """Parameters that a product adds by itself."""
    where = {"aten.addmm.default": 0, "aten.linear.default": 2}.get(product.operator)
    added = [] if where is None else references(product.args[where : where + 1])
    return [name for ref in added if (name := _parameter(graph, ref))]


def _bias(graph: Graph, weight: str, transposed: bool, added: Iterable[str]) -> str | None:
    shapes = {i.name: i.shape for i in graph.inputs if i.kind == "parameter"}
    outputs = shapes[weight][0 if transposed else 1]
    fitting = [name for name in dict.fromkeys(added) if shapes[name] in ((outputs,), (1, outputs))]
    return fitting[0] if len(fitting) == 1 else None


def _matrix(graph: Graph, ref: Ref) -> tuple[str, bool] | None:
    """The trained matrix that an argument is, and whether it was transposed on the way; None for anything else."""
    flipped = False
    for _ in range(_REACH):
        name = _parameter(graph, ref)
        if name is not None:
            return name, flipped
        node = graph.nodes[ref.index] if ref.source == "node" else None
        if node is None or node.operator not in _FLIPS | _ALIKE or len(references(node.args)) != 1:
            return None
        flipped ^= node.operator in _FLIPS
        [ref] = references(node.args)
    return None


def _parameter(graph: Graph, ref: Ref) -> str | None:
    """The name of a matrix or vector of parameters that a reference points at."""
    if ref.source != "input" or graph.inputs[ref.index].kind != "parameter":
        return None
    return graph.inputs[ref.index].name


def _depends(graph: Graph, value: Ref) -> bool:
    """Whether a value depends on a trained parameter."""
    pending, seen = [value], set[Ref]()
    while pending:
        ref = pending.pop()
        if ref in seen:
            continue
        seen.add(ref)
        if _parameter(graph, ref) is not None:
            return True
        if ref.source == "node":
            node = graph.nodes[ref.index]
            pending += references((node.args, node.kwargs))
    return False
