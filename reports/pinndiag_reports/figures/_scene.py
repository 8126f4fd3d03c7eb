"""What all figures share: the record, which terms are drawn, and how each looks everywhere on the page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from pinndiag._records import DiagnosisRecord
from pinndiag_reports._names import shorten_all
from pinndiag_reports._parts import Key
from pinndiag_reports._theme import SERIES

__all__ = ["PLAIN", "Scene", "Style", "series"]

_DASHES = ("", "6 2.5", "2 2", "7 2 2 2", "10 3", "4 1.5 1 1.5", "3 3", "1 2.5")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")


@dataclass(frozen=True, slots=True)
class Style:
    """How a series looks: colour variable, dash pattern in pixels, marker."""

    color: str
    dash: str = ""
    marker: str = "o"


PLAIN = Style("ink")


def series(index: int) -> Style:
    """The look of the series of that index."""
    index %= SERIES
    return Style(f"s{index}", _DASHES[index], _MARKERS[index])


@dataclass(frozen=True)
class Scene:
    """The record and the looks of its terms.

    Attributes:
        most: how many terms a figure draws at most.
    """

    record: DiagnosisRecord
    most: int = SERIES

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All terms, in the record's order."""
        return tuple(self.record.terms)

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """The terms that are drawn: all, or those with the largest weighted gradients (not-finite ones first)."""
        if len(self.names) <= self.most:
            return self.names
        largest = sorted(self.names, key=lambda name: -_rank(self.weighted(name)))[: self.most]
        return tuple(name for name in self.names if name in largest)

    @cached_property
    def over_time(self) -> tuple[str, ...]:
        """Of a run, the terms drawn over the steps: those shown, then terms that are gone by its end."""
        if self.record.history is None:
            return self.shown
        gone = [name for name in self.record.history.losses if name not in self.record.terms]
        return (*self.shown, *gone[: self.most - len(self.shown)])

    def why(self, *keys: str, default: str) -> str:
        """The record's reason for the absence of a part, under one of `keys` or of their parts."""
        reasons = self.record.reasons
        for key in keys:
            if key in reasons:
                return reasons[key]
            for part in sorted(reasons):
                if part.startswith(f"{key}."):
                    return f"{part.removeprefix(f'{key}.')}: {reasons[part]}"
        return default

    def weighted(self, name: str) -> float:
        """|w g| of a term."""
        term = self.record.terms[name]
        return abs(term.weight) * term.grad_l2

    @cached_property
    def weightless(self) -> bool:
        """Whether every weight is 1, so that w g is g."""
        return all(term.weight == 1 for term in self.record.terms.values())

    def style(self, name: str) -> Style:
        """The look of a term; the total is drawn in ink."""
        return series(self.over_time.index(name)) if name in self.over_time else PLAIN

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """The key of a figure that draws the shown terms."""
        return self.keys_of(self.shown)

    def keys_of(self, names: tuple[str, ...]) -> tuple[Key, ...]:
        """The key of a figure that draws `names`."""
        styles = [(name, self.style(name)) for name in names]
        short = shorten_all(names, 40)
        return tuple(Key(n, style.color, style.dash, style.marker) for n, (_, style) in zip(short, styles, strict=True))

    @cached_property
    def limited(self) -> str:
        """A sentence when not all terms are drawn, else empty."""
        if len(self.shown) == len(self.names):
            return ""
        return (
            f"{len(self.shown)} of {len(self.names)} terms drawn: those with the largest weighted gradients; "
            "the tables hold all of them."
        )


def _rank(value: float) -> float:
    return value if math.isfinite(value) else math.inf
