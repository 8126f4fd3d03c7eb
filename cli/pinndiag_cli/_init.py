"""`pinndiag init FILE.py`: a factory that runs as it stands, to be filled with one's own; one for each framework."""

from __future__ import annotations

import re
import shlex
from importlib.resources import files
from pathlib import Path

import click

from pinndiag import PinndiagError
from pinndiag_cli import _options as options
from pinndiag_cli._status import FINE
from pinndiag_cli._streams import result
from pinndiag_cli._writing import writing

__all__ = ["init"]


TEMPLATES = files("pinndiag_cli").joinpath("templates")
PLAIN = "torch"  # a loop of one's own
FRAMEWORKS = sorted(name.removesuffix(".py.txt") for name in (entry.name for entry in TEMPLATES.iterdir()))


@click.command(
    epilog="""\b
Examples:
  pinndiag init heat.py
  pinndiag init heat.py --framework deepxde
  pinndiag analyze weights.pt --factory heat.py:make"""
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--framework",
    type=click.Choice(FRAMEWORKS),
    metavar="NAME",
    default=PLAIN,
    show_default=True,
    help=f"What the PINN is written in: {', '.join(FRAMEWORKS)}.",
)
@options.quiet("Do not say what to do next.")
@options.verbose()
def init(file: Path, framework: str, quiet: bool, verbose: bool) -> int:
    """Write a template of the factory that `analyze --factory` takes.

    FILE is the Python file to write. It runs as it stands: a small PINN to put one's own in place of. That of a
    framework also trains it, under pinndiag's eyes.
    """
    if file.suffix != ".py":
        raise PinndiagError(
            f"{file} does not end in .py",
            where="FILE",
            cause="the template is a Python file, and --factory takes one",
            fix=f"pinndiag init {shlex.quote(str(file.with_suffix('.py')))}",
        )
    text = TEMPLATES.joinpath(f"{framework}.py.txt").read_text(encoding="utf-8").replace("FILE", file.stem)
    try:
        writing(lambda path: _create(path, text), file)
    except FileExistsError:
        raise PinndiagError(
            f"{file} is there already, and is left as it is",
            where=str(file.absolute()),
            cause="init never overwrites",
            fix="give another name, or move that file away",
        ) from None
    if not quiet:
        result(f"{file} is written; put your own network, terms and points into make()\n{_next(text, file)}")
    return FINE


def _next(text: str, file: Path) -> str:
    """The commands that the docstring of a template explains, with the file as it was typed."""
    lines = [line.strip() for line in text.split('"""')[1].splitlines() if line.startswith("    ")]
    steps = [re.split(" {2,}", line.replace(file.name, shlex.quote(str(file)))) for line in lines]
    width = max(len(command) for command, _ in steps)
    shown = [f"{command:{width}}   ({does})" for command, does in steps]
    return "  next: " + "\n        ".join(shown)


def _create(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as stream:  # "x": over nothing, not even a link that leads nowhere
        stream.write(text)
