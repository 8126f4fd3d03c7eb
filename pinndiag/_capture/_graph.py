"""The terms of a PINN as a graph: plain values, no code.

A graph is a list of calls of operators in an order in which they can be run. An argument is a number, a flag, a string,
a dtype, a list of these, or a reference to an input, a constant or an earlier call. `_plain` writes it as dictionaries
and lists, and reads those back with suspicion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, final

import torch
from torch import Tensor

__all__ = ["DEVICE", "REFERENCE", "Activation", "Constant", "Graph", "Input", "Node", "Ref", "Size"]

REFERENCE = ""  # the group of inputs that holds the points of `solve`; no term has this name


class _Marker(Enum):
    DEVICE = "device"


DEVICE = _Marker.DEVICE  # "the device the graph runs on", wherever an operator takes a device


@final
@dataclass(frozen=True)
class Input:
    """Something the graph is evaluated at.

    Attributes:
        kind: "parameter", or "points": one column of a term's points, or of the points of `solve`.
        name: of the parameter; of the term, or `REFERENCE`.
        column: which column of the points.
        shape: at capture; the first dimension of points may vary, where the graph allows any number of them.
        dtype: at capture.
    """

    kind: Literal["parameter", "points"]
    name: str
    column: int
    shape: tuple[int, ...]
    dtype: torch.dtype


@final
@dataclass(frozen=True)
class Constant:
    """A tensor that depends neither on parameters nor on points. `name`: of a frozen parameter."""

    value: Tensor
    name: str | None = None


@final
@dataclass(frozen=True)
class Ref:
    """A reference to an input, a constant or a node; `item` picks one of a node's several outputs."""

    source: Literal["input", "constant", "node"]
    index: int
    item: int | None = None


@final
@dataclass(frozen=True)
class Size:
    """An integer that goes with the number of points: constant + sum of factor * N over groups of points."""

    constant: int
    factors: tuple[tuple[str, int], ...]

    def at(self, counts: Mapping[str, int]) -> int:
        """Its value for N points in each group."""
        return self.constant + sum(factor * counts[group] for group, factor in self.factors)


@final
@dataclass(frozen=True)
class Node:
    """A call of an operator.

    Attributes:
        operator: its name, such as "aten.mul.Tensor".
        args: arguments, nested lists of plain values, `Ref`, `Size`, dtypes and `DEVICE`.
        kwargs: keyword arguments.
        grad: False where it ran under `no_grad`: the result is a constant to differentiation.
    """

    operator: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    grad: bool = True


@final
@dataclass(frozen=True)
class Activation:
    """Where the values of hidden units stand in the graph of a term."""

    layer: str
    function: str
    term: str
    node: Ref


@final
@dataclass(frozen=True)
class Graph:
    """The terms, the network's output and the hidden activations of one PINN.

    Attributes:
        inputs: parameters, points of terms, points of `solve`.
        constants: what depends on neither.
        nodes: calls, each referring backwards only.
        outputs: term -> its residual or loss.
        solve: the network's output at the points of group `REFERENCE`, of shape (points, outputs), or None.
        activations: hidden activations, in the order of the network.
        fixed: groups of points whose number is baked into the graph.
    """

    inputs: tuple[Input, ...]
    constants: tuple[Constant, ...]
    nodes: tuple[Node, ...]
    outputs: Mapping[str, Ref]
    solve: Ref | None = None
    activations: tuple[Activation, ...] = ()
    fixed: frozenset[str] = frozenset()

    @property
    def groups(self) -> dict[str, int]:
        """Group of points (a term, or `REFERENCE`) -> number of points at capture."""
        return {i.name: i.shape[0] for i in self.inputs if i.kind == "points"}

    def to_plain(self) -> dict[str, Any]:
        """As dictionaries, lists, strings, numbers and tensors."""
        from pinndiag._capture._plain import write  # the format knows this class, not the other way round

        return write(self)

    @staticmethod
    def from_plain(plain: object) -> Graph:
        """The inverse of `to_plain`, for files from anyone: every type, reference, operator and argument is checked.

        Nothing is computed and nothing is allocated; call `pinndiag._capture.checked_shapes` before a replay.

        Raises:
            CheckpointError: anything that `to_plain` would not have written.
        """
        from pinndiag._capture._plain import read  # the format knows this class, not the other way round

        return read(plain)


def references(value: Any) -> list[Ref]:
    """Every `Ref` in an argument."""
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, (list, tuple)):
        return [ref for item in value for ref in references(item)]
    if isinstance(value, Mapping):
        return [ref for item in value.values() for ref in references(item)]
    return []
