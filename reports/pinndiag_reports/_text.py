"""The verdict for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pinndiag._records import DiagnosisRecord
from pinndiag_reports._console import drawn
from pinndiag_reports._input import read
from pinndiag_reports._names import one_line, shorten_all
from pinndiag_reports._numbers import number, plural
from pinndiag_reports._run import BLOCKS, RUN_COLUMNS, RunView
from pinndiag_reports._view import COLUMNS, FindingView, Row, View, view

__all__ = ["STYLES", "can_write", "course", "render"]

STYLES = {
    "problem": "bold red",
    "warning": "bold yellow",
    "note": "bold blue",
    "none": "bold green",
    "unknown": "bold",
}
_DROP_FIRST = (7, 1, 6, 4, 2)  # columns that a narrow terminal does without, by position in COLUMNS
_NAME = 20  # of a long name this much is wanted before a column is given up
_MOST_ROWS = 30
_MOST_CODE = 4
_MOST_FOLDED = 6


def render(
    record: DiagnosisRecord | Mapping[str, Any],
    *,
    width: int | None = None,
    color: bool | None = None,
    everything: bool = False,
) -> str:
    """The text of a record; `everything`: no finding is folded."""
    page = view(read(record)[1])
    blocks = can_write(BLOCKS)
    return drawn(lambda console: _print(console, page, blocks=blocks, everything=everything), width=width, color=color)


def can_write(text: str) -> bool:
    """Whether stdout's encoding has the signs of `text`."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _print(console: Console, page: View, *, blocks: bool, everything: bool) -> None:
    style = STYLES[page.severity]
    console.print(Text.assemble((f"{page.sign} {page.verdict}", style)))
    console.print(Text(f"{page.name}: {page.counts}", style="dim"))
    console.print(Text(page.subtitle, style="dim"))
    if page.rows:
        console.print()
        _terms(console, page)
    elif page.severity != "unknown":  # the verdict says it
        console.print()
        console.print(Text(f"No terms: {page.rows_absent}"))
    if page.error:
        console.print(Text(page.error))
    if page.run is not None:
        console.print()
        for part in course(page.run, console.width, blocks=blocks):
            console.print(part)
    for finding in page.findings:
        if not (finding.open or everything):
            continue
        if finding.severity != "note" or finding is page.findings[0]:
            console.print()
        _finding(console, finding)
    if not everything and (folded := [finding for finding in page.findings if not finding.open]):
        names = [f"{finding.severity} {finding.code} {finding.pathology}" for finding in folded[:_MOST_FOLDED]]
        names += [f"{len(folded) - _MOST_FOLDED} others"] if len(folded) > _MOST_FOLDED else []
        console.print()
        console.print(Text(f"and {len(folded)} more: {', '.join(names)} (with -v, and in the report)", style="dim"))
    if page.trials:
        console.print()
        for claim in page.trials:
            console.print(Text(f"tried: {one_line(claim)}"))
    if last := [line for line in (page.baseline, _missing(page)) if line]:
        console.print()
        console.print(Text("\n".join(last), style="dim"))


def _terms(console: Console, page: View) -> None:
    rows = page.rows[:_MOST_ROWS]
    lines = [*rows, page.total] if page.total is not None else list(rows)
    widths = [
        2 + max(len(column.plain), *(len(row.cells[position]) for row in lines))
        for position, column in enumerate(COLUMNS)
    ]
    longest = max(len(row.name) for row in rows) + 3
    kept = list(range(len(COLUMNS)))
    dropped: list[int] = []
    for position in _DROP_FIRST:
        if sum(widths[k] for k in kept) + min(longest, _NAME) <= console.width:
            break
        kept.remove(position)
        dropped.append(position)
    room = max(10, console.width - sum(widths[k] for k in kept))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("term", no_wrap=True, overflow="ellipsis", max_width=min(room, 40))
    for position in kept:
        table.add_column(COLUMNS[position].plain, justify="right", no_wrap=True)
    names = shorten_all((row.name for row in rows), min(room, 40) - 2)
    for row, short in zip(rows, names, strict=True):
        sign = {"problem": "✖ ", "warning": "▲ ", "note": "● "}.get(row.severity, "  ")
        name = Text(sign + short, style=STYLES.get(row.severity, ""))
        table.add_row(name, *_cells(row, kept))
    if page.total is not None:
        table.add_section()
        table.add_row(Text("  total", style="bold"), *_cells(page.total, kept))
    console.print(table)
    if len(page.rows) > _MOST_ROWS:
        console.print(Text(f"{_MOST_ROWS} of {len(page.rows)} terms; the report has all", style="dim"))
    legend = [
        f"{COLUMNS[k].plain}: {COLUMNS[k].brief}"
        for k in kept
        if COLUMNS[k].brief and any(row.cells[k] != number(None) for row in rows)
    ]
    if legend:
        console.print(Text(fill("; ".join(legend), console.width), style="dim"))
    if dropped:
        console.print(
            Text(f"not shown at this width: {', '.join(COLUMNS[k].plain for k in sorted(dropped))}", style="dim")
        )


def course(run: RunView, width: int, *, blocks: bool) -> Iterator[Text | Table]:
    """A run: how far it came, its terms, what happened."""
    yield Text(f"The run: {run.progress}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("term", no_wrap=True)
    shown = _columns(width, blocks=blocks)
    for position in shown:
        justify: Literal["left", "right"] = "left" if RUN_COLUMNS[position] in ("course", "last quarter") else "right"
        table.add_column(RUN_COLUMNS[position], justify=justify, no_wrap=True)
    rows = run.rows[:_MOST_ROWS]
    for row, name in zip(rows, shorten_all((row.name for row in rows), min(40, max(10, width // 5))), strict=True):
        cells = row.cells(blocks=blocks)
        table.add_row(Text(name), *(Text(cells[position]) for position in shown))
    yield table
    for remark in run.remarks:
        yield Text(remark, style="dim")


def _columns(width: int, *, blocks: bool) -> list[int]:
    """Which of `RUN_COLUMNS` there is room for."""
    without = {2} if not blocks else set()
    if width < 96:
        without |= {0, 6}
    if width < 72:
        without |= {4, 5}
    return [position for position in range(len(RUN_COLUMNS)) if position not in without]


def _cells(row: Row, kept: Sequence[int]) -> list[Text]:
    return [Text(row.cells[position]) for position in kept]


def _finding(console: Console, finding: FindingView) -> None:
    head = Text.assemble(
        (f"{finding.sign} {finding.severity} {finding.code} ", STYLES[finding.severity]), (finding.title, "bold")
    )
    console.print(head)
    if finding.severity == "note":
        return
    lines = [f"held in {finding.held}"] if finding.held else []
    for name, value, threshold, _ in finding.evidence.rows[:2]:
        lines.append(f"{one_line(name)}: {one_line(value)}" + (f" (threshold {threshold})" if threshold != "–" else ""))
    if lines:
        console.print(Padding(Text("; ".join(lines), style="dim"), (0, 0, 0, 2)))
    if finding.caused_by:
        console.print(Padding(Text(f"probably caused by {finding.caused_by[0]}", style="dim"), (0, 0, 0, 2)))
    if finding.prescriptions:
        first = finding.prescriptions[0]
        console.print(Padding(Text.assemble(("try: ", "bold green"), one_line(first.title)), (0, 0, 0, 2)))
        code = first.code.splitlines()
        if len(code) > _MOST_CODE:
            code = [f"({plural(len(code), 'line')} of code in the report)"]
        for line in code or first.command.splitlines():
            console.print(Padding(Text(line, style="cyan"), (0, 0, 0, 7)))


def _missing(page: View) -> str:
    parts = [f"{plural(page.gaps, 'measurement')} not made"] if page.gaps else []
    if page.not_applicable:
        parts.append(f"{plural(len(page.not_applicable), 'check')} not applicable")
    return f"{', '.join(parts)} (reasons in the report)" if parts else ""
