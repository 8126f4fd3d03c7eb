"""Adam on small tensors that are no parameters of any module: the inner optimizer of trained weights."""

from __future__ import annotations

import torch
from torch import Tensor

from pinndiag.schemes._memory import Fields
from pinndiag.schemes._options import Number

__all__ = ["adam", "adam_start"]

EPS = 1e-8


def adam_start(zero: Tensor) -> Fields:
    """What Adam remembers before its first step, for values shaped like `zero`."""
    return {"first_moment": zero, "second_moment": zero, "inner_steps": zero}


def adam(
    value: Tensor, gradient: Tensor, fields: Fields, lr: Number, betas: tuple[Number, Number] = (0.9, 0.999)
) -> tuple[Tensor, Fields]:
    """One step of descent. Every entry counts its own steps, so that an entry may sit some out.

    Returns:
        the new values, and what is remembered.

    Source: Kingma, Ba 2015, arXiv:1412.6980, Algorithm 1.
    """
    first = fields["first_moment"].lerp(gradient, 1 - betas[0])
    second = fields["second_moment"].lerp(gradient.square(), 1 - betas[1])
    steps = fields["inner_steps"] + 1
    size = (second / (1 - betas[1] ** steps)).sqrt() + EPS
    moved = torch.addcdiv(value, first / (1 - betas[0] ** steps), size, value=-lr)
    return moved, {"first_moment": first, "second_moment": second, "inner_steps": steps}
