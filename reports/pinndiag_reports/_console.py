"""Text for a terminal: as wide and as coloured as it was asked for, whatever stdout is."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["drawn", "plain_table"]


def drawn(draw: Callable[[Console], None], *, width: int | None = None, color: bool | None = None) -> str:
    """What `draw` prints.

    Args:
        draw: prints to the console that it is given.
        width: columns to fill; default: those of the terminal, 100 where there is none.
        color: whether to colour; default: when stdout is a terminal and NO_COLOR is not set.
    """
    from rich.console import Console

    if width is None:
        width = shutil.get_terminal_size((100, 24)).columns
    if color is None:
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=max(width, 40),
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={},
    )
    draw(console)
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip("\n").split("\n")) + "\n"


def plain_table(head: tuple[str, ...], right: int) -> Table:
    """A table without a frame, whose last `right` columns hold numbers."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, title in enumerate(head):
        number_column = index >= len(head) - right
        table.add_column(title, justify="right" if number_column else "left", no_wrap=number_column, overflow="fold")
    return table
