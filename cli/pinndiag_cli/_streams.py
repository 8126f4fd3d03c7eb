"""Result on stdout, messages on stderr; neither can be made to move a terminal's cursor or to end in a traceback."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

import click

from pinndiag import PinndiagError
from pinndiag_reports._names import clean

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["colored", "data", "draw", "fail", "markdown", "note", "result", "table", "width"]

_SIGNS = {"✖": "x", "▲": "!", "●": "*", "✔": "+", "─": "-", "–": "-", "…": "...", "≤": "<=", "\u202f": " "}
_PLAINER = str.maketrans(_SIGNS)  # what our own tables draw with, for a terminal that cannot write it
_STYLE = re.compile(r"(\x1b\[[0-9;]*m)")


def colored(stream: TextIO) -> bool:
    """Whether to write colours: a terminal, and nobody said otherwise (NO_COLOR, TERM=dumb)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns to write for: the terminal's, 100 where there is none, never more than is easy to read."""
    return max(40, min(120, shutil.get_terminal_size((100, 24)).columns))


def result(text: str, *, styled: bool = False) -> None:
    """Write a line (or several) of the result to stdout; `styled` text keeps its colours, and nothing else of use."""
    pieces = _STYLE.split(text) if styled else [text]
    _write(sys.stdout, "".join(p if styled and _STYLE.fullmatch(p) else clean(p) for p in pieces))


def data(text: str) -> None:
    """Write ASCII that a program reads to stdout, as it stands."""
    _write(sys.stdout, text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table to stdout; cells wrap, and are text whatever they hold."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*head, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for row in rows:
        drawn.add_row(*(Text(clean(cell)) for cell in row))
    draw(drawn)


def markdown(text: str) -> None:
    """Write Markdown to stdout: laid out on a terminal, as it stands elsewhere."""
    if not sys.stdout.isatty():
        result(text.rstrip("\n"))
        return
    from rich.markdown import Markdown

    draw(Markdown(clean(text), hyperlinks=False))


def note(text: str) -> None:
    """Write a message to stderr."""
    _write(sys.stderr, clean(text))


def fail(error: PinndiagError) -> None:
    """Write an error to stderr in its four parts."""
    label = click.style("error:", fg="red", bold=True) if colored(sys.stderr) else "error:"
    _write(sys.stderr, f"{label} {clean(str(error))}")


def draw(drawing: RenderableType) -> None:
    """Write something that rich lays out to stdout; its texts must be clean."""
    from rich.console import Console

    color = colored(sys.stdout)
    console = Console(
        width=width(), force_terminal=color, color_system="standard" if color else None, legacy_windows=False
    )
    with console.capture() as captured:
        console.print(drawing)
    lines = captured.get().rstrip("\n").split("\n")
    result("\n".join(line.rstrip() for line in lines), styled=color)


def _write(stream: TextIO, text: str) -> None:
    # A reader that left early (`| head`) changes neither the files that are written nor the exit status: the rest of
    # what would be printed goes nowhere, at interpreter exit too.
    try:
        try:
            stream.write(text + "\n")
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.translate(_PLAINER).encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
