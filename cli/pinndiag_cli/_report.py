"""`pinndiag report`: render a stored diagnosis, or a run as far as it is recorded; nothing is measured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pinndiag_cli import _options as options
from pinndiag_cli._browser import show
from pinndiag_cli._runs import told
from pinndiag_cli._status import FINE, PROBLEMS
from pinndiag_cli._stored import report_name
from pinndiag_cli._streams import colored, data, result, width
from pinndiag_cli._writing import writing

if TYPE_CHECKING:
    from pinndiag import Diagnosis

__all__ = ["report"]


@click.command(
    epilog="""\b
Examples:
  pinndiag report checkpoint.pt --open
  pinndiag report runs/heat
  pinndiag report checkpoint.pt.diagnosis.json --format md -o finding.md"""
)
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--format", "kind", type=click.Choice(["html", "json", "md", "text"]), help="[default: from -o, else html]"
)
@options.as_json("The same as --format json.")
@options.output("File to write. [default: html beside the diagnosis, the others to stdout]")
@options.open_page()
@options.exit_zero()
@options.quiet("Do not say where the report is.")
@options.verbose()
def report(
    target: Path,
    kind: str | None,
    as_json: bool,
    output: Path | None,
    open_page: bool,
    exit_zero: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Render a diagnosis again, as a page, text, Markdown or JSON.

    TARGET is a diagnosis.json, a checkpoint that was analysed, or a run folder: also while the run is being written,
    it is then judged as far as it goes.
    """
    context = click.get_current_context()
    kind = _kind(kind, as_json, output, context)
    if open_page and kind != "html":
        raise click.UsageError(f"--open is for --format html, not {kind}", context)
    diagnosis = told(target)
    if kind == "html":
        page = writing(diagnosis.to_html, output or report_name(target))
        if not quiet:
            result(f"{diagnosis.record.verdict.text}\nreport: {page}")
        if open_page:
            show(page)
    elif kind == "json" and output is None:
        data(diagnosis.to_json())
    elif output is None:
        color = kind == "text" and colored(sys.stdout)
        result(_render(diagnosis, kind, color), styled=color)
    else:
        from pinndiag._files import write_atomically

        text = _render(diagnosis, kind, color=False) + "\n"
        writing(lambda path: write_atomically(path, text), output)
    return PROBLEMS if diagnosis.record.problems and not exit_zero else FINE


def _kind(kind: str | None, as_json: bool, output: Path | None, context: click.Context) -> str:
    if as_json and kind not in (None, "json"):
        raise click.UsageError(f"--json and --format {kind} exclude each other", context)
    if as_json or kind is not None:
        return kind or "json"
    suffix = output.suffix.lower() if output is not None else ".html"
    return {".json": "json", ".md": "md", ".txt": "text"}.get(suffix, "html")


def _render(diagnosis: Diagnosis, kind: str, color: bool) -> str:
    if kind == "json":
        return diagnosis.to_json()
    if kind == "md":
        return diagnosis.to_markdown().rstrip("\n")
    from pinndiag_reports import to_text

    return to_text(diagnosis.record, width=width(), color=color).rstrip("\n")
