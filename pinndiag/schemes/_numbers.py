"""Numbers that a scheme is made with: those of numpy are taken as Python's, and each must lie where it makes sense."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

__all__ = ["AVERAGE", "COUNT", "FINITE", "POSITIVE", "SEED", "SHARE", "SIZE", "Range", "Ranges", "plain"]


@final
@dataclass(frozen=True)
class Range:
    """Where a number makes sense.

    Attributes:
        low, high: the ends, which count; infinity counts only where it is one of them.
        above, below: the end itself does not count.
        whole: no fractions.
        meaning: of the number, where it is easily mistaken.

    >>> 0.5 in Range(0, 1), 1 in Range(0, 1, below=True), True in Range(0, 1), str(Range(0, 1, below=True))
    (True, False, False, 'a number >= 0 and < 1')
    """

    low: int | float = -math.inf
    high: int | float = math.inf
    above: bool = False
    below: bool = False
    whole: bool = False
    meaning: str = ""

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        over = self.low < value if self.above else self.low <= value
        return over and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        finite = "finite " if math.isinf(self.high) and self.below else ""
        kind = f"a {finite}{'whole ' if self.whole else ''}number"
        low = f" {'>' if self.above else '>='} {self.low:g}" if math.isfinite(self.low) else ""
        high = f" {'<' if self.below else '<='} {self.high:g}" if math.isfinite(self.high) else ""
        return kind + (f"{low} and{high}" if low and high else low or high)


Ranges = Mapping[str, Range]

COUNT = Range(1, whole=True)
SEED = Range(0, whole=True)
FINITE = Range(above=True, below=True)
POSITIVE = Range(0, above=True, below=True)
SIZE = Range(0, below=True)
SHARE = Range(0, 1)
AVERAGE = Range(0, 1, below=True, meaning="the weight of the OLD value (some papers call that of the new one alpha)")


def plain(value: Any) -> Any:
    """A value with the numbers of numpy in it, and in what it holds, as Python's.

    >>> plain({"bc": np.float32(0.5)}), plain((np.int64(3), "x"))
    ({'bc': 0.5}, (3, 'x'))
    """
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    return {key: plain(entry) for key, entry in value.items()} if type(value) is dict else value
