"""Both ends of a spectrum by the Lanczos process, with a residual for each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag.linalg._operator import SymmetricOperator

__all__ = ["BASIS_BYTES", "Krylov", "LanczosResult", "RitzPair", "Stop", "basis_limit", "lanczos"]

BASIS_BYTES = 2 * 1024**3  # most memory the stored basis may take; see `basis_limit`
FEWEST = 8  # vectors kept however large the operator

Stop = Literal["converged", "invariant subspace", "basis full", "non-finite product"]


def basis_limit(size: int, max_steps: int) -> int:
    """How many Lanczos vectors are stored at most, hence the largest number of steps.

    The smallest of `max_steps`, `size` and what fits into 2 GiB at 8 bytes an entry (but at least 8 vectors).
    """
    return min(max_steps, size, max(FEWEST, BASIS_BYTES // (8 * size)))


@final
@dataclass(frozen=True, eq=False)
class RitzPair:
    """An approximate eigenpair: theta and a unit vector v.

    Attributes:
        value: theta.
        residual: |A v - theta v|, absolute: an eigenvalue lies within it of theta.
        converged: residual <= tolerance * |theta|.
        products: products with the operator spent so far.
        vector: v, of shape (n,), on the operator's device; a good start for the next measurement.
    """

    value: float
    residual: float
    converged: bool
    products: int
    vector: Float64[Tensor, " size"]


@final
@dataclass(frozen=True, eq=False)
class LanczosResult:
    """What `lanczos` returns.

    Attributes:
        largest: the largest (algebraic) Ritz value.
        smallest: the smallest.
        products: products with the operator.
        diagonal: alpha_1..k of the tridiagonal matrix.
        off_diagonal: beta_1..k; the last one couples to what was not explored.
        stopped: why the process ended; "converged" whenever the largest one did.
    """

    largest: RitzPair
    smallest: RitzPair
    products: int
    diagonal: list[float]
    off_diagonal: list[float]
    stopped: Stop


def lanczos(
    operator: SymmetricOperator,
    start: Float[Tensor, " size"],
    *,
    tolerance: float = 1e-3,
    max_steps: int = 60,
) -> LanczosResult:
    """Largest and smallest eigenvalue of a symmetric operator, by the Lanczos process from `start`.

    It stops as soon as the largest algebraic Ritz value theta has |A v - theta v| <= tolerance * |theta|; the smallest
    one is given as far as the same products resolve it. The error of theta itself is quadratic in the residual, so it
    is usually far below the tolerance.

    What the residual proves: *an* eigenvalue lies within it of theta, and theta does not exceed the largest one. It
    does not prove that no larger one was missed: a start without any component along the sharpest direction cannot
    find it. So mix something random into a start that was chosen.

    Vectors are kept and combined in float64 on the operator's device, and orthogonalised twice against all earlier
    ones; products are computed in the operator's dtype.

    Args:
        operator: the operator.
        start: any vector that is not zero; its length does not matter.
        tolerance: relative residual asked of the largest eigenvalue.
        max_steps: most products. See `basis_limit`, which may lower it.

    Returns:
        Both ends. A product with NaN or infinity gives NaN for both, not an error.

    Raises:
        PinndiagError: `start` is zero or of another size, `max_steps` < 1, or `tolerance` is negative or NaN.

    Cost: at most `basis_limit(n, max_steps)` products, as many vectors of n float64, 8 n k operations in step k.

    References: Golub and Van Loan, Matrix Computations, 4th ed., section 10.3 (process, Ritz values);
        Parlett, The Symmetric Eigenvalue Problem, sections 4.5 (residual bound) and 6.9 (twice is enough).

    >>> import torch
    >>> from pinndiag.linalg import Dense, lanczos
    >>> ends = lanczos(Dense(torch.diag(torch.tensor([3.0, 1.0, -4.0]))), torch.ones(3))
    >>> round(ends.largest.value, 4), round(ends.smallest.value, 4), ends.products
    (3.0, -4.0, 3)
    """
    if not tolerance >= 0:
        raise PinndiagError(
            f"tolerance={tolerance} is not a number >= 0",
            cause="it bounds the relative residual of the largest eigenvalue",
            fix="pass 1e-3, or smaller for more digits",
        )
    space = Krylov(operator, start, max_steps)
    while space.ended is None:
        space.grow()
        value, residual = space.end(-1)
        if residual <= tolerance * abs(value):
            break
    largest, smallest = (_pair(space, index, tolerance) for index in (-1, 0))
    stopped: Stop = "converged" if space.ended is None or largest.converged else space.ended
    return LanczosResult(largest, smallest, space.steps, space.diagonal, space.off_diagonal, stopped)


@final
class Krylov:
    """An orthonormal basis q_1..q_k of span{b, A b, A^2 b, ...}, grown by one product at a time.

    Attributes:
        limit: most vectors.
        steps: k, products so far.
        ended: why it cannot grow further, or None while it can.
    """

    def __init__(self, operator: SymmetricOperator, start: Float[Tensor, " size"], max_steps: int) -> None:
        if max_steps < 1:
            raise PinndiagError(
                f"max_steps={max_steps} leaves no product to work with",
                cause="each step costs one product with the operator",
                fix="pass max_steps=60",
            )
        if start.shape != (operator.size,):
            raise PinndiagError(
                "the start vector does not fit the operator",
                where=f"start {tuple(start.shape)}, operator {operator.size} x {operator.size}",
                cause="it was made for other parameters",
                fix="pass a vector with one entry for each row",
            )
        self.limit = basis_limit(operator.size, max_steps)
        self.steps = 0
        self.ended: Literal["invariant subspace", "basis full", "non-finite product"] | None = None
        self._operator = operator
        # k+1 rows, k columns: A Q_k = Q_k+1 H. Above the diagonal it is H's transpose, up to rounding of the products
        self._projected = np.zeros((self.limit + 1, self.limit))
        first = start.detach().to(operator.device, torch.float64)
        norm = float(first.norm())
        if norm == 0.0:
            raise PinndiagError(
                "the start vector is zero",
                where=f"{operator.size} entries",
                cause="a gradient that vanishes was passed as it is",
                fix="add a random vector to it",
            )
        self._basis = first.new_empty(min(self.limit, FEWEST), operator.size)
        self._basis[0] = first / norm
        self._ritz: tuple[np.ndarray, np.ndarray] | None = None
        # rounding of one product, relative to |A|
        self._rounding = max(16 * torch.finfo(torch.float64).eps, torch.finfo(operator.dtype).eps)

    @property
    def diagonal(self) -> list[float]:
        """alpha_1..k."""
        return [float(a) for a in np.diagonal(self._projected)[: self.steps]]

    @property
    def off_diagonal(self) -> list[float]:
        """beta_1..k: |A q_j| outside the basis, below the diagonal."""
        return [float(b) for b in np.diagonal(self._projected, -1)[: self.steps]]

    @property
    def basis(self) -> Float64[Tensor, "steps size"]:
        """q_1..q_k, one a row."""
        return self._basis[: self.steps]

    def grow(self) -> None:
        """One product more. Only while `ended` is None."""
        assert self.ended is None
        k = self.steps
        known = self._basis[: k + 1]
        new = self._operator(known[k].to(self._operator.dtype)).detach().to(torch.float64)
        along = known @ new
        new = new - along @ known
        again = known @ new  # the first pass leaves rounding errors of the size of A, the second of the remainder
        new = new - again @ known
        column = torch.cat([along + again, new.norm()[None]]).tolist()  # one transfer from the device
        self._projected[: k + 2, k] = column
        self.steps = k + 1
        self._ritz = None
        if not all(map(math.isfinite, column)):
            self.ended = "non-finite product"
        elif column[-1] <= self._rounding * self._scale():
            self.ended = "invariant subspace"
        elif self.steps == self.limit:
            self.ended = "basis full"
        else:
            if self.steps == len(self._basis):
                more = min(self.limit, 2 * self.steps) - self.steps
                self._basis = torch.cat([self._basis, self._basis.new_empty(more, self._operator.size)])
            self._basis[self.steps] = new / column[-1]

    def ritz(self) -> tuple[Float64[np.ndarray, " steps"], Float64[np.ndarray, "steps steps"]]:
        """Eigenvalues (ascending) and eigenvectors (columns) of the tridiagonal matrix; NaN if A is not finite."""
        if self._ritz is None:
            if self.ended == "non-finite product":
                self._ritz = np.full(self.steps, math.nan), np.full((self.steps, self.steps), math.nan)
            else:
                off = np.array(self.off_diagonal[:-1])
                self._ritz = np.linalg.eigh(np.diag(self.diagonal) + np.diag(off, -1) + np.diag(off, 1))
        return self._ritz

    def end(self, index: int) -> tuple[float, float]:
        """A Ritz value and its residual |A v - theta v|.

        The residual has a part outside the basis, beta_k |s_k|, and one inside: what the products' rounding (or an
        operator that is not quite symmetric) leaves of H - T. To this comes one rounding error of a product.
        """
        values, vectors = self.ritz()
        k = self.steps
        value, s = float(values[index]), vectors[:, index]
        inside = np.linalg.norm(self._projected[:k, :k] @ s - value * s)
        outside = self._projected[k, k - 1] * abs(s[-1])
        rounding = torch.finfo(self._operator.dtype).eps * np.abs(values).max()
        return value, float(math.hypot(inside, outside) + rounding)

    def vector(self, index: int) -> Float64[Tensor, " size"]:
        """The Ritz vector, of unit length."""
        weights = torch.from_numpy(self.ritz()[1][:, index].copy()).to(self._basis.device)
        return weights @ self.basis

    def _scale(self) -> float:
        return float(np.linalg.norm(self._projected[: self.steps + 1, : self.steps], axis=0).max())


def _pair(space: Krylov, index: int, tolerance: float) -> RitzPair:
    value, residual = space.end(index)
    return RitzPair(value, residual, residual <= tolerance * abs(value), space.steps, space.vector(index))
