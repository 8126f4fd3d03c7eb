"""Reference solutions: convergence under refinement, residuals, conditions, published values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pinndiag import PinndiagError
from pinndiag.problems._references.allen_cahn import allen_cahn
from pinndiag.problems._references.burgers import burgers
from pinndiag.problems._references.cavity import cavity, extrapolated

VISCOSITY = 0.01 / math.pi


def test_burgers_converges_and_keeps_its_conditions() -> None:
    t, x = (z.ravel() for z in np.meshgrid(np.linspace(0, 1, 6), np.linspace(-1, 1, 201), indexing="ij"))
    u = burgers(t, x, VISCOSITY)
    assert np.abs(u - burgers(t, x, VISCOSITY, nodes=200)).max() < 1e-12
    assert np.abs(u - burgers(t, x, VISCOSITY, nodes=50)).max() > 1e-9  # so few are too few: the figure can fail
    np.testing.assert_allclose(u[t == 0], -np.sin(np.pi * x[t == 0]), atol=1e-14)
    np.testing.assert_allclose(u[np.abs(x) == 1], 0, atol=1e-12)
    grid = u.reshape(6, 201)
    np.testing.assert_allclose(grid, -grid[:, ::-1], atol=1e-12)  # odd in x


def test_burgers_solves_its_equation() -> None:
    """Central differences, away from the front that forms at x = 0."""
    h = 1e-4
    t, x = (z.ravel() for z in np.meshgrid([0.1, 0.5, 0.9], [-0.7, -0.3, 0.2, 0.6], indexing="ij"))
    u, before, after = (burgers(t + s, x, VISCOSITY) for s in (0, -h, h))
    left, right = (burgers(t, x + s, VISCOSITY) for s in (-h, h))
    slope, bend = (right - left) / (2 * h), (right - 2 * u + left) / h**2
    residual = (after - before) / (2 * h) + u * slope - VISCOSITY * bend
    assert np.abs(residual).max() < 1e-4


def test_burgers_slope_at_the_origin_is_the_published_one() -> None:
    """Basdevant et al. 1986, table 2: |u_x(0, t)| is largest at t = 1.6037 / pi, with 152.00516."""
    h, t = 1e-6, np.array([1.6037 / math.pi])
    slope = (burgers(t, np.array([h]), VISCOSITY) - burgers(t, np.array([-h]), VISCOSITY)) / (2 * h)
    assert slope[0] == pytest.approx(-152.00516, rel=1e-5)


def test_allen_cahn_converges() -> None:
    fine = allen_cahn(0.3, 4, modes=2048)[2]
    errors = [np.abs(allen_cahn(0.3, 4, modes=m)[2] - fine[:, :: 2048 // m])[1:].max() for m in (256, 512, 1024)]
    assert errors[0] > 1.5 * errors[1] > 1.5 * 1.5 * errors[2]
    assert errors[2] < 2e-4


def test_allen_cahn_keeps_its_conditions() -> None:
    t, x, u = allen_cahn(1.0, 3)
    assert t.tolist() == [0.0, 0.5, 1.0]
    np.testing.assert_allclose(u[0], x**2 * np.cos(np.pi * x), atol=1e-14)
    np.testing.assert_allclose(u[:, 1:], u[:, :0:-1], atol=1e-9)  # even, so that u and u_x match across the period
    assert np.abs(u).max() <= 1 + 1e-3  # the maximum principle, up to the wiggles at the kink


def test_allen_cahn_solves_its_equation() -> None:
    """Finite differences at nodes away from the kink."""
    t, x, u = allen_cahn(0.302, 303)
    k, h, step = 200, x[1] - x[0], t[1] - t[0]
    u_t = (u[k + 1] - u[k - 1]) / (2 * step)
    u_xx = (np.roll(u[k], 1) - 2 * u[k] + np.roll(u[k], -1)) / h**2
    residual = u_t - 1e-4 * u_xx - 5 * (u[k] - u[k] ** 3)
    assert np.abs(residual[np.abs(x) < 0.9]).max() < 1e-4


GHIA_U = {  # Ghia, Ghia, Shin 1982 (J. Comput. Phys. 48, 387), table I, Re = 100: u on x = 1/2, at these of 129 nodes
    8: -0.03717, 9: -0.04192, 10: -0.04775, 14: -0.06434, 23: -0.10150, 37: -0.15662, 59: -0.21090, 65: -0.20581,
    80: -0.13641, 95: 0.00332, 110: 0.23151, 123: 0.68717, 124: 0.73722, 125: 0.78871, 126: 0.84123,
}  # fmt: skip
GHIA_V = {  # table II: v on y = 1/2
    9: 0.09233, 10: 0.10091, 11: 0.10890, 13: 0.12317, 21: 0.16077, 30: 0.17507, 31: 0.17527, 65: 0.05454,
    104: -0.24533, 111: -0.22445, 117: -0.16914, 122: -0.10313, 123: -0.08864, 124: -0.07391, 125: -0.05906,
}  # fmt: skip


def test_cavity_agrees_with_ghia() -> None:
    """Their values have errors of up to 5e-3 themselves, next to Marchi's below."""
    u, v, _ = cavity(100.0, 128)
    assert max(abs(u[64, node - 1] - value) for node, value in GHIA_U.items()) < 5e-3
    assert max(abs(v[node - 1, 64] - value) for node, value in GHIA_V.items()) < 1.2e-2


def test_cavity_converges_with_second_order_to_the_published_extremes() -> None:
    """Marchi, Suero, Araki 2009 (J. Braz. Soc. Mech. Sci. Eng. 31, 186), 1024 x 1024 cells and extrapolation."""
    stream = [cavity(100.0, cells)[2].min() for cells in (32, 64, 128)]
    assert (stream[1] - stream[0]) / (stream[2] - stream[1]) == pytest.approx(4, rel=0.1)
    u, v = extrapolated(100.0, 64)
    middle = u.shape[0] // 2
    assert u[middle, middle] == pytest.approx(-0.209149, abs=1e-4)
    assert v[middle, middle] == pytest.approx(0.057536, abs=1e-4)


def test_cavity_is_free_of_divergence_and_keeps_its_walls() -> None:
    u, v, stream = cavity(100.0, 32)
    inner = (u[2:, 1:-1] - u[:-2, 1:-1] + v[1:-1, 2:] - v[1:-1, :-2])[1:-1, 1:-1]
    assert np.abs(inner).max() < 1e-12
    for wall in (np.s_[0, :-1], np.s_[-1, :-1], np.s_[:, 0]):
        assert not u[wall].any()
        assert not v[wall].any()
    assert (u[:, -1] == 1).all()
    assert stream.min() < -0.1


def test_cavity_at_rest_is_stokes_flow() -> None:
    """Without inertia the flow is symmetric: u even and v odd about x = 1/2."""
    u, v, _ = cavity(1e-9, 16)
    np.testing.assert_allclose(u, u[::-1], atol=1e-9)
    np.testing.assert_allclose(v, -v[::-1], atol=1e-9)


def test_cavity_says_when_it_does_not_converge() -> None:
    with pytest.raises(PinndiagError, match="did not converge"):
        cavity(1e5, 8)


def test_cole_hopf_is_differentiable_in_torch() -> None:
    """The same sums in torch satisfy the equation with exact derivatives, at the front too."""
    nodes, weights = (torch.from_numpy(z) for z in np.polynomial.hermite.hermgauss(100))

    def u(point: Tensor) -> Tensor:
        t, x = point
        y = x - torch.sqrt(4 * VISCOSITY * t) * nodes
        density = weights * torch.exp(-torch.cos(math.pi * y) / (2 * math.pi * VISCOSITY) - 50)
        return -(density * torch.sin(math.pi * y)).sum() / density.sum()

    points = torch.tensor([[0.2, 0.1], [0.5, 0.01], [0.9, -0.02], [0.7, 0.5]], dtype=torch.float64)
    value = torch.func.vmap(u)(points)
    np.testing.assert_allclose(value, burgers(*points.T.numpy(), VISCOSITY), atol=1e-12)
    slopes, bends = torch.func.vmap(torch.func.grad(u))(points), torch.func.vmap(torch.func.hessian(u))(points)
    residual = slopes[:, 0] + value * slopes[:, 1] - VISCOSITY * bends[:, 1, 1]
    assert float(residual.abs().max()) < 1e-8 * float(slopes.abs().max()) ** 2
