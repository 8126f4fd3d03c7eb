"""Agreement of neighbouring residuals: against a dense search, and of smooth residuals and noise."""

from __future__ import annotations

import math

import pytest
import torch

from pinndiag.analyzers import pointwise
from pinndiag.analyzers._neighbours import agreement
from tests.cases import CASES, uniform


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_against_a_dense_search(dimensions: int) -> None:
    points, residual = uniform(150, dimensions), torch.randn(150, 2, dtype=torch.float64)
    scaled = (points - points.amin(0)) / (points.amax(0) - points.amin(0))
    distances = torch.cdist(scaled, scaled).fill_diagonal_(math.inf)
    expected = (residual * residual[distances.argmin(1)]).sum() / residual.square().sum()
    assert agreement(points, residual) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("count", [400, 5000])
def test_smooth_residuals_agree_and_noise_does_not(count: int) -> None:
    x = uniform(count, 2)
    smooth, noise = torch.sin(4 * x.sum(1, keepdim=True)), torch.randn(count, 1, dtype=torch.float64)
    for residual, low, high in ((smooth, 0.9, 1.0), (noise, -0.3, 0.3), (smooth + 3 * noise, -0.2, 0.45)):
        found = agreement(x, residual)
        assert found is not None
        assert low <= found <= high
    turned = agreement(x, smooth * torch.exp(torch.tensor(0.7j)))
    assert turned == pytest.approx(agreement(x, smooth))  # a phase changes nothing


def test_units_do_not_matter() -> None:
    x, residual = uniform(80, 2), torch.randn(80, 1, dtype=torch.float64)
    scaled = x * torch.tensor([1e6, 1e-3]) + torch.tensor([5.0, -2.0])
    assert agreement(scaled, 1e-8 * residual) == pytest.approx(agreement(x, residual))


def test_points_at_one_place_are_neighbours() -> None:
    x = torch.linspace(0, 1, 40, dtype=torch.float64)[:, None].repeat(2, 1)
    residual = torch.randn(40, 1, dtype=torch.float64)
    assert agreement(x, torch.cat([residual, residual])) == pytest.approx(1.0)
    assert agreement(x, torch.cat([residual, -residual])) == pytest.approx(-1.0)


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_where_it_has_no_meaning_there_is_none(value: float) -> None:
    assert agreement(uniform(50), torch.full((50, 1), value, dtype=torch.float64)) is None
    assert agreement(uniform(29), torch.ones(29, 1, dtype=torch.float64)) is None
    assert agreement(torch.ones(50, 2), torch.ones(50, 1, dtype=torch.float64)) is None
    assert (
        agreement(torch.full((50, 2), value).index_fill(0, torch.tensor([0]), 1.0), torch.ones(50, 1)) is None
        or not value
    )


def test_it_is_part_of_the_record() -> None:
    pinn = CASES["poisson"]()
    points, residual = pinn.infos["pde"].points, pinn.outputs(["pde"])["pde"]
    assert points is not None
    assert pointwise(pinn)["pde"].agreement == agreement(points.coordinates, residual.reshape(points.count, -1))
