"""The state of a run that is being followed in a terminal: as a table that is drawn over, or as a line."""

from __future__ import annotations

from rich.console import Group
from rich.text import Text

from pinndiag._records import DiagnosisRecord
from pinndiag_reports._input import read
from pinndiag_reports._names import one_line, shorten
from pinndiag_reports._run import BLOCKS
from pinndiag_reports._text import STYLES, can_write, course
from pinndiag_reports._view import view

__all__ = ["state_line", "state_table"]

MOST = 6  # terms on a line


def state_table(record: DiagnosisRecord, *, width: int, remark: str = "") -> Group:
    """How far the run came, the course of its terms, and the verdict so far.

    Args:
        record: the diagnosis of the run as far as it is recorded.
        width: columns of the terminal.
        remark: a further sentence, such as how old the last record is.
    """
    page = view(read(record)[1])
    parts = [] if page.run is None else list(course(page.run, width, blocks=can_write(BLOCKS)))
    verdict = Text(f"{page.sign} so far: {one_line(page.verdict)}", style=STYLES[page.severity])
    # the verdict has the first one's title
    codes = [Text(f"  {item.severity} {item.code} {item.title}", style="dim") for item in page.findings[1:MOST]]
    return Group(*parts, *([Text(remark, style="dim")] if remark else []), verdict, *codes)


def state_line(record: DiagnosisRecord, *, remark: str = "") -> str:
    """The same on one line: step, losses with their trends, verdict."""
    page = view(read(record)[1])
    if page.run is None:
        return one_line(page.verdict)
    losses = [f"{shorten(row.name, 20)} {row.last} {row.trend}" for row in page.run.rows[:MOST]]
    if len(page.run.rows) > MOST:
        losses.append(f"{len(page.run.rows) - MOST} more terms")
    parts = [page.run.progress, "; ".join(losses), *([remark] if remark else []), one_line(page.verdict)]
    return " | ".join(parts)
