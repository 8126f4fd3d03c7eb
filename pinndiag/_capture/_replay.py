"""Run a graph: the calls that the asked values need, in order, each value freed after its last use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch._ops import OpOverload

from pinndiag._capture._graph import DEVICE, Graph, Node, Ref, Size, references
from pinndiag._capture._operators import resolve

__all__ = ["Plan", "cast", "to_dtype"]

_COMPLEX = {torch.float16: torch.complex32, torch.float32: torch.complex64, torch.float64: torch.complex128}


def to_dtype(dtype: torch.dtype, real: torch.dtype | None) -> torch.dtype:
    """What a dtype of the graph becomes in a replay in `real`: floating and complex ones change, integers do not."""
    if real is None or not (dtype.is_floating_point or dtype.is_complex):
        return dtype
    return _COMPLEX.get(real, torch.complex64) if dtype.is_complex else real


def cast(tensor: Tensor, real: torch.dtype | None, device: torch.device) -> Tensor:
    """A tensor of the graph on the device and in the dtype of the replay."""
    return tensor.to(device=device, dtype=to_dtype(tensor.dtype, real))


@final
@dataclass(frozen=True)
class _Step:
    index: int
    operator: OpOverload
    node: Node
    frees: tuple[int, ...]


@final
class Plan:
    """The steps that a set of values needs, on one device.

    Args:
        graph: the graph.
        wanted: the values that are asked for.
        device: where it runs.
    """

    def __init__(self, graph: Graph, wanted: Sequence[Ref], device: torch.device) -> None:
        self._wanted = list(wanted)
        self._device = device
        kept = {ref.index for ref in wanted if ref.source == "node"}
        last: dict[int, int] = {}  # node -> the last step that uses it
        needed: list[int] = []
        pending = set(kept)
        for index in reversed(range(len(graph.nodes))):
            if index not in pending:
                continue
            needed.append(index)
            node = graph.nodes[index]
            for ref in references((node.args, node.kwargs)):
                if ref.source == "node":
                    pending.add(ref.index)
                    last.setdefault(ref.index, index)
        frees: dict[int, list[int]] = {}
        for value, step in last.items():
            if value not in kept:
                frees.setdefault(step, []).append(value)
        self._steps = [
            _Step(i, resolve(graph.nodes[i].operator), graph.nodes[i], tuple(frees.get(i, ())))
            for i in reversed(needed)
        ]

    @property
    def steps(self) -> int:
        """Number of calls."""
        return len(self._steps)

    def run(
        self, inputs: Sequence[Tensor | None], constants: Sequence[Tensor | None], counts: Mapping[str, int]
    ) -> list[Tensor]:
        """The wanted values.

        Args:
            inputs: the graph's inputs, on the device and in the dtype of the graph; None where no step uses it.
            constants: likewise.
            counts: number of points of each group.
        """
        values = _Values(inputs, constants, counts, self._device)
        for step in self._steps:
            args = [values.resolved(a) for a in step.node.args]
            kwargs = {key: values.resolved(a) for key, a in step.node.kwargs.items()}
            if step.node.grad:
                values.found[step.index] = step.operator(*args, **kwargs)
            else:
                with torch.no_grad():
                    values.found[step.index] = step.operator(*args, **kwargs)
            for index in step.frees:
                del values.found[index]
        return [values.resolved(ref) for ref in self._wanted]


@final
class _Values:
    """What a run has found so far; no inner function, whose reference to itself would keep the tensors alive."""

    def __init__(
        self,
        inputs: Sequence[Tensor | None],
        constants: Sequence[Tensor | None],
        counts: Mapping[str, int],
        device: torch.device,
    ) -> None:
        self.found: dict[int, Any] = {}
        self._given = {"input": inputs, "constant": constants}
        self._counts = counts
        self._device = device

    def resolved(self, value: Any) -> Any:
        """An argument with its references replaced by what they stand for."""
        if isinstance(value, Ref):
            if value.source != "node":
                return self._given[value.source][value.index]
            found = self.found[value.index]
            return found if value.item is None else found[value.item]
        if isinstance(value, (list, tuple)):
            return [self.resolved(item) for item in value]
        if isinstance(value, Size):
            return value.at(self._counts)
        return self._device if value is DEVICE else value
