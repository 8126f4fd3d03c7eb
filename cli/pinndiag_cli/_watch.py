"""`pinndiag watch RUN`: follow a run in the terminal until it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pinndiag import PinndiagError
from pinndiag_cli import _options as options
from pinndiag_cli._status import FINE, PROBLEMS
from pinndiag_cli._stored import check_run_folder, existing
from pinndiag_cli._streams import colored, draw, result, width

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pinndiag._records import DiagnosisRecord
    from pinndiag._store import Following

__all__ = ["watch"]

TERMINAL, ELSEWHERE = 1.0, 10.0  # seconds between two looks
IDLE = 9.0  # times what judging the run takes: the training, perhaps on the same core, keeps nine tenths of it
STALE = 30.0  # seconds without a record that are worth a word


@click.command(
    epilog="""\b
Examples:
  pinndiag watch runs/heat
  pinndiag watch runs/heat --once"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--once", is_flag=True, help="Print the state and end.")
@click.option(
    "--interval",
    metavar="SECONDS",
    type=click.FloatRange(0.1),
    help="Between two looks at the run. [default: 1 on a terminal, else 10]",
)
@options.exit_zero()
@options.verbose()
def watch(run: Path, once: bool, interval: float | None, exit_zero: bool, verbose: bool) -> int:
    """Follow a run in the terminal until it ends.

    Shown are the progress, the course of every term and the verdict so far.
    RUN is the folder that was passed to pinndiag.watch(..., to=RUN). Ends with the training, also where it was killed,
    or with Ctrl-C. Where the output is no terminal, a line is written at each look.
    """
    from pinndiag._store import Following

    check_run_folder(_folder(existing(run)))
    following = Following(run)
    if once:
        record = _judged(following)
        draw(_table(record, following))
        return _status(record, exit_zero)
    live = sys.stdout.isatty()
    pause = interval or (TERMINAL if live else ELSEWHERE)
    with _table_on_terminal() if live else _lines() as show:
        while True:
            began = time.monotonic()
            over = following.run.alive is False  # asked before reading: what was written until then is shown
            following.advance()
            record = _judged(following)
            show(record, following)
            if over or following.run.ended:
                return _status(record, exit_zero)
            time.sleep(max(pause, IDLE * (time.monotonic() - began)))


def _folder(path: Path) -> Path:
    if path.is_dir():
        return path
    raise PinndiagError(
        f"{path} is not the folder of a run",
        where="it is a file",
        cause="a checkpoint, a diagnosis or run.json itself was given",
        fix="give the folder that was passed to pinndiag.watch(..., to=FOLDER)",
    )


def _judged(following: Following) -> DiagnosisRecord | PinndiagError:
    """The diagnosis so far, or why there is none yet."""
    from pinndiag._history import diagnose_run

    try:
        return diagnose_run(following.run, source=str(following.run.layout.folder if following.run.layout else ""))
    except PinndiagError as error:
        return error


def _status(record: DiagnosisRecord | PinndiagError, exit_zero: bool) -> int:
    found = not isinstance(record, PinndiagError) and record.problems
    return PROBLEMS if found and not exit_zero else FINE


def _remark(following: Following) -> str:
    """How old the last record is, where that is worth a word."""
    layout = following.run.layout
    if layout is None or not layout.records.is_file():
        return ""
    age = time.time() - layout.records.stat().st_mtime
    return f"no record for {age:.0f} s" if age > STALE and not following.run.ended else ""


def _table(record: DiagnosisRecord | PinndiagError, following: Following) -> RenderableType:
    if isinstance(record, PinndiagError):
        from rich.text import Text

        return Text(_nothing(record, following))
    from pinndiag_reports.live import state_table

    return state_table(record, width=width(), remark=_remark(following))


def _line(record: DiagnosisRecord | PinndiagError, following: Following) -> str:
    if isinstance(record, PinndiagError):
        return _nothing(record, following)
    from pinndiag_reports.live import state_line

    return state_line(record, remark=_remark(following))


def _nothing(error: PinndiagError, following: Following) -> str:
    killed = "; the training was killed" if following.run.alive is False and not following.run.ended else ""
    return f"{len(following.run.steps)} records so far; {error.what}{killed}"


Show = Callable[["DiagnosisRecord | PinndiagError", "Following"], None]


@contextmanager
def _lines() -> Iterator[Show]:
    yield lambda record, following: result(_line(record, following))


@contextmanager
def _table_on_terminal() -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live

    console = Console(color_system="standard" if colored(sys.stdout) else None, legacy_windows=False)
    # nothing else is printed meanwhile, and the stand-in for stdout would know no encoding
    with Live(console=console, auto_refresh=False, vertical_overflow="visible", redirect_stdout=False) as live:
        yield lambda record, following: live.update(_table(record, following), refresh=True)
