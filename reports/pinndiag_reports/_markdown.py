"""The facts of a diagnosis as Markdown, for an issue or a message."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pinndiag._records import DiagnosisRecord
from pinndiag_reports._input import read
from pinndiag_reports._names import one_line
from pinndiag_reports._parts import Table
from pinndiag_reports._run import RUN_COLUMNS, RunView
from pinndiag_reports._view import COLUMNS, FindingView, View, view

__all__ = ["escaped", "finding_markdown", "markdown", "markdown_table", "render"]


def render(record: DiagnosisRecord | Mapping[str, Any]) -> str:
    """The Markdown of a record."""
    return markdown(view(read(record)[1]))


def markdown(page: View) -> str:
    """The Markdown of a page model."""
    blocks = [
        f"## {escaped(page.name)}: {escaped(page.verdict)}",
        f"{escaped(page.counts)}. {escaped(page.subtitle)}. {escaped(page.created)}",
        _terms(page),
        *([] if page.run is None else [_course(page.run)]),
        escaped(page.error),
        escaped(page.baseline),
        *(finding_markdown(finding) for finding in page.findings),
    ]
    if page.trials:
        blocks.append("Tried on copies:\n\n" + "\n".join(f"- {escaped(claim)}" for claim in page.trials))
    if page.passed:
        blocks.append("Passed: " + ", ".join(escaped(code) for code, _ in page.passed))
    if page.not_applicable:
        blocks.append(
            "Not applicable:\n\n"
            + "\n".join(f"- {escaped(code)}: {escaped(why)}" for code, _, why in page.not_applicable)
        )
    if page.missing:
        blocks.append(
            "Not measured:\n\n" + "\n".join(f"- {escaped(item.what)}: {escaped(item.why)}" for item in page.missing)
        )
    return "\n\n".join(block for block in blocks if block) + "\n"


def _terms(page: View) -> str:
    if not page.rows:
        return f"No terms: {escaped(page.rows_absent)}"
    rows = [(row.name, *row.cells, ", ".join(code for code, _, _ in row.codes)) for row in page.rows]
    if page.total is not None:
        rows.append(("total", *page.total.cells, ""))
    return markdown_table(("term", *(column.plain for column in COLUMNS), "findings"), rows)


def _course(run: RunView) -> str:
    remarks = "".join(f"\n- {escaped(remark)}" for remark in run.remarks)
    table = markdown_table(("term", *RUN_COLUMNS), [(row.name, *row.cells()) for row in run.rows])
    return f"The run: {escaped(run.progress)}\n\n{table}" + (f"\n{remarks}" if remarks else "")


def finding_markdown(finding: FindingView) -> str:
    """One finding."""
    blocks = [f"### {finding.severity}: {escaped(finding.code)} {escaped(finding.title)}"]
    if finding.terms:
        blocks.append("Terms: " + ", ".join(escaped(name) for name, _ in finding.terms))
    if finding.held:
        blocks.append(f"Held in {escaped(finding.held)}.")
    if finding.evidence.rows:
        blocks.append(_evidence(finding.evidence))
    if finding.why:
        blocks.append(escaped(finding.why))
    for position, item in enumerate(finding.prescriptions, start=1):
        seen = f"Seen elsewhere: {item.expect}" if item.expect else ""
        text = f"{position}. **{escaped(item.title)}**"
        text += "".join(f" {escaped(part)}" for part in (item.why, seen) if part)
        blocks.append(text)
        blocks += [_fenced(item.code, "python")] if item.code else []
        blocks += [_fenced(item.command, "sh")] if item.command else []
    if finding.caused_by:
        blocks.append(f"Probably caused by {escaped(finding.caused_by[0])}.")
    if finding.sure:
        blocks.append(f"How sure: {escaped(finding.sure)}")
    if finding.overturned_by:
        blocks.append(f"What would overturn it: {escaped(finding.overturned_by)}")
    if finding.reference:
        blocks.append(f"Reference: {escaped(finding.reference)}")
    return "\n\n".join(blocks)


def _evidence(evidence: Table) -> str:
    return markdown_table(evidence.head, evidence.rows)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell if cell == "---" else escaped(cell) for cell in line) + " |" for line in lines
    )


def escaped(text: str) -> str:
    """`text` on one line, with the signs that Markdown and HTML would obey taken literally."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~])", r"\\\1", text)
    text = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)  # snake_case reads as it stands
    return re.sub(r"@(?=\w)", "@\u200b", text)  # mentions nobody


def _fenced(code: str, language: str) -> str:
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"
