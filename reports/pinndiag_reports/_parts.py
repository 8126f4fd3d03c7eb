"""The pieces a section of the page is made of: plain values that a template shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup

__all__ = ["Absent", "Cell", "Figure", "Grid", "Key", "Panel", "Part", "Section", "Table"]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head; the first cell of a row names it.

    Attributes:
        folded: behind a line to click, with that text; "" shows the table at once.
        words: the last column holds sentences.
        half: leaves room for a neighbour where the page is wide enough.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    note: str = ""
    folded: str = ""
    words: bool = False
    half: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with a shade: 0 to 8 on a sequential scale, -4 to 4 on a diverging one; None stays blank."""

    text: str
    shade: int | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A heat map as a table: every cell shows its number on the colour of its value."""

    id: str
    title: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    note: str
    diverging: bool = False
    more: tuple[Table, ...] = ()
    kind: ClassVar[str] = "grid"


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a figure's key: a colour variable, a dash pattern and a marker beside a name."""

    name: str
    color: str
    dash: str = ""
    marker: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing: inline SVG and what it shows in words.

    Attributes:
        keys: of what this panel alone draws.
    """

    svg: Markup
    alt: str
    title: str = ""
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """Panels under one claim, with the numbers as tables.

    Attributes:
        title: the claim, with its numbers.
        note: units, how many, what to look for.
        size: "small" (three or more in a row), "medium", "wide", "timeline" (over the steps of a run).
    """

    id: str
    title: str
    panels: tuple[Panel, ...]
    note: str = ""
    keys: tuple[Key, ...] = ()
    tables: tuple[Table, ...] = ()
    size: str = "medium"
    kind: ClassVar[str] = "figure"


@dataclass(frozen=True, slots=True)
class Absent:
    """Something that is not shown, and why."""

    what: str
    why: str
    kind: ClassVar[str] = "absent"


Part = Figure | Grid | Table | Absent


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under its own heading.

    Attributes:
        leading: comes right after the verdict.
    """

    id: str
    title: str
    lead: str
    parts: tuple[Part, ...]
    leading: bool = False
