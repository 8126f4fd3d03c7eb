"""Hidden activations in a captured graph: elementwise nonlinearities of what a layer puts out."""

from __future__ import annotations

from collections.abc import Sequence

from pinndiag._capture._fold import Pruned
from pinndiag._capture._graph import Activation, Input, Node, Ref, references
from pinndiag._terms._parameters import layer_of

__all__ = ["FUNCTIONS", "found_activations"]

FUNCTIONS = {
    f"aten.{name}.default": name
    for name in (
        *("tanh", "sin", "cos", "sigmoid", "relu", "silu", "gelu", "softplus", "elu", "celu", "leaky_relu"),
        *("hardtanh", "hardsigmoid", "hardswish", "mish", "erf", "exp", "atan", "square", "abs"),
    )
} | {"aten.clamp_min.default": "relu", "aten.log_sigmoid_forward.default": "logsigmoid"}
_WEIGHTS = {  # products of (points, inputs) with a weight -> which argument is the weight
    "aten.mm.default": 1,
    "aten.bmm.default": 1,
    "aten.addmm.default": 2,
    "aten.baddbmm.default": 2,
    "aten.linear.default": 1,
}
_REACH = 64  # calls between a layer and its nonlinearity


def found_activations(inputs: Sequence[Input], piece: Pruned, term: str) -> list[Activation]:
    """The activations of the first forward pass that a term's value needs, in the order of the network.

    A node counts when it applies a known nonlinearity to what a product with a weight puts out, outside autograd's
    backward passes, as the first nonlinearity of that value and of that layer: the derivatives of sin and exp are
    nonlinearities too, but come later.
    """
    needed = _needed(piece.nodes, piece.outputs[term])
    seen_values: set[Ref] = set()
    seen_layers: set[str] = set()
    found = []
    for index in needed:
        node = piece.nodes[index]
        function = FUNCTIONS.get(node.operator)
        source = node.args[0] if node.args else None
        if function is None or piece.backward[index] or not isinstance(source, Ref) or source in seen_values:
            continue
        layer = _layer(inputs, piece, source)
        if layer is None or layer in seen_layers:
            continue
        seen_values.add(source)
        seen_layers.add(layer)
        item = 0 if node.operator.endswith("log_sigmoid_forward.default") else None
        found.append(Activation(layer, function, term, Ref("node", index, item)))
    return found


def _needed(nodes: Sequence[Node], output: Ref) -> list[int]:
    pending = {output.index} if output.source == "node" else set()
    found = []
    for index in reversed(range(len(nodes))):
        if index in pending:
            found.append(index)
            refs = references((nodes[index].args, nodes[index].kwargs))
            pending.update(r.index for r in refs if r.source == "node")
    return found[::-1]


def _layer(inputs: Sequence[Input], piece: Pruned, value: Ref) -> str | None:
    """The layer whose weight produced a value: the nearest product behind it, through elementwise and shape calls."""
    pending, visited = [value], 0
    while pending and visited < _REACH:
        ref = pending.pop(0)
        visited += 1
        if ref.source != "node":
            continue
        node = piece.nodes[ref.index]
        if node.operator in _WEIGHTS:
            weight = node.args[_WEIGHTS[node.operator]]
            name = _weight(inputs, piece, weight) if isinstance(weight, Ref) else None
            return None if name is None else layer_of(name)
        if node.operator in FUNCTIONS:
            continue  # behind another nonlinearity lies another layer
        pending += references((node.args, node.kwargs))
    return None


def _weight(inputs: Sequence[Input], piece: Pruned, ref: Ref) -> str | None:
    """The name of the parameter (or frozen parameter) that an argument shows, through shape calls only."""
    for _ in range(_REACH):
        if ref.source == "input":
            return inputs[ref.index].name if inputs[ref.index].kind == "parameter" else None
        if ref.source == "constant":
            return piece.constants[ref.index].name
        node = piece.nodes[ref.index]
        refs = references((node.args, node.kwargs))
        if len(refs) != 1 or node.operator in FUNCTIONS:
            return None
        [ref] = refs
    return None
