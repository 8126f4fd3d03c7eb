"""A lid-driven cavity in two formulations, of which the source reports that one fails whatever the weights.

    u u_x + v u_y + p_x = (u_xx + u_yy) / Re,  u v_x + v v_y + p_y = (v_xx + v_yy) / Re,  u_x + v_y = 0 on [0, 1]^2

with u = 1, v = 0 on the lid y = 1 and rest on the other walls, Re = 100. The network gives (u, v, p), or (psi, p) with
u = psi_y, v = -psi_x, which is free of divergence. Wang, Teng, Perdikaris 2021 (SIAM J. Sci. Comput. 43, A3055, section
4.3, and their code): 128 points inside and on each wall, drawn anew at each step; walls and equations summed; Adam
1e-3, times 0.9 in 1000 steps. They give the error of the speed (7.53e-1 and 3.42e-2 for
the modified MLP with balanced weights); here it is that of both components.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from pinndiag.nn import derivatives
from pinndiag.problems._box import Box
from pinndiag.problems._problem import About, Problem, Term, adam, equals
from pinndiag.problems._references.cavity import extrapolated
from pinndiag.problems._setup import Setup

ABOUT = About(
    "cavity",
    "Lid-driven cavity, steady Navier-Stokes on [0, 1]^2, Re = 100, as velocity and pressure or stream function",
    "Wang, Teng, Perdikaris 2021, SIAM J. Sci. Comput. 43, A3055, section 4.3",
)

CELLS = 64  # of the reference


def make(setup: Setup, *, formulation: Literal["velocity", "stream"] = "velocity", reynolds: float = 100.0) -> Problem:
    """The problem. Reduced: 3 x 50 instead of 5 x 50, 5 000 of 40 000 steps.

    Error without balancing (benchmarks/problems.py, seed 0): 6.3e-1 in both formulations.
    """
    box = setup.box([0.0, 0.0], [1.0, 1.0])
    depth = setup.pick(reduced=3, full=5)
    net = setup.network(box, 3 if formulation == "velocity" else 2, width=50, depth=depth)
    model = VelocityNetwork(net) if formulation == "velocity" else StreamNetwork(net)

    def walls(x: Tensor) -> Tensor:
        lid = (x[:, 1:] >= 1).to(x.dtype)
        return torch.cat([lid, torch.zeros_like(lid)], dim=1)

    return Problem(
        ABOUT,
        setup,
        model,
        {
            "pde": Term(
                lambda x: model.residual(x, reynolds),
                box.inside(128),
                box.inside,
                weight=3.0 if formulation == "velocity" else 2.0,
                resampled=True,
            ),
            "bc": Term(equals(model, walls), box.boundary(512), box.boundary, weight=4.0, resampled=True),
        },
        solution=_solution(box, reynolds),
        schedule=adam(model, decay=0.9),
        steps=setup.pick(reduced=5_000, full=40_000),
    )


class VelocityNetwork(nn.Module):
    """(u, v) of a network that gives (u, v, p)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Float[Tensor, "points 2"]) -> Float[Tensor, "points 2"]:
        """The velocity."""
        fields: Tensor = self.net(x)
        return fields[:, :2]

    def residual(self, x: Float[Tensor, "points 2"], reynolds: float) -> Float[Tensor, "points 3"]:
        """Both momentum equations, and continuity."""
        fields, along_x, along_y, laplacian = derivatives(self.net, x, "x", "y", "xx+yy")
        u, v = fields[:, :1], fields[:, 1:2]
        pressure = torch.cat([along_x[:, 2:], along_y[:, 2:]], dim=1)
        momentum = u * along_x[:, :2] + v * along_y[:, :2] + pressure - laplacian[:, :2] / reynolds
        return torch.cat([momentum, along_x[:, :1] + along_y[:, 1:2]], dim=1)


class StreamNetwork(nn.Module):
    """(u, v) = (psi_y, -psi_x) of a network that gives (psi, p)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Float[Tensor, "points 2"]) -> Float[Tensor, "points 2"]:
        """The velocity."""
        _, along_x, along_y = derivatives(self.net, x, "x", "y")
        return torch.cat([along_y[:, :1], -along_x[:, :1]], dim=1)

    def residual(self, x: Float[Tensor, "points 2"], reynolds: float) -> Float[Tensor, "points 2"]:
        """Both momentum equations; continuity holds by itself."""
        operators = ("x", "y", "xx", "xy", "yy", "xxx+xyy", "xxy+yyy")
        _, along_x, along_y, *higher = derivatives(self.net, x, *operators)
        xx, xy, yy, laplacian_x, laplacian_y = (d[:, :1] for d in higher)
        u, v = along_y[:, :1], -along_x[:, :1]
        first = u * xy + v * yy + along_x[:, 1:] - laplacian_y / reynolds
        second = -u * xx - v * xy + along_y[:, 1:] + laplacian_x / reynolds
        return torch.cat([first, second], dim=1)


def _solution(box: Box, reynolds: float) -> tuple[Tensor, Tensor]:
    """The reference at all nodes but the two corners at the lid, where the velocity jumps."""
    velocity = np.stack(extrapolated(reynolds, CELLS), axis=-1).reshape(-1, 2)
    points = box.grid(CELLS + 1)
    corner = (points[:, 1] >= 1) & ((points[:, 0] <= 0) | (points[:, 0] >= 1))
    return points[~corner], torch.from_numpy(velocity).to(points)[~corner]
