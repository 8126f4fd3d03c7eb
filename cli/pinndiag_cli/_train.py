"""`pinndiag train PROBLEM`: a problem of the literature, plain or under a balancing scheme."""

from __future__ import annotations

import math
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pinndiag import PinndiagError
from pinndiag_cli import _options as options
from pinndiag_cli._loading import device_of, dtype_of
from pinndiag_cli._progress import Progress, progress
from pinndiag_cli._status import FINE, INTERRUPTED
from pinndiag_cli._streams import note, result, table
from pinndiag_cli._training import losses, steps_taken, trained
from pinndiag_cli._writing import writing
from pinndiag_reports._numbers import number, seconds

if TYPE_CHECKING:
    from pinndiag import PINN
    from pinndiag.problems import Problem
    from pinndiag.schemes import AbstractScheme

__all__ = ["train"]


@click.command(
    epilog="""\b
Examples:
  pinndiag train helmholtz --save helmholtz.pt
  pinndiag train poisson_2d --scheme dynamic_norm --to runs/poisson"""
)
@click.argument("problem")
@click.option("--arch", type=click.Choice(["mlp", "modified"]), default="mlp", help="Network. [default: mlp]")
@click.option("--scheme", metavar="KEY", help="Balancing scheme. [default: the weights of the source]")
@click.option("--steps", metavar="N", type=click.IntRange(1), help="Of the optimizer. [default: the problem's]")
@click.option("--to", metavar="RUN", type=click.Path(path_type=Path), help="Record the run in this new folder.")
@click.option("--save", metavar="FILE", type=click.Path(path_type=Path), help="Write a checkpoint at the end.")
@click.option(
    "--size",
    type=click.Choice(["reduced", "full"]),
    default="reduced",
    help="Points, network and steps of the source, or what shows its effect in minutes. [default: reduced]",
)
@click.option("--seed", metavar="N", type=click.IntRange(0, 2**31 - 1), default=0, help="[default: 0]")
@options.device()
@options.dtype("float32")
@options.quiet("No progress, no table.")
@options.verbose()
def train(
    problem: str,
    arch: str,
    scheme: str | None,
    steps: int | None,
    to: Path | None,
    save: Path | None,
    size: str,
    seed: int,
    device: str | None,
    dtype: str | None,
    quiet: bool,
    verbose: bool,
) -> int:
    """Train a problem of the literature.

    `pinndiag problems` lists them, `pinndiag schemes` the schemes. Ctrl-C ends it early and keeps what is done.
    """
    with progress(quiet) as shown:
        shown.begin("loading torch")
        import torch

        from pinndiag.problems import make

        made = make(
            problem,
            size=size,
            arch=arch,
            seed=seed,
            dtype=dtype_of(dtype) or torch.float32,
            device=device_of(device) or "cpu",
        )
        wanted = made.steps if steps is None else steps
        balance = _scheme(scheme, made)
        _check_place(save)
        shown.state(_statement(made, wanted, scheme))
        begun = time.perf_counter()
        interrupted = _run(made, wanted, balance, to, shown)
    taken = time.perf_counter() - begun
    if save is not None:
        writing(_saved(made, balance).save, save)
    _say(made, taken, save, to, quiet=quiet)
    if interrupted:
        note(f"interrupted after {steps_taken(made)} of {wanted} steps; what is done is kept")
    return INTERRUPTED if interrupted else FINE


def _scheme(key: str | None, made: Problem) -> AbstractScheme | None:
    if key is None:
        return None
    from pinndiag.schemes import make

    return make(key, reference=next(iter(made.terms)))


def _check_place(save: Path | None) -> None:
    """Not after minutes of training."""
    if save is not None and not save.absolute().parent.is_dir():
        raise PinndiagError(
            f"cannot write {save}",
            where=f"folder {save.absolute().parent}",
            cause="the folder does not exist",
            fix="make it, or give another place with --save FILE",
        )


def _statement(made: Problem, steps: int, scheme: str | None) -> str:
    size = sum(parameter.numel() for parameter in made.model.parameters() if parameter.requires_grad)
    points = ", ".join(f"{name} {len(term.points)}" for name, term in made.terms.items())
    rate = made.optimizer.param_groups[0]["lr"]
    under = f" under {scheme}" if scheme else ""
    return (
        f"{made.about.name}: {made.about.title}\n{made.about.source}\n"
        f"{size} trainable parameters; points: {points}; "
        f"{steps} steps of {type(made.optimizer).__name__}, learning rate {number(rate)}{under}"
    )


def _run(made: Problem, steps: int, balance: AbstractScheme | None, to: Path | None, shown: Progress) -> bool:
    if to is None:
        return trained(made, steps, shown, balance)
    from pinndiag import watch

    try:
        watched = watch(
            made.model,
            made.optimizer,
            to=to,
            weights=None if balance is not None else made.weights,
            scheme=balance,
            solution=made.solution,
        )
    except PinndiagError as error:
        raise PinndiagError(
            error.what, where=error.where, cause=error.cause, fix="give a new folder with --to"
        ) from None
    with watched:
        return trained(made, steps, shown, watched)


def _saved(made: Problem, balance: AbstractScheme | None) -> PINN:
    """The PINN; after a scheme with its last weights, of weights of single points the mean."""
    pinn = made.wrap()
    if balance is not None:
        last = {name: float(getattr(w, "mean", lambda w=w: w)()) for name, w in balance.weights.items()}
        pinn.weights = {name: last.get(name, weight) for name, weight in pinn.weights.items()}
    return pinn


def _say(made: Problem, taken: float, save: Path | None, to: Path | None, *, quiet: bool) -> None:
    found = losses(made)
    error = made.error()
    if not quiet:
        table(("term", "loss", "points"), [(n, number(found[n]), str(len(t.points))) for n, t in made.terms.items()])
    finite = math.isfinite(error) and all(map(math.isfinite, found.values()))
    result(
        f"{steps_taken(made)} steps in {seconds(taken)}: relative L2 error {number(error)} against the reference"
        + ("" if finite else "; the training diverged")
    )
    if save is not None:
        result(f"saved: {save}\n next: pinndiag analyze {shlex.quote(str(save))}")
    if to is not None:
        result(f"  run: {to}\n next: pinndiag analyze {shlex.quote(str(to))}")
    if save is None and to is None:
        result(" next: the same with --save FILE, then pinndiag analyze FILE")
