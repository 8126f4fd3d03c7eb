"""A Poisson equation with large boundary data, on which plain training fails and a balanced one succeeds.

    u_xx + u_yy = q on [0, 1]^2,  u = cos(w x) sin(w y) on the boundary, which is the solution

Deguchi, Asai 2023 (J. Phys. Commun. 7, 075005, section 4.2): w = 4 pi, 4 hidden layers of 50, inputs in [-1, 1], 2500
points inside and 400 on the boundary, the same at each step; Adam 1e-3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pinndiag.nn import derivatives
from pinndiag.problems._problem import About, Problem, Term, adam, equals
from pinndiag.problems._setup import Setup

ABOUT = About(
    "poisson_2d",
    "Poisson, u_xx + u_yy = q on [0, 1]^2, u = cos(omega x) sin(omega y), Dirichlet",
    "Deguchi, Asai 2023, J. Phys. Commun. 7, 075005, section 4.2",
)


def make(setup: Setup, *, omega: float = 4 * math.pi, interior: int = 2500) -> Problem:
    """The problem with 8 sqrt(interior) points on the boundary. Reduced: 2 000 of 30 000 steps.

    Error without balancing (benchmarks/problems.py, seed 0): 9.3e-1.
    """
    box = setup.box([0.0, 0.0], [1.0, 1.0])
    net = setup.network(box, 1, width=50, depth=4, scaling="unit")

    def exact(x: Tensor) -> Tensor:
        return torch.cos(omega * x[:, :1]) * torch.sin(omega * x[:, 1:])

    def pde(x: Tensor) -> Tensor:
        _, laplacian = derivatives(net, x, "xx+yy")
        return laplacian + 2 * omega**2 * exact(x)

    grid = box.grid(100)
    return Problem(
        ABOUT,
        setup,
        net,
        {
            "pde": Term(pde, box.inside(interior), box.inside),
            "bc": Term(equals(net, exact), box.boundary(round(8 * math.sqrt(interior))), box.boundary),
        },
        solution=(grid, exact(grid)),
        schedule=adam(net),
        steps=setup.pick(reduced=2_000, full=30_000),
    )
