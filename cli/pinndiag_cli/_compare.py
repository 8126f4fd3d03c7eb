"""`pinndiag compare A B`: what is gone, what is new, and what else differs."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pinndiag import PinndiagError
from pinndiag_cli import _options as options
from pinndiag_cli._remedies import is_remedy, remedy_page
from pinndiag_cli._runs import told
from pinndiag_cli._status import FINE, PROBLEMS
from pinndiag_cli._stored import stored
from pinndiag_cli._streams import colored, data, note, result, width
from pinndiag_cli._writing import writing

if TYPE_CHECKING:
    from pinndiag._records._comparison import ComparisonRecord

__all__ = ["compare"]


@click.command(
    epilog="""\b
Examples:
  pinndiag compare before.pt after.pt
  pinndiag compare runs/plain runs/balanced -o comparison.html"""
)
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--format", "kind", type=click.Choice(["text", "md", "json", "html"]), help="[default: from -o, else text]"
)
@options.as_json("The same as --format json.")
@options.output("File to write. [default: stdout]")
@options.exit_zero("Exit with 0 also when B has problems that A has not.")
@options.quiet("Print nothing: the exit status is the answer.")
@options.verbose()
def compare(
    a: Path, b: Path, kind: str | None, as_json: bool, output: Path | None, exit_zero: bool, quiet: bool, verbose: bool
) -> int:
    """Set two diagnoses or two runs side by side.

    A and B are each a diagnosis.json, a checkpoint that was analysed, or a run folder; of two runs the Pareto
    trajectories are shown together. Exit status 1: B has problems that A has not.
    """
    from pinndiag._diagnosis._compare import compare as compared

    if as_json and kind not in (None, "json"):
        raise click.UsageError(f"--json and --format {kind} exclude each other", click.get_current_context())
    for target in (a, b):
        _check_target(target)
        _warn_if_older(target)
    comparison = compared(told(a), told(b), names=(str(a), str(b)))
    suffix = output.suffix.lower() if output is not None else ""
    kind = kind or ("json" if as_json else {".json": "json", ".md": "md", ".html": "html"}.get(suffix, "text"))
    color = kind == "text" and output is None and colored(sys.stdout)

    text = _render(comparison, kind, color)

    if output is not None:
        from pinndiag._files import write_atomically

        writing(lambda path: write_atomically(path, text + "\n"), output)
    elif kind == "json":
        data(text)
    elif not quiet:
        result(text, styled=color)
    return PROBLEMS if comparison.problems_new and not exit_zero else FINE


def _check_target(target: Path) -> None:
    if is_remedy(target):
        page = shlex.quote(str(remedy_page(target)))
        raise PinndiagError(
            f"{target} is before and after already",
            where="it was written by pinndiag remediate, and holds the diagnoses of all its arms",
            cause="compare takes two diagnoses, checkpoints or runs",
            fix=f"pinndiag report {shlex.quote(str(target))} writes {page}; to compare the networks themselves, "
            "analyze CHECKPOINT and CHECKPOINT.treated.pt and compare those",
        )


def _warn_if_older(target: Path) -> None:
    """Say so when a checkpoint was written after the diagnosis that stands for it."""
    if target.is_file() and target.stat().st_mtime > stored(target).stat().st_mtime:
        note(
            f"warning: {target} is newer than its diagnosis, which may be of other weights; "
            f"analyze it again: pinndiag analyze {shlex.quote(str(target))}"
        )


def _render(comparison: ComparisonRecord, kind: str, color: bool) -> str:
    if kind == "json":
        from pinndiag._records import to_plain

        return json.dumps(to_plain(comparison), allow_nan=False)
    if kind == "html":
        from pinndiag_reports.comparison_page import comparison_to_html

        return comparison_to_html(comparison)
    from pinndiag_reports.comparison import comparison_to_markdown, comparison_to_text

    if kind == "md":
        return comparison_to_markdown(comparison).rstrip("\n")
    return comparison_to_text(comparison, width=width(), color=color)
