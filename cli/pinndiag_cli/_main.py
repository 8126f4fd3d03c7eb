"""The group of commands: each is imported when it is used, and every error becomes a message and an exit status."""

from __future__ import annotations

import atexit
import gc
import importlib
import sys
from collections.abc import Sequence
from typing import Any

import click

from pinndiag import PinndiagError, __version__
from pinndiag_cli._options import VERBOSE
from pinndiag_cli._status import FAILED, INTERRUPTED
from pinndiag_cli._streams import fail, note

__all__ = ["main"]

COMMANDS = (
    "analyze",
    "remediate",
    "watch",
    "compare",
    "report",
    "checks",
    "explain",
    "schemes",
    "problems",
    "train",
    "demo",
    "init",
    "env",
)


class Commands(click.Group):
    """Commands in the order in which they are needed; `NAME` is the object `NAME` of the module `_NAME`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in that order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"pinndiag_cli._{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or say which one may have been meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, 1)
            raise click.UsageError(
                f"there is no command {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""), ctx
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what it raises becomes a message on stderr and status 2."""
        try:
            return super().invoke(ctx)
        except PinndiagError as error:
            if ctx.meta.get(VERBOSE) and error.__cause__ is not None:
                _trace(error.__cause__)
            fail(error)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click's own ways out
        except Exception as error:
            if ctx.meta.get(VERBOSE):
                _trace(error)
            fail(_unexpected(error))
        return FAILED

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> int:
        """Parse and run; exit with the status, or return it when not `standalone_mode`."""
        if standalone_mode:
            _collect_rarely()
            _keep_memory()
        try:
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra) or 0
        except click.UsageError as error:
            fail(_usage(error))
            status = FAILED
        except click.ClickException as error:
            fail(PinndiagError(error.format_message()))
            status = FAILED
        except click.Abort:
            note("interrupted")
            status = INTERRUPTED
        if standalone_mode:
            sys.exit(status)
        return int(status)


def _collect_rarely() -> None:
    """Look for garbage a hundred times less often, and not at the exit.

    Importing torch makes a million objects that stay. Going through them again and again took a quarter of the time of
    a quick analysis.
    """
    gc.set_threshold(70_000, 10, 10)
    atexit.register(gc.freeze)


def _keep_memory() -> None:
    """Let memory that was freed stay with the process, where the C library is glibc.

    It gives every large tensor's memory back to the system at once, and to have it again costs a page fault for every
    4 KiB: a tenth of the time of an analysis.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another library
        return
    trim_threshold, mmap_threshold = -1, -3  # their numbers in malloc.h
    mallopt(mmap_threshold, 2**25)  # the largest that it takes
    mallopt(trim_threshold, 2**31 - 1)


def _usage(error: click.UsageError) -> PinndiagError:
    path = error.ctx.command_path if error.ctx else "pinndiag"
    usage = error.ctx.get_usage().removeprefix("Usage: ") if error.ctx else path
    return PinndiagError(
        error.format_message().rstrip("."),
        where=" ".join(usage.split()),
        cause="the command line is not one that this version understands",
        fix=f"{path} --help shows what can be given, with examples",
    )


def _trace(error: BaseException) -> None:
    import traceback

    note("".join(traceback.format_exception(error)).rstrip())


def _unexpected(error: Exception) -> PinndiagError:
    """What nobody foresaw, in a message."""
    kind, said = type(error).__name__, " ".join(str(error).split())[:300]
    if isinstance(error, MemoryError) or kind == "OutOfMemoryError":
        return PinndiagError(
            "there was not enough memory",
            where=said or kind,
            cause="the network or the sets of points are too large for this device",
            fix="try --quick, or another --device",
        )
    return PinndiagError(
        "something unforeseen happened: " + (f"{kind}: {said}" if said else kind),
        where=f"pinndiag {__version__}",
        cause="a mistake in pinndiag, or in the code of a factory",
        fix="run it again with -v for the traceback; if the mistake is pinndiag's, please report it with that "
        "traceback and the output of `pinndiag env`",
    )


@click.group(
    cls=Commands,
    invoke_without_command=True,
    subcommand_metavar="COMMAND",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  pinndiag demo
  pinndiag analyze checkpoint.pt
  pinndiag explain PD201

Exit status: 0 no problem found, 1 problems found, 2 the command could not do its work, 130 interrupted.""",
)
@click.version_option(__version__, prog_name="pinndiag", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> int | None:
    """Diagnose gradient pathologies in physics-informed neural networks (PINNs)."""
    if ctx.invoked_subcommand is None:
        note(ctx.get_help())
        return FAILED
    return None
