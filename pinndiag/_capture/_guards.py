"""Operators that trust their callers: kernels of which wrong arguments crash the process instead of raising.

Most operators of ATen check what they are given. These do not: autograd and the public functions call them with
arguments that fit; found by calling every operator of the list with random arguments. Two others take a tensor
apart without a limit of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch._ops import OpOverload

__all__ = ["unsound"]

PARTS = 4096  # into which a tensor may be taken apart: each costs an object, also where no value is computed


def unsound(operator: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call must not be made, whatever its shape rule says.

    Args:
        operator: what is called.
        args: positional arguments; tensors need a shape and a dtype, not values.
        kwargs: the others, by name.
    """
    guard = _GUARDS.get(str(operator))
    if guard is None:
        return False
    names = [argument.name for argument in operator._schema.arguments]
    return not guard({**dict(zip(names, args, strict=False)), **kwargs})


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


def _lengths(given: Mapping[str, Any]) -> bool:
    source, length, dim = given.get("v"), given.get("g"), given.get("dim", 0)
    if not isinstance(source, Tensor) or not isinstance(length, Tensor) or dim not in (0, source.ndim - 1):
        return False
    return tuple(length.shape) == tuple(n if i == dim else 1 for i, n in enumerate(source.shape))


def _lengths_backward(given: Mapping[str, Any]) -> bool:
    grad, source, length, norms = (given.get(n) for n in ("grad_w", "saved_v", "saved_g", "saved_norms"))
    if not all(isinstance(t, Tensor) for t in (grad, source, length, norms)):
        return False
    fits = _lengths({"v": source, "g": length, "dim": given.get("dim", 0)})
    return fits and grad.shape == source.shape and norms.shape == length.shape  # type: ignore[union-attr]


def _layer_norm_backward(given: Mapping[str, Any]) -> bool:
    grad, source, mean, rstd = (given.get(n) for n in ("grad_out", "input", "mean", "rstd"))
    tensors = [t for t in (grad, source, mean, rstd) if isinstance(t, Tensor)]
    normalized = given.get("normalized_shape")
    if len(tensors) < 4 or not isinstance(normalized, (list, tuple)) or not normalized:
        return False
    grad, source, mean, rstd = tensors
    outer = source.ndim - len(normalized)
    kept = (*source.shape[:outer], *(1 for _ in normalized))
    if outer < 0 or tuple(source.shape[outer:]) != tuple(normalized) or grad.shape != source.shape:
        return False
    scales = [t for t in (given.get("weight"), given.get("bias")) if t is not None]
    return tuple(mean.shape) == tuple(rstd.shape) == kept and all(
        isinstance(t, Tensor) and tuple(t.shape) == tuple(normalized) for t in scales
    )


def _few_parts(given: Mapping[str, Any]) -> bool:
    source, dim, size = given.get("self"), given.get("dim", 0), given.get("split_size", 1)
    if not isinstance(source, Tensor) or not isinstance(dim, int) or not isinstance(size, int):
        return False
    inside = -source.ndim <= dim < source.ndim
    return inside and size > 0 and -(-source.shape[dim] // size) <= PARTS


_GUARDS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "aten._softmax_backward_data.default": _like_output,
    "aten._log_softmax_backward_data.default": _like_output,
    "aten._adaptive_avg_pool2d_backward.default": _like_pooled,
    "aten._cdist_backward.default": _distances,
    "aten._weight_norm_interface.default": _lengths,
    "aten._weight_norm_interface_backward.default": _lengths_backward,
    "aten.native_layer_norm_backward.default": _layer_norm_backward,
    "aten.unbind.int": _few_parts,
    "aten.split.Tensor": _few_parts,
    "aten._fft_r2c.default": _transform,
    "aten._fft_c2r.default": _transform,
    "aten._fft_c2c.default": _transform,
}
