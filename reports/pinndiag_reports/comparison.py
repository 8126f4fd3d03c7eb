"""Two diagnoses side by side, as text for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pinndiag._records import Finding, from_plain, to_plain
from pinndiag._records._comparison import ComparisonRecord, Figure, FindingPair, Fronts, TermPair
from pinndiag_reports._console import drawn, plain_table
from pinndiag_reports._markdown import escaped
from pinndiag_reports._names import clean_all, one_line
from pinndiag_reports._numbers import at_most, number, plural, times

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "FRONT_HEAD",
    "STYLE",
    "changes",
    "cleaned",
    "comparison_to_markdown",
    "comparison_to_text",
    "front_rows",
    "latest",
    "remark",
    "rows_of",
    "summary",
]

SHOWN = ("loss", "weight", "grad_l2", "sigma_max", "work", "held_out")
WORDS = {
    "grad_l2": "gradient norm",
    "sigma_max": "largest eigenvalue",
    "work": "remaining work",
    "held_out": "held-out ratio",
    "rel_l2": "error against the reference (rel. L2)",
    "pareto_ratio": "Pareto ratio",
    "constant_ratio": "loss of the best constant / loss",
    "probe_factor": "L-BFGS probe, factor",
}
STYLE = {"problem": "bold red", "warning": "yellow", "note": "dim"}
MOST = 12  # rows of cosines and the like; diagnosis.json and --json have all


def comparison_to_text(comparison: ComparisonRecord, *, width: int = 100, color: bool = False) -> str:
    """The comparison for a terminal: findings new, gone and the same, figures with ratios, what else differs.

    Args:
        comparison: from `pinndiag.compare`.
        width: columns to fill.
        color: whether to colour.
    """
    return drawn(lambda console: _print(console, cleaned(comparison)), width=width, color=color).rstrip("\n")


def _print(console: Console, shown: ComparisonRecord) -> None:
    from rich.text import Text

    for label, side in (("A", shown.a), ("B", shown.b)):
        console.print(Text(f"{label}  {one_line(side.name)}: {one_line(side.verdict.text)}  ({side.mode})"))
    console.print()
    for change, pair in changes(shown):
        finding = latest(pair)
        line = Text(f"{change:<5}")
        line.append(f"{finding.severity:<8}", STYLE[finding.severity])
        line.append(f" {pair.code} {one_line(finding.title)}")
        line.append(remark(pair), "dim")
        console.print(line)
    if not (shown.new or shown.gone or shown.same):
        console.print("no findings on either side")
    console.print()
    _tables(console, shown)
    console.print(summary(shown))


def comparison_to_markdown(comparison: ComparisonRecord) -> str:
    """The facts of `comparison_to_text` as Markdown, to be pasted into an issue."""
    shown = cleaned(comparison)
    lines = [f"# {escaped(shown.a.name)} → {escaped(shown.b.name)}", "", f"**{summary(shown)}**", ""]
    for label, side in (("A", shown.a), ("B", shown.b)):
        lines.append(f"- {label}: {escaped(side.name)}: {escaped(side.verdict.text)} ({escaped(side.mode)})")
    lines += ["", "## Findings", ""]
    for change, pair in changes(shown):
        finding = latest(pair)
        said = f" {escaped(remark(pair))}".rstrip()
        lines.append(f"- **{change}** {finding.severity} {escaped(pair.code)}: {escaped(finding.title)}{said}")
    if lines[-1] == "":
        lines.append("none on either side")
    lines += ["", "## Figures", "", "| | figure | A | B | B / A |", "| --- | --- | ---: | ---: | ---: |"]
    lines += [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows_of(shown)]
    if shown.fronts:
        lines += ["", "## Pareto trajectories", "", f"| {' | '.join(FRONT_HEAD)} |", "| --- | --- |" + " ---: |" * 4]
        lines += [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in front_rows(shown.fronts)]
    if shown.settings:
        lines += ["", "## What else differs", "", "| | A | B |", "| --- | --- | --- |"]
        lines += [f"| {escaped(s.name)} | {escaped(s.a)} | {escaped(s.b)} |" for s in shown.settings]
    return "\n".join(lines) + "\n"


def cleaned(comparison: ComparisonRecord) -> ComparisonRecord:
    """The same with every text safe to show: names came from a user's file."""
    return from_plain(clean_all(to_plain(comparison)), ComparisonRecord)


def changes(shown: ComparisonRecord) -> list[tuple[str, FindingPair]]:
    found = [("new", pair) for pair in shown.new]
    found += [("gone" if pair.judged else "open", pair) for pair in shown.gone]
    return found + [("same", pair) for pair in shown.same]


def latest(pair: FindingPair) -> Finding:
    finding = pair.b if pair.b is not None else pair.a
    assert finding is not None  # a pair has at least one side
    return finding


def remark(pair: FindingPair) -> str:
    if pair.a is not None and pair.b is not None:
        return "" if pair.a.severity == pair.b.severity else f"  (was: {pair.a.severity})"
    if pair.judged:
        return ""
    return f"  (not judged in {'A' if pair.a is None else 'B'}: {one_line(pair.reason)})"


def summary(shown: ComparisonRecord) -> str:
    unjudged = sum(not pair.judged for pair in shown.gone)
    gone = f"{len(shown.gone) - unjudged} gone" + (f", {unjudged} not judged in B" if unjudged else "")
    counts = f"findings: {len(shown.new)} new, {gone}, {len(shown.same)} the same"
    problems = len(shown.problems_new)
    if not problems:
        return f"B has no problem that A has not; {counts}"
    return f"B has {plural(problems, 'problem')} that A has not; {counts}"


def front_rows(fronts: Sequence[Fronts]) -> list[tuple[str, ...]]:
    """For every pair of terms and run: the lowest point, and how many points no run betters."""
    rows: list[tuple[str, ...]] = []
    for front in fronts:
        label = f"{one_line(front.a)} | {one_line(front.b)}"
        for item in front.runs:
            low = item.path.lowest
            rows.append(
                (
                    label,
                    item.run,
                    str(item.path.steps[low]),
                    number(item.path.x[low]),
                    number(item.path.y[low]),
                    f"{len(item.joint)} of {len(item.path.steps)}",
                )
            )
            label = ""
    return rows


FRONT_HEAD = ("lowest point of", "run", "at step", "first / its start", "second / its start", "not bettered")


def rows_of(shown: ComparisonRecord) -> list[tuple[str, str, str, str, str]]:
    rows = []
    for name, pair in (*shown.terms.items(), *((("weighted total", shown.total),) if shown.total else ())):
        label = one_line(name) + ("" if pair.side == "both" else f" (only in {pair.side.upper()})")
        for figure in _shown_figures(pair):
            upper = pair.upper if figure == "work" else ()
            rows.append((label, *_row(figure, pair.figures[figure], upper)))
            label = ""
    label = "whole"
    for figure, values in list(shown.figures.items())[:MOST]:
        rows.append((label, *_row(figure, values)))
        label = ""
    return rows


def _shown_figures(pair: TermPair) -> list[str]:
    # a weight that is the same on both sides tells nothing
    return [f for f in SHOWN if f in pair.figures and not (f == "weight" and pair.figures[f].ratio == 1)]


def _row(name: str, figure: Figure, upper: Sequence[str] = ()) -> tuple[str, str, str, str]:
    # the quotient of an upper figure and a measured one says nothing
    untold = figure.ratio is None or name.startswith("cosine ") or len(upper) == 1
    a, b = (
        number(value) if value is None else at_most(value, upper=side in upper)
        for side, value in (("a", figure.a), ("b", figure.b))
    )
    return WORDS.get(name, one_line(name)), a, b, "" if untold or figure.ratio is None else times(figure.ratio)


def _tables(console: Console, shown: ComparisonRecord) -> None:
    rows = rows_of(shown)
    if rows:
        table = plain_table(("term", "figure", "A", "B", "B / A"), right=3)
        for row in rows:
            table.add_row(*row)
        console.print(table)
        console.print()
    if shown.fronts:
        table = plain_table(FRONT_HEAD, right=4)
        for line in front_rows(shown.fronts):
            table.add_row(*line)
        console.print(table)
        console.print()
    if shown.settings:
        table = plain_table(("differs", "A", "B"), right=0)
        for setting in shown.settings:
            table.add_row(one_line(setting.name), one_line(setting.a), one_line(setting.b))
        console.print(table)
        console.print()
