"""Weighted sums of terms: put together, and taken apart, where a framework or a user has done the former."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pinndiag._terms._terms import mean_square

__all__ = ["applied", "weighted_sum"]


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """sum_i w_i L_i, where L_i is the term itself, or the mean of its squares.

    >>> import torch
    >>> weighted_sum({"pde": torch.tensor([1.0, 3.0]), "bc": torch.tensor(2.0)}, {"pde": 1.0, "bc": 10.0}).item()
    25.0
    """
    parts = [weights[name] * mean_square(term.as_subclass(Tensor)) for name, term in terms.items()]
    return torch.stack([part.reshape(()) for part in parts]).sum()


def applied(loss: Tensor, terms: Mapping[str, Tensor]) -> dict[str, float]:
    """The derivative of the loss by the loss L_i of every term: the term itself, or the mean of its squares.

    For a weighted sum these are its weights; for another function of the terms, what their gradients are multiplied by.
    A term that the loss is not made of has the weight 0. No term may be computed from another one.

    Cost: a backward pass from the loss to the terms, not through them; waits for the device.

    >>> import torch
    >>> k = torch.ones((), requires_grad=True)
    >>> pde, bc = k * torch.tensor([1.0, 3.0]), (k - 2.0) ** 2
    >>> applied(pde.square().mean() + 10 * bc, {"pde": pde, "bc": bc})
    {'pde': 1.0, 'bc': 10.0}
    """
    live = {name: term for name, term in terms.items() if term.requires_grad}
    parts = torch.autograd.grad(loss, list(live.values()), retain_graph=True, allow_unused=True)
    found = {}
    for (name, term), part in zip(live.items(), parts, strict=True):
        leaf = term.detach().as_subclass(Tensor).requires_grad_()
        (own,) = torch.autograd.grad(mean_square(leaf), leaf)
        along = torch.zeros_like(own) if part is None else part.as_subclass(Tensor) * own
        found[name] = along.sum() / own.square().sum()
    values = torch.stack(list(found.values())).nan_to_num(1.0).tolist()  # a residual of zeros tells nothing
    return dict.fromkeys(terms, 1.0) | dict(zip(found, values, strict=True))
