"""The wave equation with two standing waves of different frequency.

    u_tt = c^2 u_xx on [0, 1]^2,  u = sin(pi x) cos(c pi t) + a sin(2 c pi x) cos(2 c^2 pi t),  c = 2, a = 0.5

The value is given at t = 0 and at both sides, where it is zero, the velocity u_t = 0 at t = 0. Wang, Yu, Perdikaris
2022 (J. Comput. Phys. 449, 110768, section 7.2, and their code): 3 hidden layers of 500, 300 points in the domain and
100 for each condition, drawn anew at each step; the three conditions on u summed; Adam 1e-3, times 0.9 in 1000 steps.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pinndiag.nn import derivatives
from pinndiag.problems._problem import About, Problem, Term, adam, equals
from pinndiag.problems._setup import Setup

ABOUT = About(
    "wave",
    "Wave, u_tt = 4 u_xx on [0, 1]^2, u = sin(pi x) cos(2 pi t) + 0.5 sin(4 pi x) cos(8 pi t)",
    "Wang, Yu, Perdikaris 2022, J. Comput. Phys. 449, 110768, section 7.2",
)


def make(setup: Setup) -> Problem:
    """The problem; points are (t, x). Reduced: width 100 instead of 500, 10 000 of 80 000 steps.

    Error without balancing (benchmarks/problems.py, seed 0): 5.0e-1.
    """
    box = setup.box([0.0, 0.0], [1.0, 1.0])
    net = setup.network(box, 1, width=setup.pick(reduced=100, full=500), depth=3)
    edges, start = box.faces([(0, 0), (1, 0), (1, 1)]), box.faces([(0, 0)])

    def exact(x: Tensor) -> Tensor:
        t, x = math.pi * x[:, :1], math.pi * x[:, 1:]
        return torch.sin(x) * torch.cos(2 * t) + 0.5 * torch.sin(4 * x) * torch.cos(8 * t)

    def pde(x: Tensor) -> Tensor:
        _, residual = derivatives(net, x, "tt-4xx", axes="tx")
        return residual

    def velocity(x: Tensor) -> Tensor:
        _, u_t = derivatives(net, x, "t", axes="tx")
        return u_t

    grid = box.grid(100)
    return Problem(
        ABOUT,
        setup,
        net,
        {
            "pde": Term(pde, box.inside(300), box.inside, resampled=True),
            "value": Term(equals(net, exact), edges(300), edges, weight=3.0, resampled=True),
            "velocity": Term(velocity, start(100), start, resampled=True),
        },
        solution=(grid, exact(grid)),
        schedule=adam(net, decay=0.9),
        steps=setup.pick(reduced=10_000, full=80_000),
    )
