"""The Allen-Cahn equation, on which the initial condition is lost without a weight.

    u_t = 1e-4 u_xx + 5 (u - u^3) for x in [-1, 1],  u(0, x) = x^2 cos(pi x),  u and u_x periodic

Deguchi, Asai 2023 (J. Phys. Commun. 7, 075005, section 4.3), after Wight, Zhao 2021 (Commun. Comput. Phys. 29, 930): 4
hidden layers of 128, inputs in [-1, 1], 20 000 points of which 4096 make a step, 512 at the start, 200 times on the
sides; Adam 1e-3.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pinndiag.nn import derivatives
from pinndiag.problems._box import Box
from pinndiag.problems._problem import About, Problem, Term, adam, equals
from pinndiag.problems._references.allen_cahn import allen_cahn
from pinndiag.problems._setup import Setup

ABOUT = About(
    "allen_cahn",
    "Allen-Cahn, u_t = 1e-4 u_xx + 5 (u - u^3) for x in [-1, 1], u(0, x) = x^2 cos(pi x), periodic",
    "Deguchi, Asai 2023, J. Phys. Commun. 7, 075005, section 4.3",
)


def make(setup: Setup) -> Problem:
    """The problem; points are (t, x). Reduced: t to 0.3, 4 x 64, 1024 + 128 + 100 points, 4 000 of 250 000 steps.

    Error without balancing (benchmarks/problems.py, seed 0): 1.2e-1.
    """
    box = setup.box([0.0, -1.0], [setup.pick(reduced=0.3, full=1.0), 1.0])
    net = setup.network(box, 1, width=setup.pick(reduced=64, full=128), depth=4, scaling="unit")
    start, left = box.faces([(0, 0)]), box.faces([(1, 0)])

    def pde(x: Tensor) -> Tensor:
        u, u_t, u_xx = derivatives(net, x, "t", "xx", axes="tx")
        return u_t - 1e-4 * u_xx - 5 * (u - u**3)

    def start_value(x: Tensor) -> Tensor:
        return x[:, 1:] ** 2 * torch.cos(math.pi * x[:, 1:])

    def bc(x: Tensor) -> Tensor:
        """The differences of u and of u_x between x = -1 and x = 1."""
        u, u_x = derivatives(net, x, "x", axes="tx")
        across, across_x = derivatives(net, torch.cat([x[:, :1], -x[:, 1:]], dim=1), "x", axes="tx")
        return torch.cat([u - across, u_x - across_x], dim=1)

    return Problem(
        ABOUT,
        setup,
        net,
        {
            "pde": Term(
                pde,
                box.inside(setup.pick(reduced=1_024, full=20_000)),
                box.inside,
                part=setup.pick(reduced=None, full=4_096),
            ),
            "ic": Term(equals(net, start_value), start(setup.pick(reduced=128, full=512)), start),
            "bc": Term(bc, left(setup.pick(reduced=100, full=200)), left),
        },
        solution=_solution(box),
        schedule=adam(net),
        steps=setup.pick(reduced=4_000, full=250_000),
    )


def _solution(box: Box) -> tuple[Tensor, Tensor]:
    """The reference at 51 times and every eighth of its nodes."""
    t, x, u = allen_cahn(box.high[0], 51)
    points = np.stack(np.meshgrid(t, x[::8], indexing="ij"), axis=-1).reshape(-1, 2)
    return torch.from_numpy(points).to(box.like), torch.from_numpy(u[:, ::8].reshape(-1, 1)).to(box.like)
