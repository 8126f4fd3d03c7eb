"""Noise of mini-batches: against a sampler whose mean and variance are known, and with the descent on large sets."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN, PinndiagError
from pinndiag.analyzers import noise
from tests.cases import CASES, mlp, uniform


def line(batch: int, slope: float = 2.0, noisy: float = 1.0) -> PINN:
    """r = w x with x of mean 1 and variance s^2; dL/dw = 2 w mean x^2."""
    w = nn.Parameter(torch.tensor([slope], dtype=torch.float64))

    def draw(count: int) -> Tensor:
        return 1 + noisy * torch.randn(count, 1, dtype=torch.float64)

    return pinndiag.wrap(
        lambda p, x: p["w"] * x,
        {"data": lambda x: w * x},
        parameters={"w": w},
        points={"data": draw(batch)},
        sampler={"data": draw},
    )


@pytest.mark.parametrize("batch", [50, 800])
def test_against_the_moments_of_the_sampler(batch: int) -> None:
    # x^2 of x = 1 + n has mean 2 and variance 6: the mean of a batch has |mean| / std = 2 / sqrt(6 / batch)
    found = [noise(line(batch), seed=100 * seed).ratio for seed in range(8)]
    assert sum(found) / len(found) == pytest.approx(2 / math.sqrt(6 / batch), rel=0.15)
    one = noise(line(batch))
    assert (one.batches, one.points, set(one.terms)) == (16, {"data": batch}, {"data"})
    assert one.terms["data"] == pytest.approx(one.ratio)


def test_batches_without_variance_have_no_noise() -> None:
    found = noise(line(10, noisy=0.0))
    assert found.ratio > 1e6
    assert found.factor is None


def test_terms_whose_points_stay_have_none() -> None:
    model = mlp()
    x, xb = uniform(8), uniform(3, seed=4)
    pinn = pinndiag.wrap(
        model,
        {"pde": lambda x: model(x) - torch.sin(9 * x), "bc": lambda x: model(x)},
        points={"pde": x, "bc": xb},
        sampler={"pde": lambda n: torch.rand(n, 1, dtype=torch.float64)},
    )
    found = noise(pinn)
    assert found.terms["bc"] > 1e6
    assert found.terms["pde"] < 100
    assert found.points == {"pde": 8}


def test_where_noise_is_loud_a_large_fixed_set_is_descended_on_and_judged_on_another() -> None:
    torch.manual_seed(0)
    model = mlp(width=10)
    with torch.no_grad():
        model[-1].bias.zero_(), model[-1].weight.mul_(0.01)
    pinn = pinndiag.wrap(
        model,
        {"data": lambda x: model(x) - torch.sin(2 * torch.pi * x)},
        points={"data": uniform(2)},
        sampler={"data": lambda n: torch.rand(n, 1, dtype=torch.float64)},
    )
    before = [p.detach().clone() for p in pinn.tensors]
    found = noise(pinn)
    assert found.ratio < 2
    assert found.factor is not None
    assert found.factor > 30  # a smooth target, which 2048 points determine
    assert all(torch.equal(a, b) for a, b in zip(before, pinn.tensors, strict=True))
    assert noise(pinn) == found


def test_terms_that_draw_by_themselves() -> None:
    model = mlp()

    def residual() -> Tensor:
        x = torch.rand(4, 1, dtype=torch.float64)
        return model(x) - torch.sin(9 * x)

    found = noise(pinndiag.wrap(model, {"data": residual}))
    assert found.ratio < 1e3
    assert found.factor is None  # no large set of points can be drawn for it


def test_in_a_file_the_stored_fresh_points_are_shared_out(tmp_path: Path) -> None:
    pinn = line(100)
    loaded = pinndiag.load(pinn.save(tmp_path / "line.pt"))
    found = noise(loaded)
    assert found.batches == 16
    assert found.ratio == pytest.approx(2 / math.sqrt(6 / 100), rel=0.5)
    with pytest.raises(PinndiagError, match="too few fresh points"):
        noise(pinndiag.load(line(2000).save(tmp_path / "long.pt")))


def test_without_anything_drawn_there_is_none() -> None:
    with pytest.raises(PinndiagError, match="no term draws new points"):
        noise(CASES["linear"]())
