"""Operators outside the list, written in operators of the list: what a fused kernel computes, step by step.

torch knows most of these rewritings itself, because its compiler and its tracer need them; a few are added here. A
rewritten operator is differentiated step by step too, and each step checks its arguments, which fused kernels often
leave to their callers. So the list stays short, and the file stays readable where a kernel is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._decomp import decomposition_table
from torch._ops import OpOverload

__all__ = ["decomposed"]

aten = torch.ops.aten


def decomposed(func: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The result of an operator by simpler ones, or NotImplemented where no rewriting is known.

    Args:
        func: the operator. One that writes (`out=`, running statistics) is rewritten with its writing.
        args, kwargs: what it was called with.

    Cost: several calls instead of one, in the forward pass and in each derivative.
    """
    own = _OWN.get(str(func))
    if own is not None:
        return own(*args, **kwargs)
    if func.namespace == "prims":  # in which torch writes some of its rewritings
        return func.impl_aten(*args, **kwargs)
    composed = func.decompose(*args, **kwargs)
    if composed is NotImplemented and func in decomposition_table:
        return decomposition_table[func](*args, **kwargs)
    return composed


def _weight_norm_backward(grad: Tensor, v: Tensor, g: Tensor, norms: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Of w = g v / |v|, the norm over all dimensions but `dim` (the first or the last)."""
    others = [d for d in range(v.ndim) if d != dim % v.ndim]
    along = (grad * v).sum(others, keepdim=True) / norms
    return g / norms * (grad - v * along / norms), along


def _batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, *settings: Any
) -> tuple[Tensor, ...]:
    """Over the batch, with running statistics. The kernel stays: its third derivative is wrong in torch 2.13, and what
    it does in the live term it must do in the file."""
    training, momentum, eps = settings
    if not training:
        decomposition = decomposition_table[aten._native_batch_norm_legit.default]
        return decomposition(x, weight, bias, mean, variance, *settings)  # type: ignore[no-any-return]
    found: tuple[Tensor, ...] = aten._native_batch_norm_legit.no_stats(x, weight, bias, *settings)
    entries = x.numel() // x.shape[1]
    mean.lerp_(found[1], momentum)
    variance.lerp_((found[2] ** -2 - eps) * (entries / max(entries - 1, 1)), momentum)
    return found


_OWN: Mapping[str, Callable[..., Any]] = {
    "aten._weight_norm_interface_backward.default": _weight_norm_backward,
    "aten._native_batch_norm_legit.default": _batch_norm,
    "aten.cholesky_inverse.default": lambda x, upper=False: torch.cholesky_solve(
        torch.eye(x.shape[-1], dtype=x.dtype, device=x.device), x, upper=upper
    ),
    "aten.addbmm.default": lambda x, a, b, *, beta=1, alpha=1: beta * x + alpha * torch.bmm(a, b).sum(0),
    "aten.diagonal_copy.default": lambda *args, **kwargs: torch.diagonal(*args, **kwargs).clone(),
    "aten._is_all_true.default": torch.all,
    "aten._is_any_true.default": torch.any,
}
