"""Steady flow in a lid-driven cavity by finite differences."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float
from scipy.sparse.linalg import splu

from pinndiag._errors import PinndiagError

__all__ = ["cavity", "extrapolated"]

Nodes = Float[np.ndarray, "x y"]

STEPS = 20  # of Newton; 6 are needed at Re = 100


@lru_cache(maxsize=4)
def cavity(reynolds: float, cells: int) -> tuple[Nodes, Nodes, Nodes]:
    """Velocity (u, v) and stream function at the (cells + 1)^2 nodes of [0, 1]^2; the lid y = 1 moves with u = 1.

    The stream function form of the steady Navier-Stokes equations, u = psi_y, v = -psi_x, omega = -lap psi:

        lap omega / Re = u omega_x + v omega_y,

    with central differences and Thom's vorticity at the walls (omega = -2 psi_1 / h^2, at the lid - 2 / h more). Of
    second order in h = 1 / cells away from the two corners at the lid, where the velocity jumps. Newton's method from
    rest.

    Args:
        reynolds: Re.
        cells: cells along each side.

    Returns:
        u, v, psi of shape (cells + 1, cells + 1), x along the first dimension.

    Raises:
        PinndiagError: Newton's method does not converge (Re beyond some hundreds).

    Cost: one sparse factorisation a step, 3 s in all for 128 cells; kept in memory.
    """
    n, h = cells, 1 / cells
    inner = sp.eye(n + 1, format="csr")[1:-1]  # drops the walls of one direction
    first = sp.diags([-1.0, 1.0], [-1, 1], shape=(n + 1, n + 1)) / (2 * h)
    second = sp.diags([1.0, -2.0, 1.0], [-1, 0, 1], shape=(n + 1, n + 1)) / h**2
    # from all nodes to inner ones, and from inner ones (zero at the walls) to inner ones
    d_x, d_y = sp.kron(inner @ first, inner, "csr"), sp.kron(inner, inner @ first, "csr")
    laplacian = sp.kron(inner @ second, inner, "csr") + sp.kron(inner, inner @ second, "csr")
    extend = sp.kron(inner.T, inner.T, "csr")
    # omega at all nodes from psi at the inner ones: -lap psi inside, Thom's formula at the walls
    walls = sp.csr_matrix(([-2 / h**2] * 2, ([0, n], [1, n - 1])), shape=(n + 1, n + 1))
    inside = inner.T @ inner
    vorticity = -extend @ laplacian @ extend + (sp.kron(walls, inside) + sp.kron(inside, walls)) @ extend
    lid = np.zeros((n + 1, n + 1))
    lid[1:-1, -1] = -2 / h
    psi = np.zeros((n - 1) ** 2)
    for _ in range(STEPS):
        omega = vorticity @ psi + lid.ravel()
        u, v = d_y @ extend @ psi, -(d_x @ extend @ psi)
        omega_x, omega_y = d_x @ omega, d_y @ omega
        residual = laplacian @ omega / reynolds - u * omega_x - v * omega_y
        jacobian = (
            (laplacian / reynolds - sp.diags(u) @ d_x - sp.diags(v) @ d_y) @ vorticity
            - sp.diags(omega_x) @ d_y @ extend
            + sp.diags(omega_y) @ d_x @ extend
        )
        step = splu(sp.csc_matrix(jacobian)).solve(residual)
        psi = psi - step
        if np.abs(step).max() < 1e-12:
            return _velocity(psi, d_x @ extend, d_y @ extend, n)
    raise PinndiagError(
        "the reference solution of the cavity did not converge",
        where=f"Re = {reynolds:g}, {cells} cells, {STEPS} Newton steps from rest",
        cause="the flow is too far from rest, or the grid is too coarse for it",
        fix="ask for a smaller Reynolds number or more cells",
    )


def extrapolated(reynolds: float, cells: int) -> tuple[Nodes, Nodes]:
    """Velocity (u, v) at the nodes of `cells`, by Richardson's extrapolation from these and twice as many.

    At Re = 100, 64 cells give the velocity at the centre of Marchi, Suero, Araki 2009 (J. Braz. Soc. Mech. Sci. Eng.
    31, 186) to 1e-4 (tests).
    """
    coarse, fine = cavity(reynolds, cells), cavity(reynolds, 2 * cells)
    u, v = ((4 * f[::2, ::2] - c) / 3 for c, f in zip(coarse[:2], fine[:2], strict=True))
    return u, v


def _velocity(psi: np.ndarray, d_x: sp.csr_matrix, d_y: sp.csr_matrix, n: int) -> tuple[Nodes, Nodes, Nodes]:
    u, v, stream = (np.zeros((n + 1, n + 1)) for _ in range(3))
    inside = (slice(1, -1), slice(1, -1))
    for field, values in ((u, d_y @ psi), (v, -(d_x @ psi)), (stream, psi)):
        field[inside] = values.reshape(n - 1, n - 1)
    u[:, -1] = 1.0
    return u, v, stream
