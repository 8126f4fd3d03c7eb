"""From a recording to a graph: leave out what is not needed, compute beforehand what depends on no input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch

from pinndiag._capture._graph import Constant, Graph, Input, Node, Ref, Size, references
from pinndiag._capture._recording import Recording
from pinndiag._capture._replay import Plan

__all__ = ["Pruned", "folded", "merged", "pruned", "substituted"]

_TURNS = frozenset({"aten.t.default", "aten.transpose.int", "aten.permute.default"})


@final
@dataclass(frozen=True)
class Pruned:
    """The part of a recording that its outputs need.

    Attributes:
        nodes, constants, outputs: as in a graph.
        backward: which nodes were called by a backward pass.
    """

    nodes: tuple[Node, ...]
    constants: tuple[Constant, ...]
    outputs: dict[str, Ref]
    backward: tuple[bool, ...]


def substituted(value: Any, change: Callable[[Ref], Ref]) -> Any:
    """An argument with every reference replaced."""
    if isinstance(value, Ref):
        return change(value)
    if isinstance(value, (list, tuple)):
        return [substituted(item, change) for item in value]
    return value


def _rewritten(node: Node, change: Callable[[Ref], Ref]) -> Node:
    args = tuple(substituted(a, change) for a in node.args)
    return replace(node, args=args, kwargs={k: substituted(a, change) for k, a in node.kwargs.items()})


def _needed(nodes: Sequence[Node], wanted: Iterable[Ref]) -> list[int]:
    pending = {ref.index for ref in wanted if ref.source == "node"}
    found = []
    for index in reversed(range(len(nodes))):
        if index in pending:
            found.append(index)
            node = nodes[index]
            pending.update(r.index for r in references((node.args, node.kwargs)) if r.source == "node")
    return found[::-1]


def pruned(recording: Recording) -> Pruned:
    """Only the calls and constants that the outputs need, renumbered in order."""
    kept = _needed(recording.nodes, recording.outputs.values())
    nodes = {old: new for new, old in enumerate(kept)}
    constants: dict[int, int] = {}

    def change(ref: Ref) -> Ref:
        if ref.source == "node":
            return replace(ref, index=nodes[ref.index])
        if ref.source == "constant":
            return replace(ref, index=constants.setdefault(ref.index, len(constants)))
        return ref

    found = tuple(_rewritten(recording.nodes[i], change) for i in kept)
    outputs = {name: change(ref) for name, ref in recording.outputs.items()}
    values = tuple(recording.constants[i] for i in constants)
    return Pruned(found, values, outputs, tuple(recording.backward[i] for i in kept))


def folded(piece: Pruned) -> Pruned:
    """The same with every value that depends on neither an input nor a number of points computed beforehand."""
    varies: list[bool] = []
    for node in piece.nodes:
        refs = references((node.args, node.kwargs))
        inputs = any(r.source == "input" or (r.source == "node" and varies[r.index]) for r in refs)
        # a frozen weight keeps its name, by which its layer is known: turning it costs nothing
        named = node.operator in _TURNS and any(r.source == "constant" and piece.constants[r.index].name for r in refs)
        varies.append(inputs or named or _has_size((node.args, list(node.kwargs.values()))))
    frontier = {
        (r.index, r.item)
        for node, alive in zip(piece.nodes, varies, strict=True)
        if alive
        for r in references((node.args, node.kwargs))
        if r.source == "node" and not varies[r.index]
    }
    frontier |= {(r.index, r.item) for r in piece.outputs.values() if r.source == "node" and not varies[r.index]}
    wanted = [Ref("node", index, item) for index, item in sorted(frontier, key=lambda p: (p[0], p[1] or 0))]
    constants = list(piece.constants)
    computed: dict[tuple[int, int | None], int] = {}
    if wanted:
        device = constants[0].value.device if constants else torch.device("cpu")
        device = next((c.value.device for c in constants if c.value.device.type != "cpu"), device)
        plan = Plan(Graph((), piece.constants, piece.nodes, {}), wanted, device)
        with torch.no_grad():
            values = plan.run([], [c.value for c in constants], {})
        for ref, value in zip(wanted, values, strict=True):
            computed[ref.index, ref.item] = len(constants)
            constants.append(Constant(value.detach().resolve_conj().resolve_neg().clone()))

    def change(ref: Ref) -> Ref:
        place = (ref.index, ref.item)
        return Ref("constant", computed[place]) if ref.source == "node" and place in computed else ref

    nodes = [_rewritten(node, change) if alive else node for node, alive in zip(piece.nodes, varies, strict=True)]
    outputs = {name: change(ref) for name, ref in piece.outputs.items()}
    return pruned(Recording(nodes, list(piece.backward), constants, outputs))


def _has_size(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_has_size(item) for item in value)
    return isinstance(value, Size)


def merged(pieces: Sequence[tuple[Sequence[Input], Pruned]]) -> tuple[tuple[Input, ...], Pruned]:
    """Several pieces as one: inputs of the same name and equal constants are shared."""
    inputs: dict[Input, int] = {}
    nodes: list[Node] = []
    backward: list[bool] = []
    constants: list[Constant] = []
    outputs: dict[str, Ref] = {}
    for own, piece in pieces:
        for given in own:  # a term keeps all its columns, also one that it does not use
            if given.kind == "points":
                inputs.setdefault(given, len(inputs))
        start = len(nodes)
        places = [_place(constants, constant) for constant in piece.constants]

        def change(ref: Ref, own: Sequence[Input] = own, start: int = start, places: list[int] = places) -> Ref:
            if ref.source == "input":
                return Ref("input", inputs.setdefault(own[ref.index], len(inputs)))
            return replace(ref, index=ref.index + start if ref.source == "node" else places[ref.index])

        nodes += [_rewritten(node, change) for node in piece.nodes]
        backward += piece.backward
        outputs |= {name: change(ref) for name, ref in piece.outputs.items()}
    return tuple(inputs), Pruned(tuple(nodes), tuple(constants), outputs, tuple(backward))


def _place(constants: list[Constant], constant: Constant) -> int:
    """Where a constant stands among those known, added if it is new."""
    value = constant.value
    for index, known in enumerate(constants):
        other = known.value
        alike = (other.dtype, other.shape, other.device) == (value.dtype, value.shape, value.device)
        if alike and known.name == constant.name and torch.equal(other, value):
            return index
    constants.append(constant)
    return len(constants) - 1
