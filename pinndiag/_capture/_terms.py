"""Terms that replay a captured graph instead of calling the user's closures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from pinndiag._capture._graph import REFERENCE, Graph, Ref
from pinndiag._capture._recast import recast
from pinndiag._capture._replay import Plan, cast
from pinndiag._errors import PinndiagError
from pinndiag._terms._points import PointSet
from pinndiag._terms._terms import AbstractTerms, TermInfo

__all__ = ["CapturedTerms"]


@final
class CapturedTerms(AbstractTerms):
    """Terms of a captured graph, bound to parameters, a device and a dtype.

    Args:
        graph: the captured graph.
        infos: facts about the terms, in order; their points are moved to the device and dtype.
        parameters: name -> tensor, every parameter of the graph.
        device: where the replay runs.
        dtype: floating dtype of the replay, or None for the dtypes of the graph as they stand.

    Raises:
        PinndiagError: a parameter or a term of the graph is missing, or has another shape.
    """

    def __init__(
        self,
        graph: Graph,
        infos: Mapping[str, TermInfo],
        parameters: Mapping[str, Tensor],
        *,
        device: torch.device,
        dtype: torch.dtype | None = None,
    ) -> None:
        # in its own dtype, so that a copy of these terms, or a file of them, is whole
        self.graph = graph = graph if dtype is None else recast(graph, dtype)
        self._device, self._dtype = device, dtype
        self.infos = {name: replace(info, points=self._moved(info.points)) for name, info in infos.items()}
        self._columns = {(i.name, i.column): index for index, i in enumerate(graph.inputs) if i.kind == "points"}
        self._constants: list[Tensor | None] = [cast(c.value, dtype, device) for c in graph.constants]
        self._parameters: list[Tensor | None] = [None] * len(graph.inputs)
        self._plans: dict[tuple[Ref, ...], Plan] = {}
        for index, i in enumerate(graph.inputs):
            if i.kind == "parameter":
                if i.name not in parameters or parameters[i.name].shape != i.shape:
                    found = "missing" if i.name not in parameters else f"of shape {tuple(parameters[i.name].shape)}"
                    raise PinndiagError(
                        f"parameter {i.name!r} of the graph, of shape {i.shape}, is {found}",
                        cause="the parameters belong to another network than the graph",
                        fix="use the parameters that the graph was captured with",
                    )
                self._parameters[index] = parameters[i.name]

    def outputs(self, names: Sequence[str], points: Mapping[str, PointSet] | None = None) -> dict[str, Tensor]:
        """See `AbstractTerms`. Terms that share a forward pass, asked for together, share it."""
        points = points or {}
        groups = self.graph.groups
        given: dict[str, PointSet] = {}
        for name in groups:
            found = points.get(name) or (self.infos[name].points if name in self.infos else None)
            if name != REFERENCE and found is not None:
                given[name] = found
        blocked = [n for n in names if n in self.graph.fixed and given[n].count != groups[n]]
        with torch.enable_grad():
            together = [n for n in names if n not in blocked]
            values = dict(zip(together, self._run([self.graph.outputs[n] for n in together], given), strict=True))
            for name in blocked:
                values[name] = self._in_blocks(name, self.graph.outputs[name], given[name], given)
        # a term that no parameter changes has a gradient all the same: zero
        return {name: v if (v := values[name]).requires_grad else v.detach().requires_grad_() for name in names}

    def solve(self, points: PointSet) -> Tensor:
        """See `AbstractTerms`."""
        if self.graph.solve is None:
            raise PinndiagError(
                "the network's output cannot be evaluated",
                cause="the file or the PINN came without a network that takes points",
                fix="pass solution=(points, values) to wrap, with the points as the model takes them",
            )
        if REFERENCE in self.graph.fixed and points.count != self.graph.groups[REFERENCE]:
            return self._in_blocks(REFERENCE, self.graph.solve, points, {})
        [output] = self._run([self.graph.solve], {REFERENCE: points})
        return output.reshape(points.count, -1)

    def activations(self, term: str) -> list[tuple[str, str, Tensor]]:
        """Hidden activations of a term's first forward pass: (layer, function, values of shape (points, units))."""
        found = [a for a in self.graph.activations if a.term == term]
        points = {term: p} if (p := self.infos[term].points) is not None else {}
        values = self._run([a.node for a in found], points)
        return [(a.layer, a.function, v.reshape(-1, v.shape[-1])) for a, v in zip(found, values, strict=True)]

    def value(self, term: str, ref: Ref) -> Tensor:
        """A value of the graph that a term's value needs, at the term's own points."""
        points = {term: p} if (p := self.infos[term].points) is not None else {}
        [found] = self._run([ref], points)
        return found

    def _run(self, wanted: Sequence[Ref], points: Mapping[str, PointSet]) -> list[Tensor]:
        key = tuple(wanted)
        if key not in self._plans:
            self._plans[key] = Plan(self.graph, key, self._device)
        inputs = list(self._parameters)
        counts = dict(self.graph.groups)
        for name, chosen in points.items():
            counts[name] = chosen.count
            for column, tensor in enumerate(chosen.tensors):
                index = self._columns.get((name, column))
                if index is None:
                    continue  # the graph does not use this column
                self._check_column(name, index, tensor)
                inputs[index] = cast(tensor.detach(), self._dtype, self._device)
        return self._plans[key].run(inputs, self._constants, counts)

    def _check_column(self, name: str, index: int, tensor: Tensor) -> None:
        expected = self.graph.inputs[index]
        if tensor.shape[1:] != expected.shape[1:]:
            shown = f"term {name!r}" if name != REFERENCE else "the network"
            raise PinndiagError(
                f"{shown} was given points of another form than it was captured with",
                where=f"column {expected.column}: {tuple(tensor.shape)}, captured with {expected.shape}",
                cause="the points have other dimensions, or their columns were put together differently",
                fix=f"give tensors of shape (N, {', '.join(map(str, expected.shape[1:]))})",
            )

    def _in_blocks(self, name: str, ref: Ref, points: PointSet, others: Mapping[str, PointSet]) -> Tensor:
        """A value whose number of points is baked in: in sets of that number, the last one filled up and cut."""
        size = self.graph.groups[name]
        by_point = name == REFERENCE or self.infos[name].by_point
        if not by_point:
            raise PinndiagError(
                f"term {name!r} can only be evaluated at {size} points, not at {points.count}",
                where=f"term {name!r}",
                cause="the number of points is part of its formula, or a branch of it depends on the number",
                fix=f"ask for exactly {size} points",
            )
        found = []
        for start in range(0, points.count, size):
            rows = torch.arange(start, start + size).clamp(max=points.count - 1)
            block = points.rows(rows.to(points.tensors[0].device))
            [value] = self._run([ref], {**others, name: block})
            found.append(value[: points.count - start])
        return torch.cat(found)

    def _moved(self, points: PointSet | None) -> PointSet | None:
        return (
            None
            if points is None
            else points.map([cast(t.detach(), self._dtype, self._device) for t in points.tensors])
        )
