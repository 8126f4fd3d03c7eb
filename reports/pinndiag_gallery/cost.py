"""What the published size of a story would cost: CPU time of a few steps of its arms, times steps and seeds."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from pinndiag import problems
from pinndiag_gallery import store
from pinndiag_gallery.story import Arm, Story
from pinndiag_gallery.training import balance, made

__all__ = ["hours", "measure_rates"]

WARM, STEPS = 2, 10  # steps: those between two refreshes of the schemes
HOUR = 3600.0


def measure_rates(story: Story, folder: Path) -> None:
    """Time a few steps of every arm of a story, unless they are known."""
    for arm in story.arms:
        path = store.place_of_rate(folder, arm)
        if not path.exists():
            store.write(path, _rate(arm))


def hours(story: Story, folder: Path) -> float | None:
    """CPU hours that training all of a story takes, by the rates there are; None where one is missing."""
    rates = [store.known(store.place_of_rate(folder, arm), float) for arm in story.arms]
    if not rates or any(rate is None for rate in rates):
        return None
    return sum(rate * arm.steps * arm.seeds for rate, arm in zip(rates, story.arms, strict=True) if rate) / HOUR


def _rate(arm: Arm) -> float:
    """CPU seconds of a step, nothing watched."""
    torch.set_num_threads(1)
    problem = made(arm, 0)
    scheme = balance(arm, problem)
    problems.train(problem, WARM, loss=scheme)
    began = time.process_time()
    problems.train(problem, STEPS, loss=scheme)
    return (time.process_time() - began) / STEPS
