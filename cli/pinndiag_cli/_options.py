"""Options that several commands share, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = [
    "VERBOSE",
    "as_json",
    "device",
    "dtype",
    "exit_zero",
    "factory",
    "ignore",
    "open_page",
    "output",
    "quiet",
    "select",
    "threshold",
    "verbose",
]

VERBOSE = "pinndiag.verbose"  # in click's `meta`, which a command shares with the group that reports its errors

F = TypeVar("F", bound=Callable[..., Any])


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    ctx.meta[VERBOSE] = value
    return value


def _parted(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for value in values:
        name, _, number = value.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise click.UsageError(f"--threshold {value}: give NAME=NUMBER, such as work_ratio=50", ctx) from None
    return found


def select() -> Callable[[F], F]:
    """`--select`."""
    return click.option("--select", metavar="CODE", multiple=True, help="Only these checks: a code or its beginning.")


def ignore() -> Callable[[F], F]:
    """`--ignore`."""
    return click.option("--ignore", metavar="CODE", multiple=True, help="All checks but these.")


def threshold() -> Callable[[F], F]:
    """`--threshold`: a dictionary of numbers by name."""
    return click.option(
        "--threshold",
        "thresholds",
        metavar="NAME=NUMBER",
        multiple=True,
        callback=_parted,
        help="Another bound than the default one.",
    )


def output(help: str) -> Callable[[F], F]:
    """`-o`, with what it means for this command."""
    return click.option("-o", "--output", type=click.Path(path_type=Path), metavar="PATH", help=help)


def as_json(help: str) -> Callable[[F], F]:
    """`--json`, with what it prints for this command."""
    return click.option("--json", "as_json", is_flag=True, help=help)


def quiet(help: str) -> Callable[[F], F]:
    """`-q`, with what is left out."""
    return click.option("-q", "--quiet", is_flag=True, help=help)


def verbose(help: str = "Show tracebacks.") -> Callable[[F], F]:
    """`-v`, with what is added."""
    return click.option("-v", "--verbose", is_flag=True, callback=_remember, is_eager=True, help=help)


def exit_zero(help: str = "Exit with 0 also when problems were found.") -> Callable[[F], F]:
    """`--exit-zero`: turns status 1 into 0, and no other."""
    return click.option("--exit-zero", is_flag=True, help=help)


def open_page(help: str = "Open the report in a browser.") -> Callable[[F], F]:
    """`--open`."""
    return click.option("--open", "open_page", is_flag=True, help=help)


def factory() -> Callable[[F], F]:
    """`--factory`."""
    return click.option("--factory", metavar="FILE.py:NAME", help="Function that returns the PINN, for bare weights.")


def device() -> Callable[[F], F]:
    """`--device`."""
    return click.option("--device", metavar="NAME", help="Where to compute: cpu, cuda, cuda:1, ...")


def dtype(default: str = "as saved") -> Callable[[F], F]:
    """`--dtype`, with what it is where nothing was said."""
    choice = click.Choice(["float32", "float64"])
    return click.option("--dtype", type=choice, help=f"Precision to compute in. [default: {default}]")
