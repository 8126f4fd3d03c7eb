"""Shapes of the commonest calls, found without torch's own rules: those import its compiler, a second of work."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from pinndiag._capture._operators import name_of

__all__ = ["RULED", "simple_output"]

_ENTRYWISE = """
    abs.default acos.default acosh.default add.Scalar add.Tensor addcmul.default asin.default asinh.default atan.default
    atan2.default atanh.default cos.default cosh.default div.Scalar div.Tensor erf.default exp.default expm1.default
    log.default log1p.default maximum.default minimum.default mul.Scalar mul.Tensor neg.default pow.Tensor_Scalar
    pow.Tensor_Tensor reciprocal.default relu.default rsqrt.default rsub.Scalar sigmoid.default sigmoid_backward.default
    silu.default sin.default sinh.default softplus.default sqrt.default square.default sub.Scalar sub.Tensor tan.default
    tanh.default tanh_backward.default
"""
_OTHERS = "addmm.default cat.default stack.default"
RULED = frozenset(f"aten.{name}" for name in (_ENTRYWISE + _OTHERS).split())
_KINDS = (torch.float32, torch.float64)


def simple_output(operator: OpOverload, given: Mapping[str, Any]) -> Tensor | None:
    """The result of a call without its values, where it is plain; None where it takes torch's own rule to tell.

    Plain are operators that work entry by entry, `addmm`, `cat` and `stack`, on real tensors of one dtype with their
    dimensions in the order of their strides. Strides of dimensions of length 1, which nothing goes by, need not be
    those of the kernel.

    Args:
        operator: what is called.
        given: its arguments by name; tensors need no values.

    >>> import torch
    >>> a, b = torch.empty(5, 3, device="meta"), torch.empty(3, device="meta")
    >>> simple_output(torch.ops.aten.mul.Tensor, {"self": a, "other": b}).shape
    torch.Size([5, 3])
    >>> simple_output(torch.ops.aten.mul.Tensor, {"self": a, "other": a.double()}) is None
    True
    """
    name = name_of(operator)
    if name not in RULED or not _complete(operator, given):
        return None
    tensors = given["tensors"] if "tensors" in given else [v for v in given.values() if isinstance(v, Tensor)]
    if tensors[0].dtype not in _KINDS or len({t.dtype for t in tensors}) > 1:
        return None
    if name == "aten.addmm.default":
        shape = _of_product(given["self"], given["mat1"], given["mat2"])
    elif not all(_in_order(tensor) for tensor in tensors):
        shape = None
    elif "tensors" in given:
        shape = _joined([list(t.shape) for t in tensors], given.get("dim", 0), stacked=name == "aten.stack.default")
    else:
        shape = _broadcast(tensors)
    return None if shape is None else tensors[0].new_empty(shape)


def _complete(operator: OpOverload, given: Mapping[str, Any]) -> bool:
    """Whether every argument that must be there is, and none is of a kind that is not seen every day."""
    known = {argument.name: argument for argument in operator._schema.arguments}
    return given.keys() <= known.keys() and all(
        _of_kind(given[name], str(argument.type)) or (_is_number(given[name]) and _or_number(operator, name))
        if name in given
        else argument.has_default_value()
        for name, argument in known.items()
    )


def _or_number(operator: OpOverload, name: str) -> bool:
    """`add.Tensor` and its like take a number for their second tensor."""
    return name == "other" and operator._overloadname == "Tensor"


def _of_kind(value: Any, kind: str) -> bool:
    if kind == "Tensor":
        return isinstance(value, Tensor)
    if kind == "List[Tensor]":
        return isinstance(value, list) and bool(value) and all(isinstance(item, Tensor) for item in value)
    return (kind == "number" and _is_number(value)) or (kind == "int" and type(value) is int)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _in_order(tensor: Tensor) -> bool:
    """Whether earlier dimensions have larger strides; then the result has its entries one after another by rows."""
    used = [stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True) if length > 1 and stride]
    return all(first > second for first, second in itertools.pairwise(used))


def _broadcast(tensors: Sequence[Tensor]) -> list[int] | None:
    """The shape that all are repeated to, if there is one."""
    shape: list[int] = []
    for lengths in itertools.zip_longest(*(reversed(tensor.shape) for tensor in tensors), fillvalue=1):
        different = set(lengths) - {1}
        if len(different) > 1:
            return None
        shape.append(different.pop() if different else 1)
    return shape[::-1]


def _of_product(bias: Tensor, left: Tensor, right: Tensor) -> list[int] | None:
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0]:
        return None
    shape = [left.shape[0], right.shape[1]]
    fits = bias.ndim <= 2 and all(n in (1, length) for n, length in zip(bias.shape[::-1], shape[::-1], strict=False))
    return shape if fits else None


def _joined(shapes: list[list[int]], dimension: int, *, stacked: bool) -> list[int] | None:
    """The shape of tensors put one after another along a dimension, a new one where they are stacked."""
    rank = len(shapes[0]) + stacked
    if not 0 < rank < 4 or not -rank <= dimension < rank or any(len(shape) + stacked != rank for shape in shapes):
        return None
    place = dimension % rank
    if stacked:
        shapes = [[*shape[:place], 1, *shape[place:]] for shape in shapes]
    if len({(*shape[:place], *shape[place + 1 :]) for shape in shapes}) > 1:
        return None
    return [*shapes[0][:place], sum(shape[place] for shape in shapes), *shapes[0][place + 1 :]]
