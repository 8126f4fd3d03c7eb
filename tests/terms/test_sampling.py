"""Fresh points: what is drawn from which sets, and when the draw is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest
from torch import Tensor

from pinndiag import PinndiagError
from pinndiag._terms._sampling import box_sampler


def random(count: int, dimensions: int, seed: int = 0) -> Tensor:
    return torch.rand(count, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def grid(*sides: int) -> Tensor:
    axes = [torch.linspace(0, 1, n, dtype=torch.float64) for n in sides]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(sides))


def circle(count: int, *, regular: bool = True) -> Tensor:
    turn = torch.arange(count, dtype=torch.float64) / count if regular else random(count, 1)[:, 0]
    return torch.stack([torch.cos(2 * math.pi * turn), torch.sin(2 * math.pi * turn)], 1)


@pytest.mark.parametrize("dimensions", range(1, 7))
def test_box_is_filled_uniformly(dimensions: int) -> None:
    points = 3 * random(400, dimensions) - 1
    draw = box_sampler(points, 2000, seed=1)
    assert draw.coordinates.shape == (2000, dimensions)
    for j in range(dimensions):
        low, high = float(points[:, j].min()), float(points[:, j].max())
        assert kstest(draw.coordinates[:, j].numpy(), "uniform", (low, high - low)).pvalue > 1e-3
    assert draw.how.startswith("uniform in the box [-")
    assert draw.how.endswith("of the stored points")


def test_how_names_the_box() -> None:
    corners = torch.tensor([[0.0, 0.0], [1.0, 2.0], [0.5, 1.0]])
    assert box_sampler(corners, 5, 0).how == "uniform in the box [0, 1] x [0, 2] of the stored points"


def test_seeds() -> None:
    points = random(50, 2)
    torch.manual_seed(5)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, again, other = (box_sampler(points, 20, seed).coordinates for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()


def test_constant_coordinates_stay() -> None:
    points = torch.cat([random(60, 1), torch.full((60, 1), 0.3, dtype=torch.float64), random(60, 1, 5)], 1)
    draw = box_sampler(points, 100, 0)
    assert (draw.coordinates[:, 1] == 0.3).all()
    assert "x {0.3} x" in draw.how
    assert draw.coordinates[:, 0].std() > 0.2


def test_two_ends_of_an_interval() -> None:
    draw = box_sampler(torch.tensor([[0.0], [1.0]]), 400, 0)
    assert set(draw.coordinates[:, 0].tolist()) == {0.0, 1.0}
    assert draw.how == "on the 2 ends of the box [0, 1] of the stored points"


def test_ends_keep_their_shares() -> None:
    points = torch.tensor([[0.0]] * 30 + [[1.0]] * 10)
    assert float((box_sampler(points, 2000, 0).coordinates == 0).double().mean()) == pytest.approx(0.75, abs=0.04)


@pytest.mark.parametrize("corners", [False, True])
def test_sides_of_a_square(corners: bool) -> None:
    s = torch.linspace(0, 1, 21, dtype=torch.float64)[:, None] if corners else random(20, 1)
    zero, one = torch.zeros_like(s), torch.ones_like(s)
    points = torch.cat([torch.cat(pair, 1) for pair in ((s, zero), (s, one), (zero, s), (one, s))])
    fresh = box_sampler(points, 4000, 0).coordinates
    on = [fresh[:, j] == side for j in (0, 1) for side in (0.0, 1.0)]
    assert torch.stack(on).any(0).all()
    for face in on:
        assert float(face.double().mean()) == pytest.approx(0.25, abs=0.04)
    assert "4 faces" in box_sampler(points, 1, 0).how


def test_two_opposite_sides_and_their_shares() -> None:
    t = random(90, 1)
    points = torch.cat([torch.cat([(torch.arange(90) < 30).double()[:, None], t], 1)])
    fresh = box_sampler(points, 3000, 0).coordinates
    assert set(fresh[:, 0].tolist()) == {0.0, 1.0}
    assert float(fresh[:, 0].mean()) == pytest.approx(1 / 3, abs=0.05)
    assert kstest(fresh[:, 1].numpy(), "uniform", (0, 1)).pvalue > 1e-6


def test_edges_of_a_cube() -> None:
    edges = []
    for axis in range(3):
        for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
            line = torch.zeros(15, 3, dtype=torch.float64)
            line[:, axis] = random(15, 1, seed=axis * 7 + corner[0] * 2 + corner[1])[:, 0]
            line[:, [i for i in range(3) if i != axis]] = torch.tensor(corner, dtype=torch.float64)
            edges.append(line)
    fresh = box_sampler(torch.cat(edges), 500, 0).coordinates
    assert (((fresh == 0) | (fresh == 1)).sum(1) >= 2).all()


def test_face_that_is_a_disc() -> None:
    flat = 2 * random(3000, 2) - 1
    disc = flat[(flat**2).sum(1) < 1]
    points = torch.cat([disc, torch.zeros(len(disc), 1, dtype=torch.float64)], 1)
    fresh = box_sampler(points, 2000, 0).coordinates
    assert (fresh[:, 2] == 0).all()
    assert float((fresh[:, :2] ** 2).sum(1).max()) < 1.25


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("circle", circle(200)),
        ("random circle", circle(100, regular=False)),
        ("small circle", circle(16)),
        ("circle of ten", circle(10)),
        ("diagonal", random(30, 1).expand(30, 2)),
        ("sine", torch.cat([(x := random(300, 1)), torch.sin(6 * x)], 1)),
        ("cylinder of a grid", torch.cat([circle(64).repeat_interleave(20, 0), grid(20).repeat(64, 1)], 1)),
        ("cylinder", torch.cat([circle(900, regular=False), random(900, 1, 4)], 1)),
        ("sphere", torch.nn.functional.normalize(random(500, 3) - 0.5)),
        ("curve in four dimensions", torch.cat([(x := random(300, 1)), x**2, x**3, x**4], 1)),
    ],
)
def test_curves_and_surfaces_are_refused(name: str, points: Tensor) -> None:
    with pytest.raises(PinndiagError, match="sampler=") as raised:
        box_sampler(points, 10, 0)
    assert raised.value.where
    assert raised.value.cause
    assert raised.value.fix


@pytest.mark.parametrize(
    "points",
    [
        grid(20, 20),
        grid(10, 200),
        grid(5, 6, 7),
        grid(3, 3, 3, 3),
        torch.cat([grid(10).repeat_interleave(100, 0), random(1000, 1)], 1),  # ten sensors, times of their own
        grid(12, 12) ** 3,  # a graded grid
    ],
)
def test_grids_fill_their_box(points: Tensor) -> None:
    draw = box_sampler(points, 500, 0)
    assert draw.how.startswith("uniform in the box")
    for column in draw.coordinates.T:
        assert (
            kstest(column.numpy(), "uniform", (float(column.min()), float(column.max() - column.min()))).pvalue > 1e-4
        )


@pytest.mark.parametrize("gridded", [False, True])
def test_a_shape_inside_the_box_is_kept(gridded: bool) -> None:
    square = grid(60, 60) if gridded else random(3600, 2)
    notch = (square > 0.5).all(1)
    draw = box_sampler(square[~notch], 3000, 0)
    assert "near them of the box [" in draw.how
    deep = (draw.coordinates > 0.56).all(1)  # three spacings of 1/60 beyond the edge
    assert not deep.any()
    assert float((draw.coordinates[:, 0] > 0.5).double().mean()) == pytest.approx(1 / 3, abs=0.06)


def test_clusters_do_not_count_as_curves() -> None:
    ridge = torch.cat([0.5 + 0.005 * random(300, 1), random(300, 1, 8)], 1)
    assert "uniform in the" in box_sampler(torch.cat([random(400, 2), ridge]), 10, 0).how


@given(
    st.integers(1, 6),
    st.integers(1, 5),
    st.sampled_from([torch.float32, torch.float64]),
    st.integers(0, 99),
    st.sampled_from([1e-6, 1.0, 1e8]),
)
def test_few_points(dimensions: int, count: int, dtype: torch.dtype, seed: int, scale: float) -> None:
    points = (random(count, dimensions, seed) * scale - 0.3 * scale).to(dtype)
    draw = box_sampler(points, 17, seed)
    assert draw.coordinates.dtype == dtype
    assert draw.coordinates.shape == (17, dimensions)
    assert (draw.coordinates >= points.amin(0)).all()
    assert (draw.coordinates <= points.amax(0)).all()
    if count == 1:
        assert (draw.coordinates == points).all()


@given(st.integers(1, 4), st.integers(6, 80), st.integers(0, 10_000))
def test_random_sets_are_never_refused(dimensions: int, count: int, seed: int) -> None:
    if dimensions == 2 and count < 20:
        count += 20  # a handful may lie in convex position by chance
    assert len(box_sampler(random(count, dimensions, seed), 5, seed).coordinates) == 5


def test_repeated_points_and_no_draws() -> None:
    assert box_sampler(random(40, 2).repeat(3, 1), 7, 0).coordinates.shape == (7, 2)
    assert box_sampler(random(40, 2), 0, 0).coordinates.shape == (0, 2)


@pytest.mark.parametrize("points", [torch.empty(0, 2), torch.tensor([[0.0, math.nan], [1.0, 2.0]])])
def test_unusable_points(points: Tensor) -> None:
    with pytest.raises(PinndiagError, match="cannot be drawn"):
        box_sampler(points, 3, 0)
