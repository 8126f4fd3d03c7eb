"""The Poisson equation in one dimension, whose imbalance grows with the frequency of its solution.

    u'' = q on [0, 1],  u = sin(C x)

Wang, Teng, Perdikaris 2021 (SIAM J. Sci. Comput. 43, A3055, section 2.3), C from 1 to 16: 5 hidden layers of 50, 128
points drawn anew at each step, both ends summed; Adam 1e-3, times 0.9 in 1000 steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pinndiag.nn import derivatives
from pinndiag.problems._problem import About, Problem, Term, adam, equals
from pinndiag.problems._setup import Setup

ABOUT = About(
    "poisson_1d",
    "Poisson, u'' = q on [0, 1], u = sin(C x), Dirichlet",
    "Wang, Teng, Perdikaris 2021, SIAM J. Sci. Comput. 43, A3055, section 2.3",
)


def make(setup: Setup, *, C: float = 16.0) -> Problem:
    """The problem of frequency C. Reduced: 4 000 of 40 000 steps.

    Error without balancing (benchmarks/problems.py, seed 0): 6.6e-4, 6.4e-3, 1.5 for C = 1, 4, 16.
    """
    box = setup.box([0.0], [1.0])
    net = setup.network(box, 1, width=50, depth=5)

    def exact(x: Tensor) -> Tensor:
        return torch.sin(C * x)

    def pde(x: Tensor) -> Tensor:
        _, second = derivatives(net, x, "xx")
        return second + C**2 * exact(x)

    grid = box.grid(1000)
    return Problem(
        ABOUT,
        setup,
        net,
        {
            "pde": Term(pde, box.inside(128), box.inside, resampled=True),
            "bc": Term(equals(net, exact), box.grid(2), box.boundary, weight=2.0),
        },
        solution=(grid, exact(grid)),
        schedule=adam(net, decay=0.9),
        steps=setup.pick(reduced=4_000, full=40_000),
    )
