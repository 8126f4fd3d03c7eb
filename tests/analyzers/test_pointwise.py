"""Residuals point by point: numpy's formulas, known distributions, and the choice of points."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import pinndiag
from pinndiag import PINN
from pinndiag._records import from_plain, to_plain
from pinndiag._records._points import Pointwise
from pinndiag._terms import _parameters
from pinndiag.analyzers import pointwise
from pinndiag.analyzers._pointwise import gini, kurtosis, time_contrast, top_share
from tests.cases import CASES, mlp, uniform

squares = st.lists(st.floats(0, 1e3), min_size=1, max_size=60).filter(lambda values: sum(values) > 1e-6)


def double(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def with_residual(values: Tensor, points: Tensor | None = None) -> PINN:
    """A term whose residual is `values` at w = 1."""
    weight = torch.nn.Parameter(torch.ones((), dtype=torch.float64))
    sets = {} if points is None else {"t": points}
    term = (lambda: weight * values) if points is None else (lambda x: weight * values)
    return pinndiag.wrap(lambda p: p["w"], {"t": term}, parameters={"w": weight}, points=sets)


@given(squares)
def test_gini_is_the_mean_difference(values: list[float]) -> None:
    x = np.array(values)
    expected = np.abs(x[:, None] - x[None, :]).sum() / (2 * len(x) * x.sum())
    assert gini(double(values)) == pytest.approx(expected, abs=1e-12)


@given(squares, st.floats(1e-6, 1e6))
def test_concentration_does_not_change_with_scale(values: list[float], scale: float) -> None:
    assert gini(scale * double(values)) == pytest.approx(gini(double(values)), abs=1e-9)
    assert top_share(scale * double(values)) == pytest.approx(top_share(double(values)), abs=1e-9)


@given(squares)
def test_shares_against_numpy(values: list[float]) -> None:
    ranked = np.sort(values)[::-1]
    for key, share in top_share(double(values)).items():
        count = math.ceil(len(values) * float(key[:-1]) / 100)
        assert share == pytest.approx(ranked[:count].sum() / ranked.sum(), abs=1e-12)


@pytest.mark.parametrize("count", [1, 2, 7, 500])
def test_known_concentrations(count: int) -> None:
    one = torch.zeros(count, dtype=torch.float64)
    one[count // 2] = 3.0
    assert gini(one) == pytest.approx((count - 1) / count, abs=1e-12)
    assert set(top_share(one).values()) == {1.0}
    alike = torch.full((count,), 0.3, dtype=torch.float64)
    assert gini(alike) == pytest.approx(0.0, abs=1e-12)
    assert top_share(alike)["10%"] == pytest.approx(math.ceil(count / 10) / count)
    assert gini(torch.zeros(count, dtype=torch.float64)) == 0.0


def test_kurtosis_against_scipy_and_of_a_normal_sample() -> None:
    sample = torch.randn(200_000, dtype=torch.float64)
    assert kurtosis(sample) == pytest.approx(scipy.stats.kurtosis(sample.numpy(), fisher=False), rel=1e-10)
    assert kurtosis(sample) == pytest.approx(3.0, abs=0.1)
    assert kurtosis(1e-90 * sample) == pytest.approx(kurtosis(sample), rel=1e-9)
    assert math.isnan(kurtosis(torch.ones(5, dtype=torch.float64)))
    pairs = torch.complex(sample[:10], sample[10:20])
    assert kurtosis(pairs) == pytest.approx(scipy.stats.kurtosis(sample[:20].numpy(), fisher=False), rel=1e-10)


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("noisy", "single_precision")])
def test_norms_and_squares_against_the_dense_jacobian(case: str) -> None:
    pinn = CASES[case]()
    found = pointwise(pinn)
    for name, info in pinn.infos.items():
        if info.kind == "loss":
            assert name not in found
            assert "scalar" in found.reasons[name]
            continue
        output = pinn.outputs([name])[name]
        by_point = output.reshape(len(output), -1)
        values = by_point.detach().abs().square().sum(1).numpy()
        record = found[name]
        assert record.points == len(values)
        assert record.mean_square == pytest.approx(float(output.detach().abs().square().mean()), rel=1e-12)
        assert record.gini == pytest.approx(gini(double(values)), abs=1e-12)
        assert record.worst == np.argsort(-values, kind="stable")[:10].tolist()
        for point, norm in zip(record.gradient_points, record.gradient_norms, strict=True):
            parts = _parameters.real(by_point[point])
            rows = [torch.autograd.grad(r, pinn.tensors, retain_graph=True, allow_unused=True) for r in parts]
            flat = torch.stack([_parameters.flatten(row, pinn.tensors) for row in rows])
            assert norm == pytest.approx(float(flat.norm()), rel=1e-9, abs=1e-12)
        assert sorted(record.gradient_points) == list(range(len(values)))  # few points: all of them
        assert from_plain(to_plain(record), Pointwise).top_share == record.top_share


def test_scaling_a_residual() -> None:
    model, x = mlp(), uniform(40)
    terms = {"one": lambda x: model(x) - x, "scaled": lambda x: -50 * (model(x) - x)}
    found = pointwise(pinndiag.wrap(model, terms, points=dict.fromkeys(terms, x)))
    one, scaled = found["one"], found["scaled"]
    assert scaled.mean_square == pytest.approx(2500 * one.mean_square)
    assert scaled.gradient_norms == pytest.approx([50 * norm for norm in one.gradient_norms])
    assert (scaled.worst, scaled.gradient_points) == (one.worst, one.gradient_points)
    for figure in ("gini", "kurtosis", "top_share"):
        assert getattr(scaled, figure) == pytest.approx(getattr(one, figure), rel=1e-9)


def test_the_points_with_gradients_are_the_worst_and_one_of_each_stratum() -> None:
    model, x = mlp(), uniform(3000)
    pinn = pinndiag.wrap(model, {"data": lambda x: model(x) - torch.sin(8 * x)}, points={"data": x})
    found = pointwise(pinn)["data"]
    values = pinn.outputs()["data"].detach().square()[:, 0]
    rank = torch.empty(3000, dtype=torch.long)
    rank[values.argsort(descending=True, stable=True)] = torch.arange(3000)
    chosen = rank[torch.tensor(found.gradient_points)]
    assert len(set(found.gradient_points)) == 256
    assert chosen[:10].tolist() == list(range(10))
    strata = (chosen[10:] - 10).double() / (2990 / 246)
    assert ((strata + 1).floor().clamp(min=1).diff() >= 0).all()
    assert strata.diff().max() < 2  # none left out
    assert pointwise(pinn)["data"].gradient_points == found.gradient_points
    assert pointwise(pinn, seed=1)["data"].gradient_points != found.gradient_points


def test_several_components_share_the_budget() -> None:
    model, x = mlp(outputs=3), uniform(400)
    found = pointwise(pinndiag.wrap(model, {"data": lambda x: model(x)}, points={"data": x}))["data"]
    assert found.points == 400
    assert len(found.gradient_norms) == 256 // 3


def test_the_map_carries_residuals_and_gradient_norms() -> None:
    model, x = mlp(inputs=2), uniform(4000, 2)
    pinn = pinndiag.wrap(model, {"data": lambda x: model(x)}, points={"data": x})
    found = pointwise(pinn)["data"]
    field = found.field
    assert field is not None
    assert (field.of, len(field.coordinates), len(field.coordinates[0])) == (4000, 2, 2500)
    at = double(field.coordinates).T
    torch.testing.assert_close(double(field.values["residual"]), model(at).detach().abs()[:, 0])
    norms = double(field.values["gradient_norm"])
    assert int(norms.isfinite().sum()) == len(found.gradient_norms)
    assert sorted(norms[norms.isfinite()].tolist()) == sorted(found.gradient_norms)
    places = {tuple(point) for point in at[norms.isfinite()].tolist()}
    assert places == {tuple(x[i].tolist()) for i in found.gradient_points}


def test_terms_without_points_have_no_map() -> None:
    found = pointwise(CASES["shared"]())
    assert found["first"].field is None
    assert found["first"].time_contrast is None
    row = pointwise(with_residual(torch.arange(6.0).double()[None]))["t"]  # one row: its entries are the points
    assert (row.points, row.worst[0]) == (6, 5)


def test_time_contrast() -> None:
    times = torch.linspace(0, 1, 1001, dtype=torch.float64)
    values = torch.where(times < 0.1, 60.0, 2.0).double()
    assert time_contrast(times, values) == pytest.approx(30.0)
    assert time_contrast(5 - 3 * times, values.flip(0)) == pytest.approx(30.0, rel=0.02)
    assert time_contrast(torch.zeros(5).double(), torch.ones(5).double()) is None
    assert time_contrast(double([3.0, 3.2]), double([8.0, 2.0])) == 4.0  # the ends are always there
    assert time_contrast(times, torch.where(times < 0.1, 1.0, 0.0).double()) == math.inf


def test_the_time_axis_is_the_last_of_two_or_more() -> None:
    both = torch.cartesian_prod(*[torch.linspace(0, 1, 21, dtype=torch.float64)] * 2)
    late = torch.where(both[:, 1] < 0.1, 9.0, 1.0).double().sqrt()
    assert pointwise(with_residual(late, both))["t"].time_contrast == pytest.approx(9.0)
    assert pointwise(with_residual(late, both), time_axis=0)["t"].time_contrast == pytest.approx(1.0)
    one = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    assert pointwise(with_residual(1 / (1 + one[:, 0]), one))["t"].time_contrast is None
    assert pointwise(with_residual(1 / (1 + one[:, 0]), one), time_axis=0)["t"].time_contrast > 1


def test_nonfinite_residuals_are_counted_and_come_first() -> None:
    values = torch.ones(30, dtype=torch.float64)
    values[7], values[20] = math.nan, math.inf
    found = pointwise(with_residual(values))["t"]
    assert found.nonfinite == 2
    assert set(found.worst[:2]) == {7, 20}
    assert not math.isfinite(found.mean_square)
    assert len(found.gradient_norms) == 30
