"""Gradients of single residuals out of a live graph: rows of the Jacobian d r_j / d theta."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag._terms import _parameters

__all__ = ["batched", "one_by_one", "squared_norms"]

CHUNK = 16


def squared_norms(output: Tensor, entries: Tensor, tensors: list[Tensor]) -> Float[Tensor, " chosen"]:
    """|d r_j / d theta|^2 of chosen entries of a term's output, whose graph is kept.

    Cost: a backward pass through the whole term for each entry (two for a complex one); memory of 16 rows. On a CPU
    one after another, which is as fast there; elsewhere 16 at a time.
    """
    found = []
    chosen = output.reshape(-1)[entries]
    per_entry = 2 if chosen.is_complex() else 1
    for flat in _parameters.real(chosen).split(CHUNK):
        matrix = None if flat.device.type == "cpu" else batched(flat, tensors)
        found.append((one_by_one(flat, tensors) if matrix is None else matrix).square().sum(1))
    return torch.cat(found).reshape(-1, per_entry).sum(1)


def batched(flat: Float[Tensor, " rows"], tensors: list[Tensor]) -> Float[Tensor, "rows params"] | None:
    """All rows in one vectorised backward pass; None where an operator on the way does not support it."""
    try:
        pulled = torch.autograd.grad(
            flat,
            tensors,
            torch.eye(flat.numel(), dtype=flat.dtype, device=flat.device),
            retain_graph=True,
            is_grads_batched=True,
            allow_unused=True,
        )
    except (RuntimeError, NotImplementedError):
        return None
    columns = [
        torch.zeros(flat.numel(), size, dtype=flat.dtype, device=flat.device)
        if gradient is None
        else _real_columns(gradient.detach(), flat.numel())
        for gradient, size in zip(pulled, _parameters.sizes(tensors), strict=True)
    ]
    return torch.cat(columns, dim=1)


def one_by_one(flat: Float[Tensor, " rows"], tensors: list[Tensor]) -> Float[Tensor, "rows params"]:
    rows = []
    for residual in flat:
        pulled = torch.autograd.grad(residual, tensors, retain_graph=True, allow_unused=True)
        rows.append(_parameters.flatten([None if g is None else g.detach() for g in pulled], tensors))
    return torch.stack(rows)


def _real_columns(gradient: Tensor, rows: int) -> Tensor:
    plain = torch.view_as_real(gradient.resolve_conj()) if gradient.is_complex() else gradient
    return plain.reshape(rows, -1)
