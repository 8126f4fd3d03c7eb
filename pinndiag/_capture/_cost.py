"""What a call of an operator costs, from the shapes of its arguments and its result, before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor
from torch._ops import OpOverload

__all__ = ["Cost", "call_cost", "pieces"]

Given = Mapping[str, Any]

_SOLVES = 64  # products of square matrices that a decomposition, a solution or an exponential may cost
_SORTS = 64  # steps an entry that sorting, Fourier transforms and special functions may cost


@final
@dataclass(frozen=True)
class Cost:
    """Of a call, or of a whole graph.

    Attributes:
        work: elementary operations.
        memory: bytes; of one call those beside its arguments and its result.
    """

    work: int
    memory: int


def call_cost(operator: OpOverload, given: Given, output: Any) -> Cost:
    """An upper estimate for one call.

    Args:
        operator: what is called.
        given: its arguments by name; tensors need no values.
        output: its result, likewise.

    >>> import torch
    >>> a, b = torch.empty(2, 3, device="meta"), torch.empty(3, 5, device="meta")
    >>> call_cost(torch.ops.aten.mm.default, {"self": a, "mat2": b}, a @ b).work
    61
    """
    sizes = [t.numel() for t in [*_tensors(list(given.values())), *_tensors(output)]]
    packet = str(operator).split(".")[1]
    if packet in _PRODUCTS:
        inner = given[_PRODUCTS[packet]]
        return Cost(sum(sizes) + _largest(output) * _last(inner), 0)
    if packet in ("convolution", "convolution_backward"):
        return _convolution(given, output)
    if packet in _BY_PAIRS:
        return Cost(sum(sizes) + given["x1"].numel() * given["x2"].shape[-2], 0)
    if packet.startswith("avg_pool"):
        kernel = math.prod(given["kernel_size"])
        return Cost(sum(sizes) + _largest(output) * min(kernel, _largest(given["self"])), 0)
    if packet == "_trilinear":
        return _trilinear(given)
    if ("linalg_" in packet and packet not in _ENTRYWISE) or packet.startswith("cholesky"):
        return Cost(_SOLVES * sum(t.numel() * max(t.shape[-2:], default=1) for t in _tensors(list(given.values()))), 0)
    return Cost(_SORTS * sum(sizes), 0)


def pieces(operator: OpOverload, given: Given) -> int:
    """How many tensors a call returns, known before it is made."""
    packet = str(operator).split(".")[1]
    source, dimension = given.get("self"), given.get("dim", 0)
    if packet not in ("unbind", "split") or not isinstance(source, Tensor) or not isinstance(dimension, int):
        return len(operator._schema.returns)
    length = source.shape[dimension] if -source.ndim <= dimension < source.ndim else 0
    step = given.get("split_size", 1)
    return -(-length // step) if isinstance(step, int) and step > 0 else length


def _convolution(given: Given, output: Any) -> Cost:
    """Every entry of the result meets a whole filter; kernels may unfold the inputs of one sample first."""
    source, weight = given["input"], given["weight"]
    large = max(_largest(output), _largest(given.get("grad_output", source)), source.numel())
    filters = weight.numel() // max(weight.shape[0], 1)
    points = large // max(min(weight.shape[:2]), 1)  # places, of all samples
    unfolded = points // max(source.shape[0], 1) * filters * given["groups"]
    return Cost(3 * large * max(filters, 1), unfolded * source.element_size())


def _trilinear(given: Given) -> Cost:
    """The product of three tensors, expanded against one another; formed in slices along one dimension."""
    volume: dict[int, int] = {}
    for factor, expanded in (("i1", "expand1"), ("i2", "expand2"), ("i3", "expand3")):
        shape = list(given[factor].shape)
        for dimension in sorted(given[expanded]):
            shape.insert(dimension, 1)
        for dimension, length in enumerate(shape):
            volume[dimension] = max(volume.get(dimension, 1), length)
    entries = math.prod(volume.values())
    slices = max(volume.get(given.get("unroll_dim", 1), 1), 1)
    return Cost(2 * entries, entries // slices * given["i1"].element_size())


_PRODUCTS = {  # packet -> the argument whose last dimension is summed over
    **dict.fromkeys(("mm", "bmm", "mv", "dot"), "self"),
    "addmm": "mat1",
    "addmv": "mat",
    "baddbmm": "batch1",
    "linear": "input",
}
_BY_PAIRS = frozenset({"_cdist_forward", "_cdist_backward", "_euclidean_dist"})
_ENTRYWISE = frozenset({"linalg_vector_norm", "linalg_cross"})


def _last(tensor: Tensor) -> int:
    return tensor.shape[-1] if tensor.ndim else 1


def _largest(value: Any) -> int:
    return max((t.numel() for t in _tensors(value)), default=0)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [tensor for item in value for tensor in _tensors(item)]
    return []
