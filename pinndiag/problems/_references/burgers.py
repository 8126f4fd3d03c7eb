"""Burgers' equation through the Cole-Hopf transformation."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import roots_hermite

__all__ = ["burgers"]

NODES = 100  # Gauss-Hermite nodes: converged to 1e-14 at the viscosity 0.01 / pi, 50 to 2e-7 (tests)


def burgers(
    t: Float[np.ndarray, " points"], x: Float[np.ndarray, " points"], viscosity: float, *, nodes: int = NODES
) -> Float[np.ndarray, " points"]:
    """The solution of u_t + u u_x = nu u_xx with u(0, x) = -sin(pi x) and u(t, -1) = u(t, 1) = 0.

    The transformation makes it a ratio of two convolutions with the heat kernel, whose integrals over the line are
    Gauss-Hermite sums with x - sqrt(4 nu t) z at the nodes z (Basdevant et al. 1986, Comput. Fluids 14, 23, eq. 8):

        u = - int sin(pi y) f(y) k(x - y) dy / int f(y) k(x - y) dy,  f(y) = exp(-cos(pi y) / (2 pi nu)).

    Cost: `nodes` evaluations a point.

    >>> float(burgers(np.array([0.0]), np.array([-0.5]), 0.01)[0])
    1.0
    """
    z, weights = roots_hermite(nodes)
    y = x[:, None] - np.sqrt(4 * viscosity * t)[:, None] * z
    exponent = -np.cos(np.pi * y) / (2 * np.pi * viscosity)
    density = weights * np.exp(exponent - exponent.max(axis=1, keepdims=True))  # f spans e^100 at this viscosity
    ratio: np.ndarray = -(density * np.sin(np.pi * y)).sum(axis=1) / density.sum(axis=1)
    return ratio
