"""Guards: denominators that may vanish, limits on weights, and their common scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag._errors import PinndiagError

__all__ = ["Limits", "Normalise", "guarded", "normalised"]

Normalise = Literal["sum", "mean", "ref"]


def guarded(numerator: Tensor, denominator: Tensor, eps_rel: int | float) -> Tensor:
    """Numerator / (denominator + eps_rel numerator): at most 1 / eps_rel, whatever the units.

    >>> guarded(torch.tensor([2.0, 2.0]), torch.tensor([1.0, 0.0]), 0.01).round(decimals=3)
    tensor([  1.9610, 100.0000])
    """
    return numerator / (denominator + eps_rel * numerator if eps_rel else denominator)


@final
@dataclass(frozen=True)
class Limits:
    """Bounds of weights, each off when None.

    Attributes:
        w_min: smallest weight.
        w_max: largest weight.
        max_growth: largest factor between one refresh and the next.
    """

    w_min: int | float | None = None
    w_max: int | float | None = None
    max_growth: int | float | None = None

    def __post_init__(self) -> None:
        if self.w_min is not None and self.w_max is not None and self.w_min > self.w_max:
            raise PinndiagError(f"w_min={self.w_min} is larger than w_max={self.w_max}", fix="swap them, or drop one")

    def __call__(self, weights: Tensor, before: Tensor | None = None) -> Tensor:
        """Weights within the bounds, given those of the refresh before."""
        if self.max_growth is not None and before is not None:
            most = torch.where(before > 0, self.max_growth * before, math.inf)  # from zero anything is infinite growth
            weights = torch.minimum(weights, most)
        if self.w_min is not None or self.w_max is not None:
            weights = weights.clamp(self.w_min, self.w_max)
        return weights

    def number(self, weight: int | float) -> int | float:
        """One weight within the bounds."""
        low = weight if self.w_min is None else max(weight, self.w_min)
        return low if self.w_max is None else min(low, self.w_max)


def normalised(
    weights: Float[Tensor, "*shape"], how: Normalise | None, reference: int | None = None
) -> Float[Tensor, "*shape"]:
    """Weights on a common scale: their sum, their mean or the reference's weight becomes 1.

    Args:
        weights: of the terms, or of the points of one term.
        how: None leaves them.
        reference: position of the reference term; None: it is not among them, and "ref" leaves them.

    >>> normalised(torch.tensor([1.0, 3.0]), "mean")
    tensor([0.5000, 1.5000])
    """
    if how == "sum":
        return weights / weights.sum()
    if how == "mean":
        return weights / weights.mean()
    if how == "ref" and reference is not None:
        return weights / weights[reference]
    return weights
