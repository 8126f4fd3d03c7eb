"""Weights that stay as they are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack, final

from torch import Tensor

from pinndiag.schemes._about import About
from pinndiag.schemes._memory import Fields
from pinndiag.schemes._options import Number, Unweighted
from pinndiag.schemes._term_scheme import AbstractTermScheme, Measured, Sound, Weights

__all__ = ["Fixed"]


@final
class Fixed(AbstractTermScheme):
    """sum_i w_i L_i with weights of the user's own: the control that every scheme must beat.

    Args:
        weights: weight of each term; a term that is not named has 1.
        options: see `AbstractScheme`. There is no refresh: `first`, `eps_rel` and `max_growth` have nothing to act on;
            `w_min`, `w_max` and `normalise` act on the weights given.

    Cost: none.

    Source: the penalty method; the sum that every PINN is trained on.

    >>> import torch
    >>> scheme = Fixed({"bc": 100.0})
    >>> scheme({"pde": torch.tensor(2.0), "bc": torch.tensor(0.5, requires_grad=True)}).item()
    52.0
    """

    about = About(
        "fixed",
        "weights given by hand",
        "nothing",
        "the penalty method",
        "a weight has to be guessed, and what is right early in training need not be right later",
    )

    continues = True

    def __init__(self, weights: Mapping[str, Number] | None = None, **options: Unpack[Unweighted]) -> None:
        super().__init__(weights=weights, **options)

    def start(self, name: str, weight: Number) -> Mapping[str, Number | Tensor]:
        """See `AbstractTermScheme`: nothing is remembered."""
        return {}

    def refreshed(
        self, fields: Fields, losses: Weights, gradients: Measured | None, sound: Sound, reference: int | None
    ) -> tuple[Fields, Weights]:
        """See `AbstractTermScheme`: the weights stay."""
        return {}, fields["applied"]
