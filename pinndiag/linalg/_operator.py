"""Symmetric linear operators: known only by their product with a vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Dense", "Scaled", "SymmetricOperator", "WeightedSum"]


@runtime_checkable
class SymmetricOperator(Protocol):
    """A real symmetric matrix that is never formed.

    Attributes:
        size: n, the number of rows.
        dtype: real floating dtype in which products are computed.
        device: where vectors live.
    """

    @property
    def size(self) -> int:
        """n, the number of rows."""

    @property
    def dtype(self) -> torch.dtype:
        """Real floating dtype of the vectors that the product takes and gives."""

    @property
    def device(self) -> torch.device:
        """Where vectors live."""

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with a vector of shape (n,), as a new tensor of the same shape."""


@final
@dataclass(frozen=True, eq=False)
class Dense:
    """A matrix that is at hand, as an operator.

    >>> Dense(torch.eye(2))(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """

    matrix: Float[Tensor, "size size"]

    @property
    def size(self) -> int:
        """See `SymmetricOperator`."""
        return int(self.matrix.shape[0])

    @property
    def dtype(self) -> torch.dtype:
        """See `SymmetricOperator`."""
        return self.matrix.dtype

    @property
    def device(self) -> torch.device:
        """See `SymmetricOperator`."""
        return self.matrix.device

    def __call__(self, vector: Float[Tensor, " size"]) -> Float[Tensor, " size"]:
        """See `SymmetricOperator`. Cost: n^2 multiplications."""
        return self.matrix @ vector


@final
@dataclass(frozen=True, eq=False)
class Scaled:
    """D A D with a diagonal D: with D = P^-1/2 the operator that a preconditioner P leaves.

    Attributes:
        operator: A.
        diagonal: the entries of D, of shape (n,), in any floating dtype.
    """

    operator: SymmetricOperator
    diagonal: Float[Tensor, " size"]

    @property
    def size(self) -> int:
        """See `SymmetricOperator`."""
        return self.operator.size

    @property
    def dtype(self) -> torch.dtype:
        """See `SymmetricOperator`."""
        return self.operator.dtype

    @property
    def device(self) -> torch.device:
        """See `SymmetricOperator`."""
        return self.operator.device

    def __call__(self, vector: Float[Tensor, " size"]) -> Float[Tensor, " size"]:
        """See `SymmetricOperator`. Cost: one product with A."""
        # the diagonal may span more decades than float32 holds well, so it is applied in its own precision
        inner = self.operator((self.diagonal * vector).to(self.dtype))
        return (self.diagonal * inner).to(self.dtype)


@final
@dataclass(frozen=True, eq=False)
class WeightedSum:
    """sum_i w_i A_i.

    Attributes:
        operators: A_i, at least one, of the same size, dtype and device.
        weights: w_i.
    """

    operators: Sequence[SymmetricOperator]
    weights: Sequence[float]

    @property
    def size(self) -> int:
        """See `SymmetricOperator`."""
        return self.operators[0].size

    @property
    def dtype(self) -> torch.dtype:
        """See `SymmetricOperator`."""
        return self.operators[0].dtype

    @property
    def device(self) -> torch.device:
        """See `SymmetricOperator`."""
        return self.operators[0].device

    def __call__(self, vector: Float[Tensor, " size"]) -> Float[Tensor, " size"]:
        """See `SymmetricOperator`. Cost: one product with each."""
        total = torch.zeros_like(vector)
        for operator, weight in zip(self.operators, self.weights, strict=True):
            total += weight * operator(vector)
        return total
