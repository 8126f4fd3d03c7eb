"""Numbers and terms' names in sentences. Names are a user's text: they are quoted, shortened, never interpreted."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["listed", "number", "quoted", "worst_first"]

LONGEST = 60


def number(value: float) -> str:
    """A number with two or three digits, as a person would write it.

    >>> number(1234.4), number(0.0371), number(2.3e-7), number(float("inf"))
    ('1234', '0.0371', '2.3e-7', 'infinite')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    if 100 <= abs(value) < 9999.5:
        return f"{value:.0f}"
    if value == 0 or 1e-3 <= abs(value) < 100:
        return f"{value:.3g}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def quoted(name: str) -> str:
    """A name between quotation marks, on one line, at most 60 characters."""
    shown = repr(name)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 4] + "..." + shown[0]


def listed(names: Sequence[str]) -> str:
    """Up to four names in a row: 'a', 'b' and 'c'."""
    shown = [quoted(name) for name in names[:4]]
    if len(names) > 4:
        shown.append(f"{len(names) - 4} more")
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1] if shown else ""


def worst_first(figures: dict[str, float], *, falling: bool = False) -> list[str]:
    """The names by their figures, the largest first (smallest if `falling`), equal ones by name."""
    sign = 1 if falling else -1
    return sorted(figures, key=lambda name: (sign * figures[name], name))
