"""Burgers' equation, whose front steepens: a negative control, since balancing the terms does not help here.

    u_t + u u_x = (0.01 / pi) u_xx on [0, 1] x [-1, 1],  u(0, x) = -sin(pi x),  u(t, -1) = u(t, 1) = 0

Deguchi, Asai 2023 (J. Phys. Commun. 7, 075005, section 4.1): 8 hidden layers of 20, inputs in [-1, 1], 10 000 points in
the domain, 100 at the start, 200 on the sides, the same at each step; Adam 1e-3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pinndiag.nn import derivatives
from pinndiag.problems._problem import About, Problem, Term, adam, equals
from pinndiag.problems._references.burgers import burgers
from pinndiag.problems._setup import Setup

ABOUT = About(
    "burgers",
    "Burgers, u_t + u u_x = (0.01 / pi) u_xx on [0, 1] x [-1, 1], u(0, x) = -sin(pi x)",
    "Deguchi, Asai 2023, J. Phys. Commun. 7, 075005, section 4.1",
)

VISCOSITY = 0.01 / math.pi


def make(setup: Setup) -> Problem:
    """The problem; points are (t, x). Reduced: 1 000 of the 10 000 points make a step, 8 000 of 30 000 steps.

    Error without balancing (benchmarks/problems.py, seed 0): 6.3e-2, with spikes.
    """
    box = setup.box([0.0, -1.0], [1.0, 1.0])
    net = setup.network(box, 1, width=20, depth=8, scaling="unit")
    start, sides = box.faces([(0, 0)]), box.faces([(1, 0), (1, 1)])

    def pde(x: Tensor) -> Tensor:
        u, u_t, u_x, u_xx = derivatives(net, x, "t", "x", "xx", axes="tx")
        return u_t + u * u_x - VISCOSITY * u_xx

    def start_value(x: Tensor) -> Tensor:
        return -torch.sin(math.pi * x[:, 1:])

    grid = box.grid(101)
    t, x = grid.double().cpu().numpy().T
    return Problem(
        ABOUT,
        setup,
        net,
        {
            "pde": Term(pde, box.inside(10_000), box.inside, part=setup.pick(reduced=1_000, full=None)),
            "ic": Term(equals(net, start_value), start(100), start),
            "bc": Term(net, sides(200), sides),
        },
        solution=(grid, torch.from_numpy(burgers(t, x, VISCOSITY)[:, None]).to(grid)),
        schedule=adam(net),
        steps=setup.pick(reduced=8_000, full=30_000),
    )
