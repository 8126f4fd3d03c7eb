"""`pinndiag demo`: a sick PINN, trained, diagnosed, treated and reported, told step by step."""

from __future__ import annotations

import math
import shlex
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pinndiag_cli import _options as options
from pinndiag_cli._browser import show
from pinndiag_cli._places import folder_made
from pinndiag_cli._progress import Progress, of_training, progress
from pinndiag_cli._remedies import write_page
from pinndiag_cli._status import FINE, INTERRUPTED
from pinndiag_cli._streams import colored, note, result, width
from pinndiag_cli._training import losses, steps_taken, trained
from pinndiag_cli._writing import writing
from pinndiag_reports._numbers import number, seconds, times

if TYPE_CHECKING:
    from pinndiag import Comparison
    from pinndiag._records import DiagnosisRecord, RemedyRecord
    from pinndiag.problems import Problem

__all__ = ["demo"]

# small enough for a minute, large enough to show the effect: errors 2.86 and 0.030 (300 steps), 3.4 and 0.14 (200);
# after 150 steps the quick analysis does not see the imbalance yet
OMEGA, POINTS = 2 * math.pi, 400
STEPS, FEW = 300, 200
SCHEME = "dynamic_norm"


@click.command(
    epilog="""\b
Examples:
  pinndiag demo
  pinndiag demo --quick --open"""
)
@click.option("--quick", is_flag=True, help="Fewer steps, and the quick analysis.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    default=Path("pinndiag-demo"),
    help="Where the files go. [default: pinndiag-demo]",
)
@options.open_page("Open the last report in a browser.")
@options.quiet("No progress.")
@options.verbose()
def demo(quick: bool, output: Path, open_page: bool, quiet: bool, verbose: bool) -> int:
    """Watch a sick PINN being diagnosed and cured, in under a minute.

    A network is trained on a Poisson equation, fails, is diagnosed, treated, and reported.
    """
    folder_made(output)
    begun = time.perf_counter()
    steps = FEW if quick else STEPS
    with progress(quiet) as shown:
        shown.begin("loading torch")
        from pinndiag.problems import make

        problem = make("poisson_2d", omega=OMEGA, interior=POINTS)
        _tell("1 of 4  Train", _EQUATION)
        before = losses(problem)
        if trained(problem, steps, shown):
            note("interrupted")
            return INTERRUPTED
        _tell_trained(problem, before)
        diagnosis = _diagnosed(problem, output, quick, shown)
        comparison = _treated(problem, diagnosis, steps, shown)
    record = comparison.record
    page = output / "poisson.pt.remedy.html"
    writing(comparison.save, output / "poisson.pt.remedy.json")
    write_page(record, page)
    if record.chosen is not None:
        writing(comparison.treated.save, output / "poisson.pt.treated.pt")
    _tell_treated(record)
    _tell("4 of 4  Look", "")
    result(f"before and after: {page}\n   the diagnosis: {output / 'poisson.pt.report.html'}")
    result(f"All of it took {seconds(time.perf_counter() - begun)}. The same by hand:")
    checkpoint = shlex.quote(str(output / "poisson.pt"))
    result(f"  pinndiag analyze {checkpoint}\n  pinndiag remediate {checkpoint} --from initial --scheme {SCHEME}")
    result("and for your own PINN: pinndiag init heat.py")
    if open_page:
        show(page)
    return INTERRUPTED if record.interrupted else FINE


_EQUATION = """
A network u(x, y) shall satisfy u_xx + u_yy = q inside the unit square ("pde") and equal given values on its edge
("bc"). Both are residuals; what is minimised is the sum of their mean squares, as everybody does it."""
_BALANCE = """
Each term's gradient is measured by itself, the curvature too, and what a better optimizer would reach from here."""
_TREAT = """
It is trained twice more from the same start, just as long: as it was, and under a scheme that weights the terms so that
their gradients are equally long, every ten steps anew (Deguchi and Asai 2023)."""


def _tell(title: str, words: str) -> None:
    result(click.style(f"\n{title}", bold=True) if colored(sys.stdout) else f"\n{title}", styled=colored(sys.stdout))
    if words:
        _wrapped(words)


def _tell_trained(problem: Problem, before: dict[str, float]) -> None:
    after, error = losses(problem), problem.error()
    parts = ", ".join(f"{name} from {number(before[name])} to {number(value)}" for name, value in after.items())
    words = f"In {steps_taken(problem)} steps of Adam the losses went: {parts}. "
    first, last = sum(before.values()), sum(after.values())
    if last < first:
        words += f"Their sum fell {times(first / last)}-fold. "
    words += f"The exact solution is known here: the network misses it by {number(error)} (relative L2 error)"
    words += "; a network that says 0 everywhere would miss it by 1." if error > 1 else "."
    _wrapped(words)


def _wrapped(words: str, indent: int = 0) -> None:
    room, first, further = min(width(), 100), " " * indent, " " * (2 * indent)
    result(textwrap.fill(" ".join(words.split()), room, initial_indent=first, subsequent_indent=further))


def _diagnosed(problem: Problem, folder: Path, quick: bool, shown: Progress) -> DiagnosisRecord:
    import pinndiag
    from pinndiag_reports import to_html

    _tell("2 of 4  Diagnose", _BALANCE)
    pinn = problem.wrap()
    writing(pinn.save, folder / "poisson.pt")
    found = pinndiag.analyze(
        pinn, quick=quick, name="poisson.pt", source=str(folder / "poisson.pt"), progress=shown.stage
    )
    writing(found.save, folder / "poisson.pt.diagnosis.json")
    from pinndiag._files import write_atomically

    writing(lambda path: write_atomically(path, to_html(found.record)), folder / "poisson.pt.report.html")
    for finding in found.findings:
        if finding.severity != "note":
            _wrapped(f"{finding.severity} {finding.code}: {finding.title}", indent=2)
            if finding.prescriptions:
                _wrapped(f"try: {finding.prescriptions[0].title}", indent=6)
    return found.record


def _treated(problem: Problem, diagnosis: DiagnosisRecord, steps: int, shown: Progress) -> Comparison:
    import pinndiag

    _tell("3 of 4  Treat", _TREAT)

    return pinndiag.remediate(
        problem.wrap(),
        SCHEME,
        steps=steps,
        start="initial",
        diagnosis=diagnosis,
        name="poisson.pt",
        source=diagnosis.run.source,
        progress=of_training(shown),
    )


def _tell_treated(record: RemedyRecord) -> None:
    from pinndiag_reports.remedy import remedy_to_text

    color = colored(sys.stdout)
    result(remedy_to_text(record, width=width(), color=color).rstrip("\n"), styled=color)
    factor = record.arms[record.chosen].factor if record.chosen is not None else None
    if record.severity == "better" and factor is not None:
        _wrapped(
            "Network, points, optimizer and number of steps are the same: only the weights of the two terms differ, "
            f"and the error is {times(factor)} times smaller."
        )
