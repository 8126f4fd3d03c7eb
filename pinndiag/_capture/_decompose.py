"""Operators outside the list, written in operators of the list: what a fused kernel computes, step by step.

torch knows most of these rewritings itself, because its compiler and its tracer need them; a few are added here. A
rewritten operator is differentiated step by step too, and each step checks its arguments, which fused kernels often
leave to their callers. So the list stays short, and the file stays readable where a kernel is missing.

Some kernels must stay on the list: in torch 2.13 the higher derivatives of batch normalisation, layer normalisation
and weight normalisation are wrong (a residual with second derivatives of a network with nn.LayerNorm has a wrong
gradient). A file has to show what the training does, so it holds the same kernels.
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
        args: what it was called with.
        kwargs: likewise, by name.

    Cost: several calls instead of one, in the forward pass and in each derivative.
    """
    own = _OWN.get(str(func))
    if own is not None:
        return own(*args, **kwargs)
    if func.namespace == "prims":  # in which torch writes some of its rewritings
        return func.impl_aten(*args, **kwargs)  # type: ignore[attr-defined]
    composed = func.decompose(*args, **kwargs)
    if composed is NotImplemented and func in decomposition_table:
        return decomposition_table[func](*args, **kwargs)
    return composed


def _batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, *settings: Any
) -> tuple[Tensor, ...]:
    """Over the batch: the kernel without running statistics, and their change in operators of its own."""
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
    "aten._native_batch_norm_legit.default": _batch_norm,
    "aten.cholesky_inverse.default": lambda x, upper=False: torch.cholesky_solve(
        torch.eye(x.shape[-1], dtype=x.dtype, device=x.device), x, upper=upper
    ),
    "aten.addbmm.default": lambda x, a, b, *, beta=1, alpha=1: beta * x + alpha * torch.bmm(a, b).sum(0),
    "aten.diagonal_copy.default": lambda *args, **kwargs: torch.diagonal(*args, **kwargs).clone(),
    "aten._is_all_true.default": torch.all,
    "aten._is_any_true.default": torch.any,
}
