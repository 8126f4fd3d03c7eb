"""`pinndiag report`: render what is stored, or a run as far as it is recorded; nothing is measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pinndiag_cli import _options as options
from pinndiag_cli._browser import show
from pinndiag_cli._remedies import is_remedy, read_remedy, remedy_page, status_of
from pinndiag_cli._runs import judged_again, told
from pinndiag_cli._status import FINE, PROBLEMS
from pinndiag_cli._stored import report_name
from pinndiag_cli._streams import colored, data, result, width
from pinndiag_cli._writing import writing

if TYPE_CHECKING:
    from pinndiag import Diagnosis
    from pinndiag._records import RemedyRecord

__all__ = ["report"]


@click.command(
    epilog="""\b
Examples:
  pinndiag report checkpoint.pt --open
  pinndiag report runs/heat
  pinndiag report heat.pt.remedy.json
  pinndiag report runs/heat --threshold work_ratio=50
  pinndiag report checkpoint.pt.diagnosis.json --format md -o finding.md"""
)
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--format", "kind", type=click.Choice(["html", "json", "md", "text"]), help="[default: from -o, else html]"
)
@click.option("--judge", is_flag=True, help="Judge what was measured again, by [tool.pinndiag] as it is now.")
@options.select()
@options.ignore()
@options.threshold()
@options.as_json("The same as --format json.")
@options.output("File to write. [default: html beside the diagnosis, the others to stdout]")
@options.open_page()
@options.exit_zero()
@options.quiet("Do not say where the report is.")
@options.verbose("Of --format text: every finding in full; show tracebacks.")
def report(
    target: Path,
    kind: str | None,
    judge: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    thresholds: dict[str, float],
    as_json: bool,
    output: Path | None,
    open_page: bool,
    exit_zero: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Render a diagnosis again, as a page, text, Markdown or JSON.

    TARGET is a diagnosis.json, a remedy.json, a checkpoint that was analysed, or a run folder: also while the run is
    being written, it is then judged as far as it goes. With --judge, --select, --ignore or --threshold what was
    measured is judged again, and the diagnosis.json stays as it is.
    """
    context = click.get_current_context()
    again = judge or bool(select or ignore or thresholds)
    kind = _kind(kind, as_json, output, context)
    if open_page and kind != "html":
        raise click.UsageError(f"--open is for --format html, not {kind}", context)
    if is_remedy(target):
        if again:
            raise click.UsageError("a remedy.json is not judged again; name a diagnosis or a run", context)
        remedy = read_remedy(target)
        page = _written(kind, output, remedy_page(target), lambda color: _of_remedy(remedy, kind, color))
        verdict, status = remedy.text, status_of(remedy)
    else:
        diagnosis = judged_again(target, select, ignore, thresholds) if again else told(target)
        page = _written(kind, output, report_name(target), lambda color: _of_diagnosis(diagnosis, kind, color, verbose))
        verdict, status = diagnosis.record.verdict.text, PROBLEMS if diagnosis.record.problems else FINE
    if page is not None and not quiet:
        result(f"{verdict}\nreport: {page}")
    if page is not None and open_page:
        show(page)
    return FINE if exit_zero else status


def _kind(kind: str | None, as_json: bool, output: Path | None, context: click.Context) -> str:
    if as_json and kind not in (None, "json"):
        raise click.UsageError(f"--json and --format {kind} exclude each other", context)
    if as_json or kind is not None:
        return kind or "json"
    suffix = output.suffix.lower() if output is not None else ".html"
    return {".json": "json", ".md": "md", ".txt": "text"}.get(suffix, "html")


def _written(kind: str, output: Path | None, usual: Path, render: Callable[[bool], str]) -> Path | None:
    """Render to a file, or to stdout where none was named and it is no page.

    Returns:
        The page, if it is one.
    """
    if output is None and kind == "json":
        data(render(False))
    elif output is None and kind != "html":
        color = kind == "text" and colored(sys.stdout)
        result(render(color).rstrip("\n"), styled=color)
    else:
        from pinndiag._files import write_atomically

        text = render(False) if kind == "html" else render(False).rstrip("\n") + "\n"
        path = writing(lambda path: write_atomically(path, text), output or usual)
        return path if kind == "html" else None
    return None


def _of_diagnosis(diagnosis: Diagnosis, kind: str, color: bool, everything: bool) -> str:
    if kind == "json":
        return diagnosis.to_json()
    import pinndiag_reports as reports

    if kind == "text":
        return reports.to_text(diagnosis.record, width=width(), color=color, everything=everything)
    return (reports.to_markdown if kind == "md" else reports.to_html)(diagnosis.record)


def _of_remedy(remedy: RemedyRecord, kind: str, color: bool) -> str:
    if kind == "json":
        from pinndiag._records import to_plain

        return json.dumps(to_plain(remedy), allow_nan=False)
    if kind == "html":
        from pinndiag_reports.remedy_page import remedy_to_html

        return remedy_to_html(remedy)
    from pinndiag_reports.remedy import remedy_to_markdown, remedy_to_text

    return remedy_to_markdown(remedy) if kind == "md" else remedy_to_text(remedy, width=width(), color=color)
