"""Differential operators as text: "t", "xx+yy", "xxxx+2xxyy+yyyy"."""

from __future__ import annotations

import re
from functools import lru_cache

from pinndiag._errors import PinndiagError

__all__ = ["ORDERS", "Operator", "parsed"]

ORDERS = 4  # the highest order that is propagated

# sum of c d^k / dx_i dx_j ... as {(i, j, ...): c}, indices ascending, all of the same length k
Operator = dict[tuple[int, ...], float]

_SUMMAND = re.compile(r"([+-]?)(\d+(?:\.\d+)?)?\*?([^\W\d_]+)")


@lru_cache(maxsize=256)
def parsed(text: str, axes: str) -> Operator:
    """Read an operator of constant coefficients and one order.

    Args:
        text: products of axes with signs and coefficients; spaces do not count.
        axes: one letter for each coordinate, in their order.

    Raises:
        PinndiagError: the text is no such operator.

    >>> parsed("xx + yy", "xy")
    {(0, 0): 1.0, (1, 1): 1.0}
    >>> parsed("2yx", "xy")
    {(0, 1): 2.0}
    """
    compact = "".join(text.split())
    found: Operator = {}
    position = 0
    while position < len(compact):
        match = _SUMMAND.match(compact, position)
        if match is None or (position > 0 and not match[1]) or not set(match[3]) <= set(axes):
            raise _refusal(text, axes, f"{compact[position:]!r} is not a product of axes")
        sign, coefficient, letters = match.groups()
        index = tuple(sorted(axes.index(letter) for letter in letters))
        found[index] = found.get(index, 0.0) + (-1 if sign == "-" else 1) * float(coefficient or 1)
        position = match.end()
    if not found or len({len(index) for index in found}) > 1:
        raise _refusal(text, axes, "its summands have different orders" if found else "it is empty")
    return found


def _refusal(text: str, axes: str, cause: str) -> PinndiagError:
    return PinndiagError(
        f"{text!r} is not a differential operator of one order",
        where=f"axes {axes!r}",
        cause=cause,
        fix='write sums of products of axes, such as "t", "xx+yy" or "xxxx+2xxyy+yyyy"; ask for each order apart',
    )
