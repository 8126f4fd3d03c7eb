"""Remaining work against dense Jacobians, closed forms and its invariances."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag import PINN
from pinndiag._terms import _parameters
from pinndiag._terms._view import View
from pinndiag.analyzers import work
from tests.cases import CASES, mlp, uniform


def dense(pinn: PINN, name: str) -> float:
    """mean |r|^2 / mean |d r / d theta|^2 over all entries, from single backward passes."""
    flat = pinn.outputs([name])[name].reshape(-1)
    parts = torch.view_as_real(flat).reshape(-1) if flat.is_complex() else flat
    squares = [
        _parameters.flatten(torch.autograd.grad(r, pinn.tensors, retain_graph=True, allow_unused=True), pinn.tensors)
        .square()
        .sum()
        for r in parts
    ]
    return float(flat.detach().abs().square().mean() / (torch.stack(squares).sum() / len(flat)))


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("noisy", "single_precision")])
def test_residual_terms_against_the_dense_jacobian(case: str) -> None:
    pinn = CASES[case]()
    found = work(pinn)
    assert list(found) == pinn.names
    for name, info in pinn.infos.items():
        if info.kind == "residual":
            assert found[name].value == pytest.approx(dense(pinn, name), rel=1e-9)
            assert (found[name].how, found[name].points) == ("residuals", info.entries)


def test_closed_form_of_the_linear_case() -> None:
    pinn = CASES["linear"]()  # u = 2 x - 1; "other" is 3 u - 1 at y
    y = pinn.infos["other"].points.coordinates
    expected = (6 * y - 4).square().mean() / (9 * (y**2 + 1)).mean()
    assert work(pinn)["other"].value == pytest.approx(float(expected), rel=1e-12)


def test_a_scalar_loss_uses_its_gradient() -> None:
    pinn = CASES["beam"]()
    view = View(pinn)
    expected = 4 * view.losses["clamp"] ** 2 / float(view.gradients["clamp"].square().sum())
    assert work(view)["clamp"].value == pytest.approx(expected, rel=1e-12)
    assert (work(view)["clamp"].how, work(view)["clamp"].points) == ("scalar", 1)


def test_a_single_residual_gives_the_same_as_its_loss() -> None:
    model, x = mlp(), uniform(1)
    pinn = pinndiag.wrap(model, {"residual": lambda: model(x) - 2, "loss": lambda: (model(x) - 2).square().sum()})
    found = work(pinn)
    assert found["residual"].value == pytest.approx(found["loss"].value, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-9, -3.0, 1e12])
def test_scaling_a_residual_changes_nothing(scale: float) -> None:
    model, x = mlp(), uniform(30)
    terms = {"plain": lambda: model(x) - 1, "scaled": lambda: scale * (model(x) - 1)}
    found = work(pinndiag.wrap(model, terms, weights={"scaled": 7.0}))
    assert found["scaled"].value == pytest.approx(found["plain"].value, rel=1e-9)


def test_the_sample_is_close_to_all_points() -> None:
    model, x = mlp(), uniform(500)
    pinn = pinndiag.wrap(model, {"data": lambda x: model(x) - torch.sin(5 * x)}, points={"data": x})
    found = work(pinn)["data"]
    assert found.points == 160
    assert found.value == pytest.approx(dense(pinn, "data"), rel=0.1)
    assert work(pinn, seed=1)["data"].value != found.value
    assert work(pinn)["data"] == found


def test_a_gauss_newton_step_of_that_size_solves_the_term() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.tensor([0.5, -1.0], dtype=torch.float64))
    direction = torch.tensor([3.0, 4.0], dtype=torch.float64)
    pinn = pinndiag.wrap(lambda p: p["w"], {"line": lambda: (direction @ weight)[None] - 2}, parameters={"w": weight})
    # the distance of w from the line 3 w0 + 4 w1 = 2
    distance = abs(3 * 0.5 - 4 - 2) / 5
    assert work(pinn)["line"].value == pytest.approx(distance**2, rel=1e-12)


def zero_or_flat(residual: float, slope: float) -> PINN:
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    return pinndiag.wrap(lambda p: p["w"], {"t": lambda: slope * weight + residual}, parameters={"w": weight})


def test_solved_terms_and_terms_that_nothing_moves() -> None:
    assert work(zero_or_flat(0.0, 2.0))["t"].value == 0.0
    assert work(zero_or_flat(0.0, 0.0))["t"].value == 0.0
    assert work(zero_or_flat(3.0, 0.0))["t"].value == math.inf


def test_nonfinite_residuals_are_a_finding() -> None:
    def residual(weight: Tensor) -> Tensor:
        return weight * torch.tensor([1.0, math.nan], dtype=torch.float64)

    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    pinn = pinndiag.wrap(lambda p: p["w"], {"t": lambda: residual(weight)}, parameters={"w": weight})
    assert math.isnan(work(pinn)["t"].value)


def test_an_energy_has_none() -> None:
    model, x = mlp(), uniform(5)
    pinn = pinndiag.wrap(model, {"energy": lambda: model(x).square().mean() - 100, "data": lambda: model(x)})
    found = work(pinn)
    assert list(found) == ["data"]
    assert "energy" in found.reasons["energy"]
