"""The plain training loop of a problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from pinndiag._terms._randomness import RandomState, replayed
from pinndiag._terms._terms import mean_square
from pinndiag.problems._problem import Problem

__all__ = ["train"]

Residuals = Mapping[str, Tensor]


def train(
    problem: Problem,
    steps: int | None = None,
    *,
    loss: Callable[[dict[str, Tensor]], Tensor] | None = None,
    progress: Callable[[int, Residuals], object] | None = None,
) -> None:
    """Take steps of the problem's optimizer; its model and optimizer go on from where they are.

    The random numbers of the training (fresh points, and those that a loss draws) come from the problem's seed and the
    number of steps already taken, whatever the state of the global generators, which is left as it was.

    Args:
        problem: what to train.
        steps: how many; default: those of the problem.
        loss: makes one loss of the residuals of a step, by name: a `pinndiag.watch`, a scheme of `pinndiag.schemes`.
            Default: the mean squares, summed with the problem's weights.
        progress: called after each step with its number, counted from 0, and the residuals (detach what is kept).

    >>> from pinndiag import problems
    >>> problem = problems.make("regression")
    >>> before = problem.error()
    >>> train(problem, steps=20)
    >>> problem.error() < before
    True
    """
    combine = loss or (lambda residuals: weighted_sum(problem, residuals))
    taken = problem.schedule.last_epoch
    with replayed(RandomState.seeded((1_000_003 * (problem.setup.seed + 1) + taken) % 2**32)):
        for step in range(taken, taken + (problem.steps if steps is None else steps)):
            problem.optimizer.zero_grad()
            residuals = {name: term.residual(term.batch()) for name, term in problem.terms.items()}
            combine(residuals).backward()
            problem.optimizer.step()
            problem.schedule.step()
            if progress is not None:
                progress(step, residuals)


def weighted_sum(problem: Problem, residuals: Residuals) -> Tensor:
    """The source's loss."""
    summands = [problem.terms[name].weight * mean_square(residual) for name, residual in residuals.items()]
    return torch.stack(summands).sum()
