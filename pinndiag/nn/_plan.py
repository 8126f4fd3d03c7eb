"""Which directional derivatives give the operators that are asked for.

Along one direction v all derivatives up to order k follow from one Taylor polynomial of t -> u(x + t v), which a
network passes on layer by layer. Mixed derivatives are sums of them: u_xy = (D_{x+y}^2 - D_{x-y}^2) u / 4.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from jaxtyping import Float

from pinndiag.nn._operators import Operator, parsed

__all__ = ["Plan", "plan"]

Directions = Float[np.ndarray, "directions d"]
EXACT = 1e-10  # residual up to which a combination of directions counts as the operator itself


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """Directions, how far each is followed, and the operators as sums over them.

    Attributes:
        directions: (m, d), those followed to the highest order first.
        counts: m_k, how many of them are followed to order k at least, for k = 1, 2, ...; descending.
        sums: for each operator its order k and its coefficients over the first m_k directions.
        mixing: the coefficients (r, m_K) of the operators of the highest order K where r < m_K: only these r sums are
            propagated, since the highest derivatives enter every layer linearly ("forward Laplacian" for K = 2).
    """

    directions: Directions
    counts: tuple[int, ...]
    sums: tuple[tuple[int, tuple[float, ...]], ...]
    mixing: tuple[tuple[float, ...], ...] | None

    @property
    def order(self) -> int:
        """K, the highest order."""
        return len(self.counts)


@lru_cache(maxsize=256)
def plan(texts: tuple[str, ...], axes: str) -> Plan:
    """The smallest set of directions tried that represents every operator exactly.

    >>> plan(("xx+yy",), "xy").mixing                      # one sum instead of two second derivatives
    ((1.0, 1.0),)
    >>> len(plan(("xxxx+2xxyy+yyyy",), "xy").directions)   # three directions at 60 degrees
    3
    """
    operators = [parsed(text, axes) for text in texts]
    for directions in _candidates(operators, len(axes)):
        sums = [_sum(operator, directions) for operator in operators]
        if all(found is not None for found in sums):
            return _plan(directions, [(_order(o), s) for o, s in zip(operators, sums, strict=True) if s is not None])
    raise AssertionError("the last candidates span all homogeneous polynomials of their degree")


def _plan(directions: Directions, sums: Sequence[tuple[int, np.ndarray]]) -> Plan:
    reach = np.zeros(len(directions), dtype=int)
    for order, coefficients in sums:
        reach = np.maximum(reach, np.where(coefficients != 0, order, 0))
    ranked = [int(i) for i in np.argsort(-reach, kind="stable") if reach[i]]
    top = max(order for order, _ in sums)
    counts = tuple(int((reach >= k).sum()) for k in range(1, top + 1))
    kept = tuple((order, tuple(float(c) for c in s[ranked[: counts[order - 1]]])) for order, s in sums)
    highest = tuple(s for order, s in kept if order == top)
    return Plan(directions[ranked], counts, kept, highest if len(highest) < counts[-1] else None)


def _order(operator: Operator) -> int:
    return len(next(iter(operator)))


def _candidates(operators: Sequence[Operator], dimension: int) -> Iterator[Directions]:
    """Sets of directions, the cheapest first."""
    axes = sorted({axis for operator in operators for index in operator for axis in index})
    unit = np.eye(dimension)
    yield unit[axes]
    if len(axes) == 2:  # D^2 and D^4 summed over three directions at 60 degrees are isotropic
        x, y = unit[axes]
        yield np.stack([math.cos(a) * x + math.sin(a) * y for a in (0, math.pi / 3, 2 * math.pi / 3)])
    pairs = list(itertools.combinations(axes, 2))
    yield np.stack([*unit[axes], *(unit[i] + sign * unit[j] for i, j in pairs for sign in (1, -1))])
    # the multi-indices of the highest order: always enough (Griewank, Utke, Walther 2000, Math. Comp. 69, 1117)
    order = max(map(_order, operators))
    weights = itertools.product(range(order + 1), repeat=len(axes))
    lattice = [w for w in weights if sum(w) == order]
    yield np.stack([sum(w * unit[axis] for w, axis in zip(point, axes, strict=True)) for point in lattice])


def _sum(operator: Operator, directions: Directions) -> np.ndarray | None:
    """The c with sum_i c_i D_{v_i}^k = the operator; None where there is none."""
    order = _order(operator)
    axes = range(directions.shape[1])
    monomials = list(itertools.combinations_with_replacement(axes, order))
    columns = [np.prod(directions[:, index], axis=1) * _multiplicity(index) for index in monomials]
    target = np.array([operator.get(index, 0.0) for index in monomials])
    matrix = np.stack(columns)
    found: np.ndarray = np.linalg.lstsq(matrix, target, rcond=None)[0]
    found[np.abs(found) < EXACT] = 0.0
    return found if np.abs(matrix @ found - target).max() < EXACT else None


def _multiplicity(index: tuple[int, ...]) -> int:
    """How often a monomial occurs in (v . d)^k."""
    count = math.factorial(len(index))
    for axis in set(index):
        count //= math.factorial(index.count(axis))
    return count
