"""Train a problem of the literature with progress; an interrupt ends it early."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pinndiag_cli._progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from pinndiag.problems import Problem

__all__ = ["losses", "steps_taken", "trained"]

OFTEN = 10  # steps between two signs of life


def trained(
    problem: Problem,
    steps: int,
    shown: Progress,
    loss: Callable[[dict[str, Tensor]], Tensor] | None = None,
) -> bool:
    """Take steps of the problem's optimizer.

    Args:
        problem: is changed.
        steps: how many.
        shown: what is told how far it is.
        loss: makes one loss of the residuals; None for the weights of the source.

    Returns:
        Whether the user ended it before.
    """
    from pinndiag.problems import train

    begun = steps_taken(problem)

    def told(step: int, residuals: object) -> None:
        done = step + 1 - begun
        if done % OFTEN == 0 or done == steps:
            shown.steps("training", done, steps)

    try:
        train(problem, steps, loss=loss, progress=told)
    except KeyboardInterrupt:
        return True
    return False


def steps_taken(problem: Problem) -> int:
    """Steps that the problem's optimizer has taken."""
    return int(problem.schedule.last_epoch)


def losses(problem: Problem) -> dict[str, float]:
    """The unweighted loss of every term at its points."""
    found = {}
    for name, term in problem.terms.items():
        residual = term.residual(term.points)
        found[name] = float(residual.detach().abs().square().mean())
    return found
