"""Held-out residuals: against evaluations by hand, at planted overfits, and where they are not to be had."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag import PINN
from pinndiag._terms._terms import mean_square
from pinndiag.analyzers import held_out
from pinndiag.analyzers._pointwise import top_share
from tests.cases import CASES, mlp, uniform


@pytest.mark.parametrize("case", ["linear", "poisson", "functional", "coefficient", "schroedinger"])
def test_against_an_evaluation_by_hand(case: str) -> None:
    pinn = CASES[case]()
    found = held_out(pinn, count=300, seed=5)
    assert found
    for name, record in found.items():
        points, drawn = pinn.fresh_points(name, 300, 5)
        output = pinn.outputs([name], {name: points})[name].detach()
        squares = output.abs().square().reshape(300, -1).sum(1)
        known = pinn.outputs([name])[name].detach().abs().square()
        assert (record.points, record.drawn) == (300, drawn)
        assert record.fresh == pytest.approx(float(output.abs().square().mean()), rel=1e-12)
        assert record.training == pytest.approx(float(known.mean()), rel=1e-12)
        assert record.ratio == pytest.approx(record.fresh / record.training)
        assert record.top_share == pytest.approx(top_share(squares), rel=1e-12)
        per_point = known.reshape(len(known), -1).sum(1)
        error = float(per_point.std()) / math.sqrt(len(known)) / float(per_point.mean())
        assert record.standard_error == pytest.approx(error, rel=1e-12)


def test_at_least_4096_points_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    pinn = CASES["poisson"]()
    assert held_out(pinn)["pde"].points == 4096
    whole = held_out(pinn)["pde"]
    monkeypatch.setattr("pinndiag.analyzers._held_out.CHUNK", 1000)
    assert held_out(pinn)["pde"].fresh == pytest.approx(whole.fresh, rel=1e-12)


def zeros_at(points: Tensor) -> PINN:
    """A residual that is nearly zero at the training points and of size 1 between them."""
    weight = torch.nn.Parameter(torch.ones((), dtype=torch.float64))

    def residual(x: Tensor) -> Tensor:
        return weight * torch.sin(torch.pi * 20 * x) + 1e-4

    return pinndiag.wrap(lambda p: p["w"], {"pde": residual}, parameters={"w": weight}, points={"pde": points})


def test_a_planted_aliasing_and_its_cure() -> None:
    grid = torch.linspace(0, 1, 21, dtype=torch.float64)[:, None]
    assert held_out(zeros_at(grid))["pde"].ratio == pytest.approx(0.5e8, rel=0.1)
    assert held_out(zeros_at(uniform(2000)))["pde"].ratio == pytest.approx(1.0, rel=0.1)


def test_scaling_a_residual_leaves_the_ratio() -> None:
    model, x = mlp(), uniform(30)
    terms = {"one": lambda x: model(x) - x, "scaled": lambda x: 1e5 * (model(x) - x)}
    found = held_out(pinndiag.wrap(model, terms, points=dict.fromkeys(terms, x)))
    assert found["scaled"].ratio == pytest.approx(found["one"].ratio, rel=1e-9)
    assert found["scaled"].standard_error == pytest.approx(found["one"].standard_error, rel=1e-9)


def test_the_users_sampler_is_used() -> None:
    model, x = mlp(), uniform(30)
    pinn = pinndiag.wrap(
        model,
        {"data": lambda x: model(x)},
        points={"data": x},
        sampler={"data": lambda n: torch.full((n, 1), 2.0, dtype=torch.float64)},
    )
    found = held_out(pinn)["data"]
    assert found.drawn == "drawn by sampler="
    assert found.fresh == pytest.approx(float(model(torch.full((1, 1), 2.0).double()).detach().square()))


def test_a_term_that_takes_its_points_in_pairs_gets_sets_of_the_same_size() -> None:
    model, x = mlp(), uniform(10)
    terms = {
        "pairs": lambda x: model(x[:5]) - model(x[5:]),
        "loss": lambda x: model(x).square().sum(),  # a sum: as many points, or it would not compare
    }
    pinn = pinndiag.wrap(model, terms, points=dict.fromkeys(terms, x))
    found = held_out(pinn, count=95, seed=2)
    for name, term in terms.items():
        points, _ = pinn.fresh_points(name, 100, 2)
        losses = [float(mean_square(term(part).detach())) for part in points.coordinates.split(10)]
        assert found[name].points == 100
        assert found[name].fresh == pytest.approx(sum(losses) / 10, rel=1e-12)
        assert found[name].top_share == {}
        assert math.isnan(found[name].standard_error)
    assert 0.2 < found["loss"].ratio < 5
    assert held_out(pinn, count=10**6)["loss"].points == 640


def test_reasons() -> None:
    model, x = mlp(inputs=2), uniform(20, 2)
    angle = torch.linspace(0, 6, 60, dtype=torch.float64)
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    terms = {
        "closure": lambda: model(x),
        "circle": lambda x: model(x),
        "own_values": lambda x: model(x) - torch.arange(20.0)[:, None],
        "fixed_shape": lambda x: model(x) if len(x) == 20 else model(x).sum(0, keepdim=True),
        "fine": lambda x: model(x),
    }
    points = {"circle": circle, "own_values": x, "fixed_shape": x, "fine": x}
    found = held_out(pinndiag.wrap(model, terms, points=points))
    assert set(found) == set(found.terms) == {"fine"}
    assert set(found.reasons) == {"closure", "circle", "own_values", "fixed_shape"}
    assert "takes no argument" in found.reasons["closure"]
    assert "belong to the training points" in found.reasons["own_values"]
    assert "belong to the training points" in found.reasons["fixed_shape"]


def test_a_term_that_is_solved_at_its_points() -> None:
    weight = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))
    terms = {"off": lambda x: weight + x * (x - 1), "zero": lambda x: weight * x}
    ends = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    pinn = pinndiag.wrap(
        lambda p: p["w"],
        terms,
        parameters={"w": weight},
        points=dict.fromkeys(terms, ends),
        sampler=dict.fromkeys(terms, lambda n: torch.full((n, 1), 0.5, dtype=torch.float64)),
    )
    found = held_out(pinn)
    assert found["off"].ratio == math.inf
    assert math.isnan(found["zero"].ratio)
