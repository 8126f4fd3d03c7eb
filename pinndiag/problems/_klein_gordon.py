"""The Klein-Gordon equation with a cubic term.

    u_tt - u_xx + u^3 = f on [0, 1]^2,  u = x cos(5 pi t) + (x t)^3,  u and u_t given at t = 0, u at x = 0 and x = 1

Wang, Teng, Perdikaris 2021 (SIAM J. Sci. Comput. 43, A3055, section 4.2, and their code): 5 hidden layers of 50, 128
points in the domain, at the start and on each side, drawn anew at each step; sides summed, and value and velocity at
the start summed; Adam 1e-3, times 0.9 in 1000 steps.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pinndiag.nn import derivatives
from pinndiag.problems._problem import About, Problem, Term, adam, equals
from pinndiag.problems._setup import Setup

ABOUT = About(
    "klein_gordon",
    "Klein-Gordon, u_tt - u_xx + u^3 = f on [0, 1]^2, u = x cos(5 pi t) + (x t)^3",
    "Wang, Teng, Perdikaris 2021, SIAM J. Sci. Comput. 43, A3055, section 4.2",
)


def make(setup: Setup) -> Problem:
    """The problem; points are (t, x). Reduced: 6 000 of 40 000 steps.

    Error without balancing (benchmarks/problems.py, seed 0): 4.9e-1.
    """
    box = setup.box([0.0, 0.0], [1.0, 1.0])
    net = setup.network(box, 1, width=50, depth=5)
    start, sides = box.faces([(0, 0)]), box.faces([(1, 0), (1, 1)])

    def exact(x: Tensor) -> Tensor:
        t, x = x[:, :1], x[:, 1:]
        return x * torch.cos(5 * math.pi * t) + (x * t) ** 3

    def forcing(x: Tensor) -> Tensor:
        u, t, x = exact(x), x[:, :1], x[:, 1:]
        return -25 * math.pi**2 * x * torch.cos(5 * math.pi * t) + 6 * t * x**3 - 6 * x * t**3 + u**3

    def pde(x: Tensor) -> Tensor:
        u, dalembertian = derivatives(net, x, "tt-xx", axes="tx")
        return dalembertian + u**3 - forcing(x)

    def ic(x: Tensor) -> Tensor:
        u, u_t = derivatives(net, x, "t", axes="tx")
        return torch.cat([u - exact(x), u_t], dim=1)

    grid = box.grid(100)
    return Problem(
        ABOUT,
        setup,
        net,
        {
            "pde": Term(pde, box.inside(128), box.inside, resampled=True),
            "ic": Term(ic, start(128), start, weight=2.0, resampled=True),
            "bc": Term(equals(net, exact), sides(256), sides, weight=2.0, resampled=True),
        },
        solution=(grid, exact(grid)),
        schedule=adam(net, decay=0.9),
        steps=setup.pick(reduced=6_000, full=40_000),
    )
