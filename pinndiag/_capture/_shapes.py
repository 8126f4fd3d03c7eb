"""What a graph would cost to run, found out on tensors that have a shape and no memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch._ops import OpOverload

from pinndiag._capture._cost import Cost, call_cost, pieces
from pinndiag._capture._graph import DEVICE, Graph, Ref, Size, references
from pinndiag._capture._guards import unproven, unsound
from pinndiag._capture._operators import resolve
from pinndiag._capture._plain import MAX_ENTRIES, MAX_ITEMS, MAX_NODES
from pinndiag._capture._shape_rules import simple_output
from pinndiag._errors import CheckpointError

__all__ = ["checked_shapes"]

_META = torch.device("meta")
_MAX_FURTHER = 2**15  # tensors that calls return beside their first, all together


def checked_shapes(graph: Graph, counts: Mapping[str, int] | None = None) -> Cost:
    """Refuse a graph with an operator that does not fit its arguments, or with a value of more than 2**28 entries.

    Every value counts with its full shape, also an expanded view that needs no memory of its own. Call it before a
    graph from a file is replayed, and for other numbers of points than those of the file.

    Args:
        graph: the graph.
        counts: number of points of each group; default: those at capture.

    Returns:
        Work of one evaluation, and bytes of all values together: what one that keeps them for its backward pass needs.

    Raises:
        CheckpointError: a value would be too large, or an operator refuses its arguments.

    Cost: about 20 microseconds a node; no memory for values.
    """
    if len(graph.nodes) > MAX_NODES:
        _refuse(f"it has {len(graph.nodes)} calls; at most {MAX_NODES} are run")
    counts = {**graph.groups, **(counts or {})}
    inputs = []
    for i in graph.inputs:
        shape = (counts[i.name], *i.shape[1:]) if i.kind == "points" else i.shape
        inputs.append(_small(torch.empty(shape, dtype=i.dtype, device=_META), f"input {i.name!r}"))
    constants = [_small(_constant(c.value), "a constant") for c in graph.constants]
    values: dict[int, Any] = {}
    work = beside = further = 0
    memory: dict[int, int] = {}  # by storage, so that views count once; `values` keeps the storages apart

    def resolved(value: Any) -> Any:
        if isinstance(value, Ref):
            if value.source == "node":
                return _item(values[value.index], value.item)
            return inputs[value.index] if value.source == "input" else constants[value.index]
        if isinstance(value, (list, tuple)):
            return [resolved(item) for item in value]
        if isinstance(value, Size):
            return value.at(counts)
        return _META if value is DEVICE else value

    with torch.no_grad():
        for index, node in enumerate(graph.nodes):
            args = [resolved(a) for a in node.args]
            kwargs = {key: resolved(a) for key, a in node.kwargs.items()}
            operator = resolve(node.operator)
            names = [argument.name for argument in operator._schema.arguments]
            if "device" in names and "device" not in kwargs and not references((node.args, node.kwargs)):
                kwargs["device"] = _META
            if len(args) > len(names):
                _refuse(f"call {index}, {node.operator}, has more arguments than it takes")
            given = {**dict(zip(names, args, strict=False)), **kwargs}
            if node.operator == "aten.as_strided.default":
                _check_window(*args)
            if unproven(graph.nodes, node) or _unfit(operator, given):
                _refuse(f"call {index}, {node.operator}, has arguments that it does not check itself")
            further += (parts := pieces(operator, given)) - 1
            if parts > MAX_ITEMS or further > _MAX_FURTHER:
                _refuse(f"call {index}, {node.operator}, would return too many tensors ({parts})")
            try:
                output = simple_output(operator, given)
                if output is None:
                    output = operator(*args, **kwargs)
                cost = call_cost(operator, given, output)
            except Exception as error:  # shape rules raise errors of every kind
                _refuse(
                    f"call {index}, {node.operator}, does not fit its arguments: {str(error).splitlines()[0][:200]}"
                )
            for tensor in output if isinstance(output, (list, tuple)) else [output]:
                if isinstance(tensor, Tensor):
                    storage = _small(tensor, f"call {index}, {node.operator},").untyped_storage()
                    memory[storage._cdata] = storage.nbytes()
            work, beside = work + cost.work, max(beside, cost.memory)
            values[index] = output
    for name, ref in graph.outputs.items():
        if not isinstance(resolved(ref), Tensor):
            _refuse(f"the value of term {name!r} is not a tensor")
    # what is stored as one number and shown as many may have to be written out
    given_too = sum(t.numel() * t.element_size() for t in (*inputs, *constants))
    return Cost(work, sum(memory.values()) + beside + given_too)


def _check_window(source: Any = None, shape: Any = (), strides: Any = (), offset: Any = None) -> None:
    """`as_strided` looks at memory, which a tensor without memory cannot bound: it must stay inside its source."""
    numbers = [*shape, *strides, offset or 0] if isinstance(shape, list) and isinstance(strides, list) else [None]
    if not isinstance(source, Tensor) or not all(isinstance(n, int) and n >= 0 for n in numbers):
        _refuse("as_strided has arguments that cannot be")
    last = (offset or 0) + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=False) if n)
    if last >= max(source.numel(), 1):
        _refuse("as_strided looks outside its source")


def _unfit(operator: OpOverload, given: Mapping[str, Any]) -> bool:
    try:
        return unsound(operator, given)
    except Exception:  # a guard may call a shape rule, and those raise errors of every kind
        return True


def _constant(value: Tensor) -> Tensor:
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=_META)


def _item(value: Any, item: int | None) -> Any:
    if item is None:
        return value
    if not isinstance(value, (list, tuple)) or item >= len(value):
        _refuse("a reference picks an output that its call does not have")
    return value[item]


def _small(tensor: Tensor, what: str) -> Tensor:
    if tensor.numel() > MAX_ENTRIES:
        _refuse(f"{what} would have {tensor.numel():,} entries; at most {MAX_ENTRIES:,} are allowed")
    return tensor


def _refuse(what: str) -> NoReturn:
    raise CheckpointError(
        f"the graph of the terms is refused: {what}",
        where="graph of the terms",
        cause="the file was not written by pinndiag, was changed, or holds a problem larger than this limit",
        fix="use a file from a source you trust; for a large point set let the term take its points",
    )
