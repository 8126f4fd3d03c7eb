"""Direction schemes: what their papers promise of the direction, against brute force and against each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from pinndiag._engine import Evaluation
from pinndiag.schemes import DCGD, AbstractDirectionScheme, AlignedMTL, ConFIG, PCGrad, UPGrad
from tests.schemes.toys import network, terms

SIZES = [np.ones(2), np.array([1.0, 1e3]), np.ones(3), np.array([1e3, 1.0, 1e-2]), np.ones(5)]


def matrices() -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    found = [size[:, None] * rng.normal(size=(len(size), 7)) for size in SIZES]
    conflicting = [m - 1.2 * m[:1] * (m @ m[0])[:, None] / (m[0] @ m[0]) for m in found]  # against the first one
    return [*found, *[np.concatenate([m[:1], c[1:]]) for m, c in zip(found, conflicting, strict=True)]]


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


def direction(scheme: AbstractDirectionScheme, J: np.ndarray) -> np.ndarray:
    return scheme.coefficients(J @ J.T) @ J


def projected(J: np.ndarray, g: np.ndarray) -> np.ndarray:
    """g on the dual cone {d: J d >= 0}, by trying every set of active constraints."""
    best = None
    for size in range(len(J) + 1):
        for active in itertools.combinations(range(len(J)), size):
            A = J[list(active)]
            d = g - A.T @ np.linalg.lstsq(A @ A.T, A @ g, rcond=None)[0] if active else g
            slack = J @ d / np.linalg.norm(J, axis=1)
            if (slack >= -1e-9 * np.linalg.norm(g)).all() and (
                best is None or np.linalg.norm(d - g) < np.linalg.norm(best - g)
            ):
                best = d
    assert best is not None
    return best


@pytest.mark.parametrize("J", matrices())
def test_upgrad_is_the_mean_of_the_projections(J: np.ndarray) -> None:
    wanted = np.mean([projected(J, g) for g in J], axis=0)
    np.testing.assert_allclose(direction(UPGrad(), J), wanted, rtol=1e-7, atol=1e-9 * np.abs(J).max())


@pytest.mark.parametrize("J", matrices())
def test_upgrad_regularised_as_in_torchjd(J: np.ndarray) -> None:
    G = J @ J.T
    root = np.linalg.cholesky(G / np.trace(G) + 1e-4 * np.eye(len(J)))
    wanted = np.mean([np.linalg.solve(root.T, projected(root, row)) for row in root], axis=0)
    np.testing.assert_allclose(UPGrad(preset="torchjd").coefficients(G), wanted, rtol=1e-7)


@pytest.mark.parametrize("J", matrices())
def test_upgrad_lies_in_the_dual_cone(J: np.ndarray) -> None:
    d = direction(UPGrad(), J)
    assert ((J @ d) >= -1e-9 * np.linalg.norm(J, axis=1) * np.linalg.norm(d)).all()


@pytest.mark.parametrize("J", matrices())
def test_config_has_equal_cosines_and_the_length_of_the_projections(J: np.ndarray) -> None:
    d = direction(ConFIG(eps_rel=0.0), J)
    cosines = J @ unit(d) / np.linalg.norm(J, axis=1)
    np.testing.assert_allclose(cosines, cosines[0], rtol=1e-6)
    assert cosines[0] > 0
    np.testing.assert_allclose(np.linalg.norm(d), (J @ unit(d)).sum(), rtol=1e-6)


@pytest.mark.parametrize("J", [m for m in matrices() if len(m) == 2])
def test_for_two_terms_config_and_dcgd_point_along_the_bisector(J: np.ndarray) -> None:
    bisector = unit(unit(J[0]) + unit(J[1]))
    config, centre = direction(ConFIG(), J), direction(DCGD(), J)
    np.testing.assert_allclose(unit(config), bisector, atol=1e-9)
    np.testing.assert_allclose(centre, ((J[0] + J[1]) @ bisector) * bisector, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("variant", ["centre", "projection", "average"])
@pytest.mark.parametrize("J", matrices())
def test_dcgd_lies_in_the_dual_cone_of_the_two(variant: str, J: np.ndarray) -> None:
    d = direction(DCGD(variant=variant), J)
    for g in (J[0], J[1:].sum(axis=0)):
        assert g @ d >= -1e-9 * np.linalg.norm(g) * np.linalg.norm(d)


@pytest.mark.parametrize("J", matrices())
def test_dcgd_projection_is_the_projection(J: np.ndarray) -> None:
    both = np.stack([J[0], J[1:].sum(axis=0)])
    wanted = projected(both, both.sum(axis=0))
    np.testing.assert_allclose(direction(DCGD(variant="projection"), J), wanted, rtol=1e-7, atol=1e-9 * np.abs(J).max())


def test_dcgd_average_by_hand() -> None:
    J = np.array([[1.0, 0.0], [-3.0, 1.0]])  # g = (-2, 1) conflicts with the first
    wanted = ((J[0] + 0.3 * J[1]) + (J[1] + 3 * J[0])) / 2
    np.testing.assert_allclose(direction(DCGD(variant="average"), J), wanted)


@pytest.mark.parametrize("order", ["random", "fixed"])
def test_pcgrad_without_conflict_is_the_sum(order: str) -> None:
    J = np.abs(np.random.default_rng(0).normal(size=(4, 6)))
    np.testing.assert_allclose(PCGrad(order=order).coefficients(J @ J.T), 1.0)


@pytest.mark.parametrize("J", matrices())
def test_pcgrad_as_printed(J: np.ndarray) -> None:
    total = np.zeros(J.shape[1])
    for i in range(len(J)):
        g = J[i].copy()
        for j in range(len(J)):
            if j != i and g @ J[j] < 0:
                g -= (g @ J[j]) / (J[j] @ J[j]) * J[j]
        total += g
    found = direction(PCGrad(order="fixed"), J)
    np.testing.assert_allclose(found, total, rtol=1e-7, atol=1e-9 * np.abs(J).max())
    if len(J) == 2:
        np.testing.assert_allclose(direction(PCGrad(), J), total, rtol=1e-7, atol=1e-9 * np.abs(J).max())


@pytest.mark.parametrize("J", [m for m in matrices() if np.linalg.cond(m @ m.T) < 1e8])
@pytest.mark.parametrize("scale", ["min", "median", "rmse"])
def test_aligned_gradients_are_orthogonal_and_equally_long(J: np.ndarray, scale: str) -> None:
    u, s, vt = np.linalg.svd(J, full_matrices=False)  # J = U S V^T: the nearest orthogonal rows are U V^T
    length = {"min": s.min(), "median": np.sqrt(np.median(s**2)), "rmse": np.sqrt(np.mean(s**2))}[scale]
    wanted = length * (u @ vt).mean(axis=0)
    np.testing.assert_allclose(direction(AlignedMTL(scale=scale, eps_rel=0.0), J), wanted, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("scheme", [ConFIG(), DCGD(), DCGD(variant="projection"), UPGrad()], ids=str)
def test_opposite_gradients_leave_no_step(scheme: AbstractDirectionScheme) -> None:
    J = np.array([[1.0, 2.0], [-2.0, -4.0]])
    np.testing.assert_allclose(direction(scheme, J), 0.0, atol=1e-7)


@pytest.mark.parametrize("scheme", [PCGrad(), ConFIG(), DCGD(), AlignedMTL(), UPGrad()], ids=str)
def test_one_term_alone_is_followed(scheme: AbstractDirectionScheme) -> None:
    J = np.array([[3.0, 4.0]])
    np.testing.assert_allclose(direction(scheme, J), J[0])


def test_the_coefficients_reach_the_gradient_and_the_loss_is_the_plain_sum() -> None:
    net, scheme = network(), ConFIG()
    outputs = terms(net)
    rows = Evaluation(terms(net), list(net.parameters())).gradients
    loss = scheme(outputs)
    loss.backward()
    torch.testing.assert_close(loss, sum(o.square().mean() for o in outputs.values()))
    step = torch.cat([p.grad.reshape(-1) for p in net.parameters()])
    wanted = direction(ConFIG(), rows.numpy())
    np.testing.assert_allclose(step.numpy(), wanted, rtol=1e-8, atol=1e-10)
