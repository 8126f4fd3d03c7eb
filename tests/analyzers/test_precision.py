"""The float64 twin: float64 has nothing to be compared with, float32 against the same network built in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN
from pinndiag.analyzers import precision
from pinndiag.analyzers._precision import _angle
from tests.cases import CASES, derivative, mlp, uniform


def second_derivative(model: nn.Module, x: Tensor, offset: float = 0.0) -> PINN:
    def pde(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        return derivative(derivative(model(x - offset), x), x) + 1

    return pinndiag.wrap(model, {"pde": pde, "bc": lambda: 2 * model(x[:2] - offset)}, points={"pde": x})


@pytest.mark.parametrize("case", ["linear", "schroedinger", "noisy"])
def test_float64_has_no_figures_but_zero(case: str) -> None:
    found = precision(CASES[case]())
    assert found.gradient == 0.0
    assert set(found.rounding.values()) == {0.0}


def test_against_a_network_built_in_float64() -> None:
    narrow = mlp(dtype=torch.float32)
    wide = copy.deepcopy(narrow).double()
    x = uniform(12, dtype=torch.float32)
    found = precision(second_derivative(narrow, x))
    single, double = second_derivative(narrow, x), second_derivative(wide, x.double())
    for name in ("pde", "bc"):
        a, b = (p.outputs([name])[name].detach().double() for p in (single, double))
        # rounding errors depend on the order of operations, so only their size can agree
        assert found.rounding[name] == pytest.approx(float((a - b).norm() / b.norm()), rel=1.0)
        assert 1e-9 < found.rounding[name] < 1e-5
    assert 0 <= found.gradient < 1e-11


def test_cancellation_in_the_coordinates_is_seen() -> None:
    x = 1e5 + uniform(200, dtype=torch.float32)  # float32 steps are 0.0078 there
    found = precision(second_derivative(mlp(dtype=torch.float32), x, offset=1e5))
    assert found.distinct["pde"] == len(x.unique()) / 200 < 0.6
    assert set(found.distinct) == {"pde"}


def test_a_difference_of_large_numbers_is_seen() -> None:
    model, x = mlp(dtype=torch.float32), uniform(30, dtype=torch.float32)
    terms = {"lost": lambda: (model(x) + 1e5 * (1 + x)) - 1e5 * (1 + x), "kept": lambda: model(x)}
    found = precision(pinndiag.wrap(model, terms))
    assert found.rounding["lost"] > 0.02
    assert found.rounding["kept"] < 1e-6
    assert found.gradient > 1e-7
    assert precision(pinndiag.wrap(model, terms, weights={"lost": 0.0})).gradient < 1e-11


def test_points_in_a_wider_dtype_count_against_their_own_number() -> None:
    model = mlp(dtype=torch.float32)
    close = torch.tensor([[1.0], [1.0 + 1e-12], [2.0], [2.0]], dtype=torch.float64)
    found = precision(pinndiag.wrap(model, {"data": lambda x: model(x.float())}, points={"data": close}))
    assert found.distinct["data"] == pytest.approx(2 / 3)  # three distinct in float64, two in float32


def test_the_model_is_left_alone() -> None:
    pinn = CASES["single_precision"]()
    before = [t.detach().clone() for t in pinn.tensors]
    precision(pinn)
    assert all(a.equal(b) for a, b in zip(before, pinn.tensors, strict=True))
    assert all(t.grad is None for t in pinn.tensors)


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_the_angle_keeps_its_digits(size: float) -> None:
    a = torch.tensor([1.0, 0.0], dtype=torch.float64)
    b = torch.tensor([1.0, 1e-7], dtype=torch.float64)
    assert _angle(size * a, b) == pytest.approx(0.5e-14, rel=1e-6)
    assert _angle(a, -size * a) == pytest.approx(2.0)
    assert _angle(0 * a, 0 * b) == 0.0
