"""Operators that trust their callers: kernels of which wrong arguments crash the process instead of raising.

Most operators of ATen check what they are given. These do not: autograd and the public functions call them with
arguments that fit. Found by calling every operator of the list with changed arguments, with a page that must not be
touched behind (and before) each tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from pinndiag._capture._graph import Node, Ref

__all__ = ["unproven", "unsound"]

Given = Mapping[str, Any]


def unsound(operator: OpOverload, given: Given) -> bool:
    """Whether a call must not be made, whatever its shape rule says.

    Args:
        operator: what is called.
        given: its arguments by name; tensors need a shape and a dtype, not values.
    """
    guard = _GUARDS.get(str(operator))
    return guard is not None and not guard(given)


def unproven(nodes: Sequence[Node], node: Node) -> bool:
    """Whether a call takes factors and pivots that do not come, both, straight from one factorisation.

    Pivots are positions in memory, which LAPACK does not check.
    """
    if node.operator != "aten.linalg_lu_solve.default":
        return False
    factors, pivots = (*node.args, None, None)[:2]
    if not isinstance(factors, Ref) or not isinstance(pivots, Ref) or factors.source != "node":
        return True
    if (factors.source, factors.index) != (pivots.source, pivots.index):
        return True
    return _FACTORISATIONS.get(nodes[factors.index].operator) != (factors.item, pivots.item)


_FACTORISATIONS = {"aten._linalg_solve_ex.default": (1, 2), "aten.linalg_lu_factor_ex.default": (0, 1)}


def _alike(*tensors: Any) -> bool:
    """Whether all are tensors of one shape and dtype."""
    if not all(isinstance(t, Tensor) for t in tensors):
        return False
    return len({(tuple(t.shape), t.dtype) for t in tensors}) == 1


def _shaped(tensor: Any, shape: Sequence[int], dtype: torch.dtype, *, optional: bool = False) -> bool:
    if tensor is None:
        return optional
    return isinstance(tensor, Tensor) and tuple(tensor.shape) == tuple(shape) and tensor.dtype == dtype


def _pooled(given: Given) -> bool:
    grad, source = given.get("grad_output"), given.get("self")
    if not isinstance(grad, Tensor) or not isinstance(source, Tensor) or grad.dtype != source.dtype:
        return False
    if not grad.numel() or not source.numel():
        return False
    return grad.ndim == source.ndim and grad.ndim in (3, 4) and grad.shape[:-2] == source.shape[:-2]


def _transform(given: Given) -> bool:
    source, dimensions, norm = given.get("self"), given.get("dim"), given.get("normalization")
    if not isinstance(source, Tensor) or not isinstance(dimensions, list) or norm not in (0, 1, 2):
        return False
    if not all(isinstance(d, int) and 0 <= d < source.ndim for d in dimensions):
        return False
    return len(set(dimensions)) == len(dimensions) > 0 and all(source.shape[d] > 0 for d in dimensions)


def _to_real(given: Given) -> bool:
    length = given.get("last_dim_size")
    if not _transform(given) or not isinstance(length, int) or length < 1:
        return False
    return bool(given["self"].shape[given["dim"][-1]] == length // 2 + 1)


def _distances(given: Given) -> bool:
    grad, first, second, found = (given.get(name) for name in ("grad", "x1", "x2", "cdist"))
    tensors = [t for t in (grad, first, second, found) if isinstance(t, Tensor)]
    if len(tensors) < 4 or len({t.dtype for t in tensors}) > 1 or min(t.ndim for t in tensors) < 2:
        return False
    grad, first, second, found = tensors
    batch = first.shape[:-2]
    pairs = (*batch, first.shape[-2], second.shape[-2])
    same = second.shape[:-2] == batch and first.shape[-1] == second.shape[-1]
    return same and tuple(grad.shape) == tuple(found.shape) == pairs


def _batch_norm(given: Given) -> bool:
    source = given.get("input")
    if not isinstance(source, Tensor) or source.ndim < 2 or not source.numel() or given.get("training") is not True:
        return False
    vector = (source.shape[1:2], source.dtype)
    return all(_shaped(given.get(name), *vector, optional=True) for name in ("weight", "bias"))


def _batch_norm_backward(given: Given) -> bool:
    source, train = given.get("input"), given.get("train")
    if not isinstance(source, Tensor) or source.ndim < 2 or not source.numel() or not isinstance(train, bool):
        return False
    used = ("save_mean", "save_invstd") if train else ("running_mean", "running_var")
    vector = (source.shape[1:2], source.dtype)
    others = all(_shaped(given.get(n), *vector, optional=True) for n in ("weight", "running_mean", "running_var"))
    return others and all(_shaped(given.get(n), *vector) for n in used) and _alike(given.get("grad_out"), source)


def _layer_norm(given: Given) -> bool:
    source, shape = given.get("input"), given.get("normalized_shape")
    if not isinstance(source, Tensor) or not isinstance(shape, list) or not 0 < len(shape) <= source.ndim:
        return False
    if list(source.shape[-len(shape) :]) != shape or not source.numel():
        return False
    return all(_shaped(given.get(name), shape, source.dtype, optional=True) for name in ("weight", "bias"))


def _layer_norm_backward(given: Given) -> bool:
    if not _layer_norm(given) or not _alike(given.get("grad_out"), given["input"]):
        return False
    source, normed = given["input"], len(given["normalized_shape"])
    rows = (*source.shape[:-normed], *[1] * normed)
    return all(_shaped(given.get(name), rows, source.dtype) for name in ("mean", "rstd"))


def _weight_norm(given: Given) -> bool:
    v = given.get("v", given.get("saved_v"))
    if not isinstance(v, Tensor) or not v.numel() or not v.ndim:
        return False
    dimension = given.get("dim", 0)
    if dimension not in (0, v.ndim - 1):
        return False
    lengths = [n if d == dimension else 1 for d, n in enumerate(v.shape)]
    return _shaped(given.get("g", given.get("saved_g")), lengths, v.dtype)


def _weight_norm_backward(given: Given) -> bool:
    return (
        _weight_norm(given)
        and _alike(given.get("grad_w"), given["saved_v"])
        and _alike(given.get("saved_norms"), given["saved_g"])
    )


def _convolution_backward(given: Given) -> bool:
    grad, source, weight, sizes = (given.get(n) for n in ("grad_output", "input", "weight", "bias_sizes"))
    if not all(isinstance(t, Tensor) for t in (grad, source, weight)):
        return False
    names = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
    result = torch.ops.aten.convolution.default(source, weight, None, *(given[name] for name in names))
    return _alike(grad, result) and sizes in (None, [result.shape[1]])


_GUARDS: Mapping[str, Callable[[Given], bool]] = {
    f"aten.{name}": guard
    for name, guard in {
        "_adaptive_avg_pool2d_backward.default": _pooled,
        "_cdist_backward.default": _distances,
        "_fft_r2c.default": _transform,
        "_fft_c2r.default": _to_real,
        "_fft_c2c.default": _transform,
        "_native_batch_norm_legit.no_stats": _batch_norm,
        "native_batch_norm_backward.default": _batch_norm_backward,
        "native_layer_norm.default": _layer_norm,
        "native_layer_norm_backward.default": _layer_norm_backward,
        "_weight_norm_interface.default": _weight_norm,
        "_weight_norm_interface_backward.default": _weight_norm_backward,
        "convolution_backward.default": _convolution_backward,
        "log_sigmoid_backward.default": lambda given: _alike(
            *(given.get(n) for n in ("grad_output", "self", "buffer"))
        ),
    }.items()
}
