"""Derivatives by nested reverse mode: for any network that treats each point by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag.nn._operators import Operator

__all__ = ["reverse"]

Values = Float[Tensor, "points outputs"]


def reverse(
    net: Callable[[Tensor], Tensor], x: Float[Tensor, "points d"], operators: Sequence[Operator]
) -> tuple[Values, ...]:
    """The output and each operator of it, by `torch.autograd.grad` of one output after the other."""
    recording = torch.is_grad_enabled()
    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_(True)
        output = net(x)
        columns = [_column(u, x, operators) for u in output.unbind(dim=1)]
    found = (output, *(torch.stack(same, dim=1) for same in zip(*columns, strict=True)))
    return found if recording else tuple(value.detach() for value in found)


def _column(u: Tensor, x: Tensor, operators: Sequence[Operator]) -> list[Tensor]:
    """Every operator of one output; each derivative that several of them need is taken once."""
    gradients: dict[tuple[int, ...], Tensor] = {}

    def derivative(index: tuple[int, ...]) -> Tensor:
        if not index:
            return u
        before = index[:-1]
        if before not in gradients:
            lower = derivative(before)
            gradients[before] = _gradient(lower, x)
        return gradients[before][:, index[-1]]

    return [_sum([derivative(i) if c == 1 else c * derivative(i) for i, c in o.items()]) for o in operators]


def _gradient(u: Tensor, x: Tensor) -> Tensor:
    if not u.requires_grad:  # a derivative that is constant
        return torch.zeros_like(x)
    return torch.autograd.grad(u.sum(), x, create_graph=True, materialize_grads=True)[0]


def _sum(summands: Sequence[Tensor]) -> Tensor:
    return sum(summands[1:], start=summands[0])
