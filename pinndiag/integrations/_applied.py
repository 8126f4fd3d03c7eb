"""The weights of the terms in a loss that a framework or a user has put together, read off its graph."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pinndiag._terms import mean_square

__all__ = ["applied"]


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
