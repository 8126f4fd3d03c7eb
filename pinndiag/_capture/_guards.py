"""Operators that trust their callers: kernels of which wrong arguments crash the process instead of raising.

Most operators of ATen check what they are given. These do not: autograd and the public functions call them with
arguments that fit. Found by calling every operator of the list with random arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch._ops import OpOverload

__all__ = ["unsound"]


def unsound(operator: OpOverload, given: Mapping[str, Any]) -> bool:
    """Whether a call must not be made, whatever its shape rule says.

    Args:
        operator: what is called.
        given: its arguments by name; tensors need a shape and a dtype, not values.
    """
    guard = _GUARDS.get(str(operator))
    return guard is not None and not guard(given)


def _like_output(given: Mapping[str, Any]) -> bool:
    grad, output = given.get("grad_output"), given.get("output")
    return isinstance(grad, Tensor) and isinstance(output, Tensor) and grad.shape == output.shape


def _like_pooled(given: Mapping[str, Any]) -> bool:
    grad, source = given.get("grad_output"), given.get("self")
    if not isinstance(grad, Tensor) or not isinstance(source, Tensor) or grad.dtype != source.dtype:
        return False
    return grad.ndim == source.ndim and grad.ndim in (3, 4) and grad.shape[:-2] == source.shape[:-2]


def _transform(given: Mapping[str, Any]) -> bool:
    source, dimensions, norm = given.get("self"), given.get("dim"), given.get("normalization")
    if not isinstance(source, Tensor) or not isinstance(dimensions, list) or norm not in (0, 1, 2):
        return False
    inside = all(isinstance(d, int) and 0 <= d < source.ndim for d in dimensions)
    return inside and len(set(dimensions)) == len(dimensions) > 0


def _distances(given: Mapping[str, Any]) -> bool:
    grad, first, second, found = (given.get(name) for name in ("grad", "x1", "x2", "cdist"))
    tensors = [t for t in (grad, first, second, found) if isinstance(t, Tensor)]
    if len(tensors) < 4 or len({t.dtype for t in tensors}) > 1 or min(t.ndim for t in tensors) < 2:
        return False
    grad, first, second, found = tensors
    batch = first.shape[:-2]
    pairs = (*batch, first.shape[-2], second.shape[-2])
    same = second.shape[:-2] == batch and first.shape[-1] == second.shape[-1]
    return same and tuple(grad.shape) == tuple(found.shape) == pairs


_GUARDS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "aten._softmax_backward_data.default": _like_output,
    "aten._log_softmax_backward_data.default": _like_output,
    "aten._adaptive_avg_pool2d_backward.default": _like_pooled,
    "aten._cdist_backward.default": _distances,
    "aten._fft_r2c.default": _transform,
    "aten._fft_c2r.default": _transform,
    "aten._fft_c2c.default": _transform,
}
