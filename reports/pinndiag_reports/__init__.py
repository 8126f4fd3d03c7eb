"""A diagnosis as a page, as text for a terminal, and as Markdown.

Everything here is a function of a `DiagnosisRecord` (or of the plain dictionary that diagnosis.json holds): no torch,
no measuring, no clock, so that two renderings of one diagnosis are equal byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pinndiag._records import DiagnosisRecord

__all__ = ["to_html", "to_markdown", "to_text"]


def to_html(record: DiagnosisRecord | Mapping[str, Any]) -> str:
    """One self-contained HTML page: verdict, findings, figures, run card; the record itself is embedded as JSON.

    Args:
        record: the diagnosis, or the dictionary that its JSON file holds.

    Returns:
        The page as text, to be written as UTF-8. It asks for nothing else, reads without JavaScript, follows the
        reader's light or dark theme, and stays below 2 MB whatever the number of terms, layers and points.

    Raises:
        PinndiagError: `record` is a dictionary of another shape; the message names the path inside it.

    Cost: about a second and no backward pass.
    """
    from pinndiag_reports._html import render

    return render(record)


def to_text(
    record: DiagnosisRecord | Mapping[str, Any],
    *,
    width: int | None = None,
    color: bool | None = None,
    everything: bool = False,
) -> str:
    """The verdict, a table of the terms and the findings, for a terminal.

    Args:
        record: the diagnosis, or the dictionary that its JSON file holds.
        width: columns to fill; default: those of the terminal, 100 where there is none.
        color: whether to colour; default: when stdout is a terminal and NO_COLOR is not set.
        everything: show every finding; by default the worst three, and the others by name.

    Raises:
        PinndiagError: `record` is a dictionary of another shape.
    """
    from pinndiag_reports._text import render

    return render(record, width=width, color=color, everything=everything)


def to_markdown(record: DiagnosisRecord | Mapping[str, Any]) -> str:
    """The facts of `to_text` as Markdown, to be pasted into an issue.

    Args:
        record: the diagnosis, or the dictionary that its JSON file holds.

    Raises:
        PinndiagError: `record` is a dictionary of another shape.
    """
    from pinndiag_reports._markdown import render

    return render(record)
