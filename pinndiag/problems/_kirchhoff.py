"""A Kirchhoff plate, simply supported, under a sinusoidal load: three terms of three different units.

    lap lap u = p / D on [0, a]^2,  p = p0 sin(pi x / a) sin(pi y / a),  u = 0 and no bending moment on the edges

With a = 10 m, D = 20.83 MN m (a Poisson ratio of 0.2) and p0 = 0.015 MN/m^2 the plate bends by 18.5 mm, so that the
residual of the equation is tiny in these units. Bischof, Kraus 2021 (arXiv:2110.09813): 4 hidden layers of 360, 1024
points a step, two thirds of them inside, drawn anew; at most 1e5 steps of Adam 1e-3. Their learning rate falls on
plateaus; here it is constant.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from pinndiag.nn import derivatives
from pinndiag.problems._problem import About, Problem, Term, adam
from pinndiag.problems._setup import Setup

ABOUT = About(
    "kirchhoff",
    "Kirchhoff plate, lap lap u = p / D on [0, a]^2, simply supported, sinusoidal load",
    "Bischof, Kraus 2021, arXiv:2110.09813",
)

SIDE, RIGIDITY, LOAD, POISSON_RATIO = 10.0, 20.83, 0.015, 0.2


def make(setup: Setup, *, units: Literal["physical", "scaled"] = "physical") -> Problem:
    """The plate in metres and meganewtons, or with the side, the deflection and the rigidity as units.

    Reduced: 2 x 32 instead of 4 x 360, 512 points, 5 000 of 100 000 steps.

    Error without balancing (benchmarks/problems.py, seed 0): 8.9e-1 in physical units, 1.2 in scaled ones.
    """
    side, rigidity = (SIDE, RIGIDITY) if units == "physical" else (1.0, 1.0)
    load = LOAD if units == "physical" else 4 * math.pi**4  # then u = sin(pi x) sin(pi y)
    box = setup.box([0.0, 0.0], [side, side])
    net = setup.network(
        box,
        1,
        width=setup.pick(reduced=32, full=360),
        depth=setup.pick(reduced=2, full=4),
        scaling="none" if units == "physical" else "unit",
    )

    def shape(x: Tensor) -> Tensor:
        return torch.sin(math.pi / side * x[:, :1]) * torch.sin(math.pi / side * x[:, 1:])

    def pde(x: Tensor) -> Tensor:
        _, bilaplacian = derivatives(net, x, "xxxx+2xxyy+yyyy")
        return bilaplacian - load / rigidity * shape(x)

    def moment(x: Tensor) -> Tensor:
        """The bending moment across an edge: about y where x is 0 or a, about x elsewhere."""
        _, u_xx, u_yy = derivatives(net, x, "xx", "yy")
        upright = (x[:, :1] <= 0) | (x[:, :1] >= side)
        across, along = torch.where(upright, u_xx, u_yy), torch.where(upright, u_yy, u_xx)
        return -rigidity * (across + POISSON_RATIO * along)

    inside = setup.pick(reduced=341, full=683)
    edge = setup.pick(reduced=171, full=341)
    grid = box.grid(64)
    amplitude = load * side**4 / (4 * math.pi**4 * rigidity)
    return Problem(
        ABOUT,
        setup,
        net,
        {
            "pde": Term(pde, box.inside(inside), box.inside, resampled=True),
            "deflection": Term(net, box.boundary(edge), box.boundary, resampled=True),
            "moment": Term(moment, box.boundary(edge), box.boundary, resampled=True),
        },
        solution=(grid, amplitude * shape(grid)),
        schedule=adam(net),
        steps=setup.pick(reduced=5_000, full=100_000),
    )
