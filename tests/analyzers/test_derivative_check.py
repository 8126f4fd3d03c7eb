"""Difference quotients against gradients: right ones pass, planted faults are seen, the rest is not judged."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag import PINN
from pinndiag._terms._view import View
from pinndiag.analyzers import derivative_check
from pinndiag.analyzers._derivative_check import _judge
from tests.cases import CASES, derivative, mlp, uniform


@pytest.mark.parametrize("case", CASES)
def test_right_gradients_pass(case: str) -> None:
    pinn = CASES[case]()
    before = [t.detach().clone() for t in pinn.tensors]
    found = derivative_check(pinn)
    assert list(found) == pinn.names
    for record in found.values():
        assert record.error is not None
        assert record.error < 1e-6
        assert (record.settled, record.directions, record.reason) == (True, 3, "")
    assert all(a.equal(b) for a, b in zip(before, pinn.tensors, strict=True))


def faulty() -> PINN:
    model, x = mlp(), uniform(15)

    def detached_factor() -> Tensor:
        u = model(x)
        return u * u.detach() - 0.3

    def no_graph() -> Tensor:
        points = x.clone().requires_grad_(True)
        u = model(points)
        return u + torch.autograd.grad(u.sum(), points, retain_graph=True)[0]  # create_graph forgotten

    def right() -> Tensor:
        points = x.clone().requires_grad_(True)
        u = model(points)
        return u + derivative(u, points)

    return pinndiag.wrap(model, {"factor": detached_factor, "graph": no_graph, "right": right})


def test_planted_faults_are_seen() -> None:
    found = derivative_check(faulty())
    assert found["factor"].error > 0.1
    assert found["graph"].error > 0.05
    assert found["right"].error < 1e-6
    assert all(record.settled for record in found.values())


def test_the_error_of_a_known_fault() -> None:
    # L = w^2 d with d = w detached: the quotient is 3 w^2, the gradient 2 w^2
    weight = torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    terms = {"loss": lambda: (weight.square() * weight.detach()).sum()}
    found = derivative_check(pinndiag.wrap(lambda p: p["w"], terms, parameters={"w": weight}))["loss"]
    assert found.error == pytest.approx(1 / 3, rel=1e-6)


def test_a_kink_is_not_judged() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, 1.0], dtype=torch.float64))
    steep = torch.tensor([1e5, -1e5], dtype=torch.float64)

    def kink() -> Tensor:  # at w0 = w1 + 2e-6 / 1e5 ...: the slope changes between the two step sizes
        return (steep @ weight - 0.05).abs()

    found = derivative_check(pinndiag.wrap(lambda p: p["w"], {"kink": kink}, parameters={"w": weight}))["kink"]
    assert not found.settled
    assert found.directions < 3


def test_a_negligible_derivative_is_not_judged() -> None:
    weight = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    terms = {"flat": lambda: 1.0 + 1e-12 * weight.sum()}
    found = derivative_check(pinndiag.wrap(lambda p: p["w"], terms, parameters={"w": weight}))["flat"]
    assert found.error is None
    assert "negligible" in found.reason
    assert found.settled


def test_nonfinite_losses_are_not_judged() -> None:
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    terms = {"nan": lambda: (weight * math.nan).sum(), "fine": lambda: weight.square().sum()}
    found = derivative_check(pinndiag.wrap(lambda p: p["w"], terms, parameters={"w": weight}))
    assert found["nan"].error is None
    assert "not finite" in found["nan"].reason
    assert found["fine"].error < 1e-6


def test_a_term_that_is_not_repeatable_is_held_still() -> None:
    pinn = CASES["noisy"]()
    assert derivative_check(pinn)["pde"].error < 1e-6


def test_the_verdict_on_quotients() -> None:
    found = _judge([[1.0, 1.0], [1.0, 2.0], [1e-12, 1e-12]], [0.5, 1.0, 0.0], loss=1.0)
    assert (found.error, found.settled, found.directions) == (0.5, False, 1)
    assert _judge([[0.0, 0.0]], [1.0], loss=1.0).error == 1.0
    assert _judge([[1.0, 1.0]], [-1.0], loss=1.0).error == 2.0


def test_seeded() -> None:
    pinn = CASES["poisson"]()
    assert derivative_check(pinn) == derivative_check(View(pinn))
    assert derivative_check(pinn, seed=1)["pde"].error != derivative_check(pinn)["pde"].error
