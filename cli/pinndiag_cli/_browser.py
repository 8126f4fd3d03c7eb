"""Open a page that was just written."""

from __future__ import annotations

from pathlib import Path

from pinndiag_cli._streams import note

__all__ = ["show"]


def show(page: Path) -> None:
    """Open `page` in a browser; say where it is if there is none."""
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        note(f"no browser could be started; the report is {page}")
