"""The one-dimensional Poisson problem of the paper on the neural tangent kernel, trained by plain gradient descent.

    u'' = q on [0, 1],  u = sin(a pi x),  zero at both ends

Wang, Yu, Perdikaris 2022 (J. Comput. Phys. 449, 110768, section 7.1, and their code): one hidden layer of 100 with
weights from N(0, 1 / inputs) and biases from N(0, 1), 100 equidistant points and both ends; gradient descent 1e-5.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pinndiag.nn import derivatives
from pinndiag.problems._problem import About, Problem, Term, descent, equals
from pinndiag.problems._setup import Setup

ABOUT = About(
    "poisson_ntk",
    "Poisson, u'' = q on [0, 1], u = sin(a pi x), Dirichlet, gradient descent",
    "Wang, Yu, Perdikaris 2022, J. Comput. Phys. 449, 110768, section 7.1",
)


def make(setup: Setup, *, a: float = 4.0) -> Problem:
    """The problem of frequency a pi. Reduced: 10 000 of 40 000 steps.

    Error without balancing (benchmarks/problems.py, seed 0): 2.1e-1.
    """
    box = setup.box([0.0], [1.0])
    net = setup.network(box, 1, width=100, depth=1)
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            nn.init.normal_(layer.bias)

    def exact(x: Tensor) -> Tensor:
        return torch.sin(a * math.pi * x)

    def pde(x: Tensor) -> Tensor:
        _, second = derivatives(net, x, "xx")
        return second + (a * math.pi) ** 2 * exact(x)

    grid = box.grid(1000)
    return Problem(
        ABOUT,
        setup,
        net,
        {"pde": Term(pde, box.grid(100), box.inside), "bc": Term(equals(net, exact), box.grid(2), box.boundary)},
        solution=(grid, exact(grid)),
        schedule=descent(net, lr=1e-5),
        steps=setup.pick(reduced=10_000, full=40_000),
    )
