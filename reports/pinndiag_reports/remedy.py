"""Before and after, as text for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pinndiag._records import RemedyRecord
from pinndiag_reports._console import drawn, plain_table
from pinndiag_reports._input import read_remedy
from pinndiag_reports._markdown import escaped, markdown_table
from pinndiag_reports._names import one_line, shorten, shorten_all
from pinndiag_reports._remedy import RemedyView, findings_changed, remedy_view
from pinndiag_reports._text import STYLES
from pinndiag_reports.comparison import STYLE, latest, remark

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["remedy_to_markdown", "remedy_to_text"]

MOST_TERMS = 6
MOST_FINDINGS = 8


def remedy_to_text(
    record: RemedyRecord | Mapping[str, Any],
    *,
    width: int | None = None,
    color: bool | None = None,
    explain: bool = False,
) -> str:
    """The verdict, a table of the arms, the findings gone and new, for a terminal.

    Args:
        record: from `pinndiag.remediate`, or the dictionary that its JSON file holds.
        width: columns to fill; default: those of the terminal, 100 where there is none.
        color: whether to colour; default: when stdout is a terminal and NO_COLOR is not set.
        explain: also every candidate, every run and what each network was left with.

    Raises:
        PinndiagError: `record` is a dictionary of another shape.
    """
    shown = read_remedy(record)[1]
    page = remedy_view(shown)
    return drawn(lambda console: _print(console, shown, page, explain=explain), width=width, color=color)


def _print(console: Console, shown: RemedyRecord, page: RemedyView, *, explain: bool) -> None:
    from rich.text import Text

    console.print(Text(f"{page.sign} {page.verdict}", STYLES[page.severity]))
    console.print(Text(page.setting if shown.baseline is not None else page.name, "dim"))
    if page.sure:
        console.print(Text(page.sure, "bold" if shown.interrupted else "dim"))
    console.print()
    if shown.baseline is not None:
        _arms(console, page)
    else:
        for finding in shown.diagnosis.findings[:MOST_FINDINGS]:
            line = Text(f"{finding.severity:<8}", STYLE[finding.severity])
            console.print(line.append(f" {finding.code} {one_line(finding.title)}", ""))
    _findings(console, shown)
    if page.reason:
        console.print(Text(page.reason))
    if explain:
        _explained(console, page)
    for note in page.notes:
        console.print(Text(f"note: {note}", "dim"))
    if shown.baseline is not None:
        console.print(Text(f"It took {page.cost}.", "dim"))


def _arms(console: Console, page: RemedyView) -> None:
    from rich.text import Text

    titles = shorten_all((arm.title for arm in page.arms), 34 if console.width >= 96 else 22)
    names = [f"{arm.sign or ' '} {title}" for arm, title in zip(page.arms, titles, strict=True)]
    first = {"arm": names, "outcome": [a.outcome for a in page.arms], page.measure: [a.figure for a in page.arms]}
    terms = shorten_all(page.terms[:MOST_TERMS], 12)
    losses = {f"loss {term}": [arm.losses[place] for arm in page.arms] for place, term in enumerate(terms)}
    last = {"time": [arm.time for arm in page.arms], "overhead": [arm.overhead for arm in page.arms]}
    while _wide({**first, **dict(list(losses.items())[:2]), **last}) > console.width and last:
        last.popitem()  # the losses say more
    while _wide({**first, **losses, **last}) > console.width and len(losses) > 1:
        losses.popitem()
    columns = {**first, **losses, **last}
    table = plain_table(tuple(columns), right=len(columns) - 2)
    for arm, *line in zip(page.arms, *columns.values(), strict=True):
        style = STYLES.get(arm.severity, "") if arm.chosen or arm.severity == "problem" else "" if arm.key else "dim"
        table.add_row(*(Text(cell, style) for cell in line))
    console.print(table)
    if len(page.terms) > len(losses):
        console.print(Text(f"{len(losses)} of {len(page.terms)} terms; the report has all", "dim"))
    console.print()


def _wide(columns: Mapping[str, list[str]]) -> int:
    return sum(max(map(len, (head, *cells))) + 3 for head, cells in columns.items()) - 3


def _findings(console: Console, shown: RemedyRecord) -> None:
    from rich.text import Text

    pair = shown.comparison
    if pair is None:
        return
    found = [(change, item) for change, item in findings_changed(pair) if change != "same"]
    if not found:
        console.print(Text(f"Findings: the same with {one_line(pair.b.name)} as without"))
    else:
        console.print(Text(f"Findings, A: {one_line(pair.a.name)}, B: {one_line(pair.b.name)}"))
    for change, item in found[:MOST_FINDINGS]:
        finding = latest(item)
        line = Text(f"  {change:<5}")
        line.append(f"{finding.severity:<8}", STYLE[finding.severity])
        line.append(f" {item.code} {one_line(finding.title)}")
        line.append(remark(item), "dim")
        console.print(line)
    if len(found) > MOST_FINDINGS:
        console.print(Text(f"  {len(found) - MOST_FINDINGS} more in the report", "dim"))
    console.print()


def _explained(console: Console, page: RemedyView) -> None:
    from rich.text import Text

    console.print()
    if page.trials:
        columns = {head: [row[i] for row in page.trials] for i, head in enumerate(page.trials_head)}
        spare = [head for head in columns if head.startswith("loss of ")] + ["steps", "time"]
        while _wide(columns) > console.width and spare:
            del columns[spare.pop(0)]  # the report has them
        table = plain_table(tuple(columns), right=0)
        for row in zip(*columns.values(), strict=True):
            table.add_row(*row)
        console.print(table)
        console.print(Text(page.trials_note, "dim"))
        console.print()
    for arm in page.arms:
        if arm.verdict:
            console.print(Text.assemble((f"{shorten(arm.title, 40)}: ", "bold"), arm.verdict))
    console.print()


def remedy_to_markdown(record: RemedyRecord | Mapping[str, Any]) -> str:
    """The facts of `remedy_to_text` as Markdown, to be pasted into an issue.

    Raises:
        PinndiagError: `record` is a dictionary of another shape.
    """
    shown = read_remedy(record)[1]
    page = remedy_view(shown)
    blocks = [f"# {escaped(page.name)}: before and after", f"**{page.sign} {escaped(page.verdict)}**"]
    said = (page.setting if shown.baseline is not None else "", page.sure, page.reason, *page.notes)
    blocks.append("\n".join(f"- {escaped(text)}" for text in said if text))
    if shown.baseline is not None:
        head = ("arm", "against training on", page.measure, *(f"loss {t}" for t in page.terms), "time", "gradients")
        outcomes = [f"{arm.sign} {arm.outcome}" + (", chosen" if arm.chosen else "") for arm in page.arms]
        rows = [
            (arm.title, outcome, arm.figure, *arm.losses, arm.time, arm.evaluations)
            for arm, outcome in zip(page.arms, outcomes, strict=True)
        ]
        blocks.append(markdown_table(head, rows))
    if shown.comparison is not None:
        found = [(change, item, latest(item)) for change, item in findings_changed(shown.comparison)]
        lines = [f"- **{c}** {f.severity} {escaped(item.code)}: {escaped(f.title)}" for c, item, f in found]
        blocks.append("## Findings\n\n" + ("\n".join(lines) or "none on either side"))
    return "\n\n".join(block for block in blocks if block) + "\n"
