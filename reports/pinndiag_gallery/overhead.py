"""What a scheme costs in time: CPU time of a step against training as it is, in alternating blocks."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence

import torch

from pinndiag import problems
from pinndiag_gallery.story import Arm
from pinndiag_gallery.training import balance, made

__all__ = ["overheads"]

BLOCKS, STEPS = 12, 20  # steps: a multiple of the schemes' refreshes


def overheads(arms: Sequence[Arm]) -> dict[str, float]:
    """Key of an arm -> CPU time of a step / that of the first arm, less 1: medians over blocks in changing order.

    Nothing is watched. Blocks alternate, so that a busy moment of the machine hits all arms alike.
    """
    torch.set_num_threads(1)
    trained = {arm.key: made(arm, 0) for arm in arms}
    schemes = {arm.key: balance(arm, trained[arm.key]) for arm in arms}
    times: dict[str, list[float]] = {arm.key: [] for arm in arms}
    order = list(times)
    for block in range(BLOCKS + 1):
        random.Random(block).shuffle(order)
        for key in order:
            began = time.process_time()
            problems.train(trained[key], STEPS, loss=schemes[key])
            if block:  # the first one warms up
                times[key].append(time.process_time() - began)
    first = times[arms[0].key]
    return {
        arm.key: statistics.median(mine / its for mine, its in zip(times[arm.key], first, strict=True)) - 1
        for arm in arms[1:]
    }
