"""`pinndiag remediate TARGET`: train on, as it is and under schemes, and write before and after."""

from __future__ import annotations

import contextlib
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, final

import click
import msgspec

from pinndiag import PinndiagError
from pinndiag_cli import _options as options
from pinndiag_cli._browser import show
from pinndiag_cli._loading import described, device_of, dtype_of, needs_factory
from pinndiag_cli._places import folder_made, places
from pinndiag_cli._progress import Progress, of_training, progress
from pinndiag_cli._remedies import read_remedy, status_of, write_page
from pinndiag_cli._status import FINE, INTERRUPTED
from pinndiag_cli._stored import existing
from pinndiag_cli._streams import colored, data, note, result, width
from pinndiag_cli._writing import writing

if TYPE_CHECKING:
    from pinndiag import PINN, Comparison
    from pinndiag._records import RemedyRecord

__all__ = ["remediate"]

CANDIDATES, FINALISTS = 4, 2  # of "auto", at most
STEPS = 2000
KEPT = "interrupted: what was done by then is kept"


@click.command(
    epilog="""\b
Examples:
  pinndiag remediate heat.pt
  pinndiag remediate heat.pt --scheme lra --from initial --seeds 3 --jobs 2

Writes TARGET.remedy.html, TARGET.remedy.json and TARGET.treated.pt; TARGET stays as it is."""
)
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--scheme", "schemes", metavar="KEY", multiple=True, help="What to try. [default: auto]")
@click.option("--steps", metavar="N", type=click.IntRange(2), default=STEPS, help=f"Of each run. [default: {STEPS}]")
@click.option("--seeds", metavar="K", type=click.IntRange(1), default=1, help="Runs of each arm. [default: 1]")
@click.option(
    "--from",
    "start",
    type=click.Choice(["initial", "checkpoint"]),
    default="checkpoint",
    help="Where every arm begins. [default: checkpoint]",
)
@click.option("--resample", metavar="N", type=click.IntRange(0), default=0, help="Fresh points every N steps.")
@click.option("--jobs", metavar="N", type=click.IntRange(1), default=1, help="Arms at a time. [default: 1]")
@click.option("--explain", is_flag=True, help="Tell what was tried and why this one.")
@options.factory()
@options.device()
@options.dtype()
@options.output("Folder, or FILE.html. [default: beside TARGET]")
@options.as_json("Print exactly the content of remedy.json.")
@options.open_page()
@options.exit_zero("Exit with 0 also when it got worse.")
@options.quiet("Print the last lines only.")
@options.verbose()
def remediate(
    target: Path,
    schemes: tuple[str, ...],
    steps: int,
    seeds: int,
    start: str,
    resample: int,
    jobs: int,
    explain: bool,
    factory: str | None,
    device: str | None,
    dtype: str | None,
    output: Path | None,
    as_json: bool,
    open_page: bool,
    exit_zero: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Treat a PINN, and show before and after.

    TARGET is a checkpoint that `pinn.save` wrote. It is trained on as it is and under each scheme (`pinndiag schemes`
    lists them), equally long and from the same start. Ctrl-C keeps what is done. Exit status 1: it got worse.
    """
    _check_target(existing(target))
    page, plain, treated = places(target, output, "remedy.html", "remedy.json", "treated.pt")
    _check_place(target, treated)
    asked = _Asked(
        schemes=schemes,
        steps=steps,
        seeds=seeds,
        start=start,
        resample=resample,
        jobs=jobs,
        factory=factory,
        device=device,
        dtype=dtype,
        output=output,
    )
    # what a factory or a term prints must not get between the lines of a result that a program reads
    with progress(quiet) as shown, contextlib.redirect_stdout(sys.stderr):
        asked = _known(asked, shown)
        pinn = _loaded(target, factory, device, dtype, shown)
        folder_made(page.parent)
        _say_what_is_replaced(plain)
        comparison = _trained(pinn, asked, target, shown)

    record = comparison.record
    kept = record.interrupted and record.baseline is None and plain.exists()
    if not kept:  # nothing was trained: what was found before is worth more
        writing(comparison.save, plain)
        write_page(record, page)
    if record.chosen is not None:
        writing(comparison.treated.save, treated)
    elif treated.exists():
        note(f"{treated}: from an earlier remediation, left as it was")
    if as_json:
        data(comparison.to_json())
    else:
        _print(record, explain=explain, quiet=quiet)
        if not kept:
            result(f"report: {page}\n  data: {plain}" + (f"\ntreated: {treated}" if record.chosen is not None else ""))
        result(f"  next: {_next(record, asked, target, treated)}")
    if open_page:
        show(page)
    if record.interrupted:
        note(f"interrupted before an arm was trained: {plain} stays as it was" if kept else KEPT)
        return INTERRUPTED
    return FINE if exit_zero else status_of(record)


@final
class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    schemes: tuple[str, ...]
    steps: int
    seeds: int
    start: str
    resample: int
    jobs: int
    factory: str | None
    device: str | None
    dtype: str | None
    output: Path | None

    def again(self, target: Path, *, steps: int = 0) -> str:
        """The command line that asks for the same, or for another number of steps."""
        words = ["pinndiag", "remediate", shlex.quote(str(target)), *(f"--scheme {key}" for key in self.schemes)]
        words += ["--from initial"] if self.start == "initial" else []
        if steps or self.steps != STEPS:  # the usual number, too, where it is what the advice is about
            words += [f"--steps {steps or self.steps}"]
        usual = {"seeds": 1, "resample": 0, "jobs": 1, "factory": None, "device": None, "dtype": None, "output": None}
        given = {name: getattr(self, name) for name in usual}
        words += [f"--{name} {shlex.quote(str(value))}" for name, value in given.items() if value != usual[name]]
        return " ".join(words)


def _known(asked: _Asked, shown: Progress) -> _Asked:
    """What was asked for, where every scheme is known: before anything is read or computed."""
    shown.begin("loading torch")
    from pinndiag._remediate._request import is_auto
    from pinndiag.schemes import by_key

    if not asked.schemes or is_auto(asked.schemes):
        return msgspec.structs.replace(asked, schemes=())
    for key in asked.schemes:
        by_key(key)
    return asked


def _check_target(target: Path) -> None:
    if target.is_dir() or target.suffix.lower() == ".json":
        raise PinndiagError(
            f"{target} is not a checkpoint",
            where="it is a folder" if target.is_dir() else "its name ends in .json",
            cause="a run or a diagnosis was given; neither holds the terms, so that it could be trained on",
            fix="save the PINN with pinndiag.wrap(...).save('checkpoint.pt') and give that file",
        )


def _check_place(target: Path, treated: Path) -> None:
    if treated.exists() and treated.samefile(target):
        raise PinndiagError(
            f"{treated} would be overwritten",
            where="the treated network would get the name of the file that is to be treated",
            cause="-o names a page with the same beginning",
            fix="give another place with -o PATH",
        )


def _loaded(target: Path, factory: str | None, device: str | None, dtype: str | None, shown: Progress) -> PINN:
    shown.begin("loading torch")
    import pinndiag
    from pinndiag._checkpoint import NoTermsError

    where, kind = device_of(device), dtype_of(dtype)
    shown.begin(f"loading {target}")
    try:
        return pinndiag.load(target, factory=factory, device=where, dtype=kind)
    except NoTermsError as error:
        raise needs_factory(error, f"pinndiag remediate {shlex.quote(str(target))}") from None


def _trained(pinn: PINN, asked: _Asked, target: Path, shown: Progress) -> Comparison:
    import pinndiag

    shown.state(f"{described(pinn, target.name)}\n{_cost(asked)}")

    return pinndiag.remediate(
        pinn,
        list(asked.schemes) or "auto",
        steps=asked.steps,
        seeds=asked.seeds,
        start=asked.start,
        resample=asked.resample,
        jobs=asked.jobs,
        name=target.name,
        source=str(target),
        progress=of_training(shown),
    )


def _cost(asked: _Asked) -> str:
    """What it will take, as far as can be told before the diagnosis."""
    seeds = asked.seeds if asked.start == "initial" else 1
    place = "the initial parameters" if asked.start == "initial" else "the checkpoint"
    each = f"{asked.steps} steps each from {place}" + (f", {seeds} seeds" if seeds > 1 else "")
    if asked.schemes:
        arms = len(asked.schemes)
        under = f"under {asked.schemes[0]}" if arms == 1 else f"under {arms} schemes"
        total = (arms + 1) * seeds * asked.steps
        return f"an analysis, then training on as it is and {under}, {each}: {total} gradients of the total loss"
    total = asked.steps * seeds * (FINALISTS + 1) + (CANDIDATES - FINALISTS) * (asked.steps // 2)
    return (
        f"an analysis, then training on as it is and under the schemes that it speaks for, {each}: "
        f"at most {total} gradients of the total loss"
    )


def _say_what_is_replaced(plain: Path) -> None:
    if not plain.exists():
        return
    try:
        old = read_remedy(plain)
    except PinndiagError:
        note(f"{plain}: replaced (-o to keep it)")
        return
    made = old.created.replace("T", " ")[:16]
    arms = ", ".join(arm.key for arm in old.arms) or "nothing treated"
    note(f"{plain}: replaces that of {made} ({arms}; {old.steps} steps) (-o to keep it)")


def _print(record: RemedyRecord, *, explain: bool, quiet: bool) -> None:
    from pinndiag_reports.remedy import remedy_to_text

    if quiet:
        result(record.text)
        return
    color = colored(sys.stdout)
    result(remedy_to_text(record, width=width(), color=color, explain=explain), styled=color)


def _next(record: RemedyRecord, asked: _Asked, target: Path, treated: Path) -> str:
    if record.interrupted:
        return f"the same again, or with fewer steps: {asked.again(target, steps=max(asked.steps // 4, 2))}"
    if record.baseline is None:
        return f"{asked.again(target)} --scheme KEY   (to treat it all the same; `pinndiag schemes` lists the keys)"
    if record.severity == "better":
        return f"pinndiag analyze {shlex.quote(str(treated))}"
    if asked.steps < STEPS:
        return f"{asked.again(target, steps=max(2 * asked.steps, STEPS))}   (longer: schemes need time)"
    return f"pinndiag explain {record.diagnosis.findings[0].code}" if record.diagnosis.findings else "pinndiag schemes"
