"""A regression with a sharp transition: within one term, few points carry the error.

    u(x) = tanh(k x) on [-1, 1] at 30 equidistant points

After the race of three weightings in the online course "PINNs for exploration seismology", section 3.4. The course's
own target is not known; tanh(20 x), 2 hidden layers of 20 and 300 steps of Adam 2e-2 stand in for it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pinndiag.problems._problem import About, Problem, Term, adam, equals
from pinndiag.problems._setup import Setup

ABOUT = About(
    "regression",
    "Regression of tanh(k x) on [-1, 1] at 30 points: a sharp transition at the centre",
    'online course "PINNs for exploration seismology", section 3.4 (target and network are stand-ins)',
)


def make(setup: Setup, *, k: float = 20.0) -> Problem:
    """The regression; both sizes are the same.

    Error without balancing (benchmarks/problems.py, seed 0): 1.3e-2.
    """
    box = setup.box([-1.0], [1.0])
    net = setup.network(box, 1, width=20, depth=2, scaling="none")

    def target(x: Tensor) -> Tensor:
        return torch.tanh(k * x)

    grid = box.grid(1001)
    return Problem(
        ABOUT,
        setup,
        net,
        {"data": Term(equals(net, target), box.grid(30), box.inside)},
        solution=(grid, target(grid)),
        schedule=adam(net, lr=2e-2),
        steps=300,
    )
