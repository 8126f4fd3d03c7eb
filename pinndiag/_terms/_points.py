"""The points a term is evaluated at: one tensor or several columns, seen as one set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag._errors import TermError

__all__ = ["PointSet"]


@final
@dataclass(frozen=True)
class PointSet:
    """Points as the user gave them: a tensor of shape (points, d), or a tuple or list of such tensors (columns).

    Attributes:
        value: exactly what the term receives.
    """

    value: Any

    @staticmethod
    def of(value: Any, where: str) -> PointSet:
        """Check and wrap what a user gave.

        Raises:
            TermError: not tensors, no first dimension, or columns of different lengths.
        """
        tensors = [value] if isinstance(value, Tensor) else list(value) if isinstance(value, (tuple, list)) else []
        if not tensors or not all(isinstance(t, Tensor) and t.ndim >= 1 for t in tensors):
            raise TermError(
                f"points of {where} are not tensors of shape (points, dimensions)",
                where=f"got {type(value).__name__}",
                cause="points are given as one tensor, or as a tuple of columns of the same length",
                fix=f"pass points={{{where!r}: x}} with x of shape (N, d), or (x, t) with columns of shape (N, 1)",
            )
        if len({t.shape[0] for t in tensors}) != 1:
            raise TermError(
                f"the columns of points of {where} have different lengths",
                where=", ".join(str(tuple(t.shape)) for t in tensors),
                cause="each row must be one point",
                fix="give every column the same first dimension",
            )
        return PointSet(value if isinstance(value, Tensor) else tuple(tensors))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The columns."""
        return (self.value,) if isinstance(self.value, Tensor) else self.value

    @property
    def count(self) -> int:
        """Number of points."""
        return int(self.tensors[0].shape[0])

    @property
    def coordinates(self) -> Float[Tensor, "points d"]:
        """All columns side by side, detached."""
        return torch.cat([t.detach().reshape(self.count, -1) for t in self.tensors], dim=1)

    def map(self, tensors: Sequence[Tensor]) -> PointSet:
        """The same structure over other tensors; each a fresh leaf that requires grad where the original does."""
        pairs = zip(tensors, self.tensors, strict=True)
        leaves = tuple(new.detach().clone().requires_grad_(old.requires_grad) for new, old in pairs)
        return PointSet(leaves[0] if isinstance(self.value, Tensor) else leaves)

    def rows(self, index: slice | Tensor) -> PointSet:
        """A subset of the points."""
        return self.map([t.detach()[index] for t in self.tensors])

    def at(self, coordinates: Float[Tensor, "fresh d"]) -> PointSet:
        """The same structure at other coordinates (as many as given), in the points' own dtype and device."""
        widths = [t[0].numel() for t in self.tensors]
        columns = coordinates.split(widths, dim=1)
        return self.map(
            [
                c.reshape(len(coordinates), *t.shape[1:]).to(t.dtype).to(t.device)
                for c, t in zip(columns, self.tensors, strict=True)
            ]
        )

    def to(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> PointSet:
        """The same points in another floating dtype, on another device."""
        return self.map([_cast(t, dtype, device) for t in self.tensors])


def _cast(tensor: Tensor, dtype: torch.dtype | None, device: torch.device | None) -> Tensor:
    return tensor.detach().to(device=device, dtype=dtype if tensor.is_floating_point() else None)
