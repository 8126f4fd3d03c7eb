"""Fresh points where the user gave no sampler: uniform in the box of the stored points, or on its faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor

__all__ = ["Draw", "box_sampler"]


@final
@dataclass(frozen=True)
class Draw:
    """Fresh coordinates, and how they were drawn, in words."""

    coordinates: Float[Tensor, "fresh d"]
    how: str


def box_sampler(coordinates: Float[Tensor, "points d"], count: int, seed: int) -> Draw:
    raise NotImplementedError
