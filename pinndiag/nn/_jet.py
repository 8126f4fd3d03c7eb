"""Values with their derivatives along several directions, and how linear maps, functions and products pass them on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from pinndiag.nn._plan import Plan

__all__ = ["Jet"]

Values = Float[Tensor, "points units"]


@final
@dataclass(frozen=True)
class Jet:
    """u at some points, and D_v^k u along directions v (a truncated Taylor polynomial for each direction).

    Attributes:
        value: u, of shape (points, units).
        stack: first derivatives along the first m_1 directions, then second ones along the first m_2, and so on, of
            shape (rows, points, units); the last order holds the sums of `mixing` where that is given. Before the
            first nonlinearity it holds first derivatives alone, with 1 instead of points: they are the same at all
            points, and higher ones are zero.
        counts: m_k, see `Plan`.
        mixing: (r, m_K) or None, see `Plan`.
    """

    value: Values
    stack: Float[Tensor, "rows _ units"]
    counts: tuple[int, ...]
    mixing: Float[Tensor, "sums directions"] | None

    @staticmethod
    def start(x: Values, plan: Plan) -> Jet:
        """The coordinates themselves."""
        directions = _constant(plan.directions.tolist(), x)[:, None]
        mixing = None if plan.mixing is None else _constant(plan.mixing, x)
        first = directions if mixing is None or plan.order > 1 else _mixed(mixing, directions)
        return Jet(x, first, plan.counts, mixing)

    @property
    def orders(self) -> list[Tensor | None]:
        """The derivatives of order 1, 2, ..., each of shape (m_k, points or 1, units); None where they are zero."""
        sizes = [*self.counts[:-1], self.counts[-1] if self.mixing is None else len(self.mixing)]
        if len(self.stack) < sum(sizes):
            return [self.stack, *[None] * (len(sizes) - 1)]
        return list(self.stack.split(sizes)) if len(sizes) > 1 else [self.stack]

    def linear(self, weight: Tensor, bias: Tensor | None) -> Jet:
        """The jet of u W^T + b."""
        return self._with(functional.linear(self.value, weight, bias), functional.linear(self.stack, weight))

    def scaled(self, shift: Tensor, scale: Tensor) -> Jet:
        """The jet of (u - shift) / scale, unit by unit."""
        return self._with((self.value - shift) / scale, self.stack / scale)

    def times(self, factor: Tensor) -> Jet:
        """The jet of factor u, unit by unit, for a factor that does not depend on the point."""
        return self._with(factor * self.value, factor * self.stack)

    def tanh(self) -> Jet:
        """The jet of y = tanh u, whose derivatives are 1 - y^2 times polynomials in y; that factor is applied once."""
        y = torch.tanh(self.value)
        square = y * y
        order = len(self.counts)
        factors = [-2 * y] if order > 1 else []
        factors += [6 * square - 2] if order > 2 else []
        factors += [y * (16 - 24 * square)] if order > 3 else []
        return self._with(y, (1 - square) * self._composed(None, factors))

    def sin(self) -> Jet:
        """The jet of sin u."""
        s, c = torch.sin(self.value), torch.cos(self.value)
        return self._with(s, self._composed(c, [-s, -c, s]))

    def cos(self) -> Jet:
        """The jet of cos u."""
        s, c = torch.sin(self.value), torch.cos(self.value)
        return self._with(c, self._composed(-s, [-c, s, c]))

    def __add__(self, other: Jet) -> Jet:
        """Sum of two jets along the same directions."""
        return self._with(self.value + other.value, self.stack + other.stack)

    def __sub__(self, other: Jet) -> Jet:
        """Difference of two jets along the same directions."""
        return self._with(self.value - other.value, self.stack - other.stack)

    def __mul__(self, other: Jet) -> Jet:
        """Product of two jets along the same directions, both behind a nonlinearity, by Leibniz' rule."""
        value = self.value * other.value
        ends = self._with(value, self.value * other.stack + other.value * self.stack)
        a, b, found = self.orders, other.orders, ends.orders
        for k in range(2, len(found) + 1):
            left, right = ([_first(z, self.counts[k - 1]) for z in orders[: k - 1]] for orders in (a, b))
            inner = _total([_product(left[j - 1], right[k - j - 1], math.comb(k, j)) for j in range(1, k)])
            found[k - 1] = _total([found[k - 1], self._held(k, inner)])
        return self._with(value, self._stacked(found)) if len(found) > 1 else ends

    def joined(self, other: Jet) -> Jet:
        """The units of both, side by side."""
        return self._with(torch.cat([self.value, other.value], dim=-1), torch.cat([self.stack, other.stack], dim=-1))

    def operator(self, order: int, coefficients: Sequence[float], row: int | None) -> Values:
        """sum_i c_i D_{v_i}^k u; `row` is its place among the mixed sums where it is one of them."""
        z = self.orders[order - 1]
        if z is not None and row is not None:
            return z[row].expand_as(self.value)
        total = None if z is None else _total([z[i] if c == 1 else c * z[i] for i, c in enumerate(coefficients) if c])
        return torch.zeros_like(self.value) if total is None else total.expand_as(self.value)

    def _composed(self, slope: Values | None, factors: Sequence[Values]) -> Tensor:
        """The stack of f(u) by Faa di Bruno's formula, from f' (None: one) and f'', f''', ... at u."""
        given, found = self.orders, list[Tensor | None]()
        for k, z in enumerate(given, start=1):
            total = z if z is None or slope is None else slope * z
            lower = [_first(w, self.counts[k - 1]) for w in given[: k - 1]]
            for j in range(2, k + 1):
                bell = self._held(k, _bell(k, j, lower))
                if bell is not None:
                    factor = factors[j - 2]
                    total = factor * bell if total is None else torch.addcmul(total, factor, bell)
            found.append(total)
        return self._stacked(found)

    def _held(self, k: int, z: Tensor | None) -> Tensor | None:
        """What order k holds of a derivative along each direction: itself, or its sums."""
        return z if z is None or self.mixing is None or k < len(self.counts) else _mixed(self.mixing, z)

    def _stacked(self, orders: Sequence[Tensor | None]) -> Tensor:
        present = [z for z in orders if z is not None]
        return present[0] if len(present) == 1 else torch.cat([z.expand(-1, len(self.value), -1) for z in present])

    def _with(self, value: Values, stack: Tensor) -> Jet:
        return Jet(value, stack, self.counts, self.mixing)


def _first(z: Tensor | None, count: int) -> Tensor | None:
    """The first directions of a lower order: those that are followed further."""
    return z if z is None or len(z) == count else z[:count]


def _bell(k: int, j: int, z: Sequence[Tensor | None]) -> Tensor | None:
    """The partial Bell polynomial B_{k,j}(z_1, z_2, ...) for 2 <= j <= k <= 4; None where it is zero."""
    first, second, third = [*z, None, None][:3]
    if first is None:
        return None
    if j == k:
        return first * first if k == 2 else first**k
    if (k, j) == (3, 2):
        return _product(first, second, 3)
    if (k, j) == (4, 3):
        return _product(first * first, second, 6)
    return _total([_product(first, third, 4), _product(second, second, 3)])  # B_{4,2}


def _product(a: Tensor | None, b: Tensor | None, factor: int) -> Tensor | None:
    return None if a is None or b is None else factor * a * b


def _total(summands: Sequence[Tensor | None]) -> Tensor | None:
    present = [z for z in summands if z is not None]
    return sum(present[1:], start=present[0]) if present else None


def _mixed(mixing: Tensor, z: Tensor) -> Tensor:
    sums: Tensor = torch.tensordot(mixing, z, dims=1)
    return sums


def _constant(numbers: Sequence[Sequence[float]], like: Tensor) -> Tensor:
    # a copy that does not wait for the device
    return torch.tensor(numbers, dtype=like.dtype).to(like.device, non_blocking=True)
