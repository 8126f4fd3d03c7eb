"""`pinndiag analyze TARGET`: measure or read a run, judge, write the report beside it, say what to do next."""

from __future__ import annotations

import contextlib
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from pinndiag import PinndiagError
from pinndiag_cli import _options as options
from pinndiag_cli._browser import show
from pinndiag_cli._loading import needs_factory
from pinndiag_cli._places import folder_made, places
from pinndiag_cli._progress import Progress, progress
from pinndiag_cli._replacing import warn_if_fuller
from pinndiag_cli._runs import judged
from pinndiag_cli._status import FAILED, FINE, PROBLEMS
from pinndiag_cli._stored import check_run_folder, existing
from pinndiag_cli._streams import colored, data, fail, note, result, width
from pinndiag_cli._writing import writing

if TYPE_CHECKING:
    from pinndiag import Diagnosis
    from pinndiag_cli._diagnose import Request

__all__ = ["analyze"]

ONLY_CHECKPOINTS = ("factory", "quick", "thorough", "unsafe_load", "device", "dtype", "seed")


@click.command(
    epilog="""\b
Examples:
  pinndiag analyze runs/heat
  pinndiag analyze model.ckpt --factory heat.py:make --quick

Writes TARGET.report.html and TARGET.diagnosis.json, or into the run folder."""
)
@click.argument("target", type=click.Path(path_type=Path))
@options.factory()
@click.option(
    "--quick",
    is_flag=True,
    help="A first impression: no experiments on copies.",
)
@click.option("--thorough", is_flag=True, help="Add the expensive experiments.")
@options.select()
@options.ignore()
@options.threshold()
@click.option("--unsafe-load", is_flag=True, help="Unpickle a module: runs any code in the file.")
@options.device()
@options.dtype()
@click.option(
    "--seed", metavar="N", type=click.IntRange(0, 2**31 - 1), default=0, help="Of every random choice. [default: 0]"
)
@options.output("Folder, or FILE.html. [default: beside TARGET]")
@options.as_json("Print exactly the content of diagnosis.json.")
@options.open_page()
@options.exit_zero()
@options.quiet("No progress, no table: print the last lines only.")
@options.verbose("Print every finding, times, failures, tracebacks.")
def analyze(
    target: Path,
    factory: str | None,
    quick: bool,
    thorough: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    thresholds: dict[str, float],
    unsafe_load: bool,
    device: str | None,
    dtype: str | None,
    seed: int,
    output: Path | None,
    as_json: bool,
    open_page: bool,
    exit_zero: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Find out what is wrong with a trained PINN.

    TARGET is a checkpoint that `pinn.save` wrote; bare weights together with --factory, whose FILE.py is run
    (`pinndiag init` writes a template); or a run folder, also while it is written. Options that name codes can be
    repeated, and stand in [tool.pinndiag] of the nearest pyproject.toml.
    """
    from pinndiag_cli._diagnose import Request, diagnose

    if quick and thorough:
        raise click.UsageError("--quick and --thorough exclude each other", click.get_current_context())
    run = existing(target).is_dir()
    _check_target(target)
    page, plain = places(target, output, "report.html", "diagnosis.json")
    request = Request(
        target=target,
        factory=factory,
        unsafe=unsafe_load,
        device=device,
        dtype=dtype,
        quick=quick,
        thorough=thorough,
        seed=seed,
        select=tuple(code.upper() for code in select),
        ignore=tuple(code.upper() for code in ignore),
        thresholds=thresholds,
    )
    mode = "run" if run else "quick" if quick else "thorough" if thorough else "standard"
    codes = _judged(request)
    folder_made(page.parent)
    said = warn_if_fuller(plain, mode, codes)
    # what a factory or a term prints must not get between the lines of a result that a program reads
    with progress(quiet) as shown, contextlib.redirect_stdout(sys.stderr):
        diagnosis, lacking = _of_run(request, shown) if run else diagnose(request, shown)

    if lacking is not None and not said:
        warn_if_fuller(plain, "weights", codes)
    _print(diagnosis, as_json=as_json, quiet=quiet, verbose=verbose)
    if verbose:
        _print_details(diagnosis)
    writing(diagnosis.save, plain)
    writing(diagnosis.to_html, page)
    if not as_json:
        if verdict := diagnosis.record.verdict.text if quiet else _shortened(diagnosis):
            result(verdict)
        result(f"report: {page}\n  data: {plain}")
        if lacking is None:  # else the error below says what to do next
            result(f"  next: {_next(diagnosis, request, page)}")
    if lacking is not None:
        fail(needs_factory(lacking, f"pinndiag analyze {shlex.quote(str(target))}"))
    if open_page:
        show(page)
    if lacking is not None or diagnosis.record.verdict.severity == "unknown":
        return FAILED
    return PROBLEMS if diagnosis.record.problems and not exit_zero else FINE


def _of_run(request: Request, shown: Progress) -> tuple[Diagnosis, None]:
    shown.begin(f"reading {request.target}")
    by = (request.select, request.ignore, request.thresholds)
    return judged(request.target, *by), None


def _judged(request: Request) -> set[str]:
    """The codes that the diagnosis will speak of.

    Raises:
        PinndiagError: a code, or the name of a threshold, is none.
    """
    from pinndiag._diagnosis._rules import rules
    from pinndiag.checks import CHECKS, matching

    by = rules(request.select, request.ignore, request.thresholds, where="--threshold")
    wanted = matching(by["select"]) if by["select"] else {check.code for check in CHECKS}
    return wanted - matching(by["ignore"])


def _check_target(target: Path) -> None:
    if target.is_dir():
        check_run_folder(target)
        _refuse_for_runs(click.get_current_context())
    name = shlex.quote(str(target))
    if target.suffix.lower() == ".py":
        raise PinndiagError(
            f"{target} is not a checkpoint",
            where="its name ends in .py",
            cause="the file of a factory was given in place of the checkpoint",
            fix=f"pinndiag analyze CHECKPOINT.pt --factory {name}:make, where make() returns the wrapped PINN",
        )
    if target.suffix.lower() == ".json":
        raise PinndiagError(
            f"{target} is not a checkpoint",
            where="its name ends in .json",
            cause="a diagnosis was given",
            fix=f"to see it as a page: pinndiag report {name}",
        )


def _refuse_for_runs(context: click.Context) -> None:
    """What a run was recorded with cannot be chosen afterwards."""
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in ONLY_CHECKPOINTS
        and context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT
    ]
    if given:
        raise click.UsageError(f"{', '.join(given)}: only for checkpoints; a run is judged as it was recorded", context)


def _print(diagnosis: Diagnosis, *, as_json: bool, quiet: bool, verbose: bool) -> None:
    if as_json:
        data(diagnosis.to_json())
    elif not quiet:
        from pinndiag_reports import to_text

        color = colored(sys.stdout)
        text = to_text(diagnosis.record, width=width(), color=color, everything=verbose)
        result(text.rstrip("\n") + "\n", styled=color)


def _shortened(diagnosis: Diagnosis) -> str:
    """The verdict below the table, which begins with the whole of it: problems and warnings by their codes."""
    parts = []
    for severity in ("problem", "warning"):
        codes = [finding.code for finding in diagnosis.findings if finding.severity == severity]
        if codes:
            parts.append(f"{len(codes)} {severity}{'s' if len(codes) > 1 else ''} ({', '.join(codes)})")
    said = diagnosis.record.verdict
    return ", ".join(parts) or ("" if said.severity == "unknown" else said.text)


def _print_details(diagnosis: Diagnosis) -> None:
    for part, seconds in sorted(diagnosis.record.run.costs.items(), key=lambda item: -item[1]):
        note(f"{seconds:8.2f} s  {part}")
    for part, reason in diagnosis.record.reasons.items():
        note(f"not measured: {part}: {reason.removeprefix('not applicable: ')}")
    for check in diagnosis.record.not_applicable:
        note(f"not applicable: {check.code}: {check.reason}")


def _next(diagnosis: Diagnosis, request: Request, page: Path) -> str:
    record, target = diagnosis.record, shlex.quote(str(request.target))
    if record.findings:
        return f"pinndiag explain {record.findings[0].code}"
    if record.history is not None:
        return f"open {page} in a browser"
    again = f"pinndiag analyze {target}"
    if request.factory is not None:
        again += f" --factory {shlex.quote(request.factory)}"
    if request.select or request.ignore:
        return f"{again}   (all checks)"
    if request.quick:
        return f"{again}   (with the experiments on copies)"
    if not request.thorough:
        return f"{again} --thorough"
    return f"open {page} in a browser"
