"""Stability limits against torch's own optimizers, run on a quadratic just below and just above the limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag import PINN
from pinndiag._derivatives._stability import NoRuleError, Rule, rule_of, stability
from pinndiag._records import Eigenvalue

ROOT = torch.tensor([[1.0, 0.3, 0.0], [0.3, 2.0, -0.5], [0.0, -0.5, 0.7]], dtype=torch.float64)
HESSIAN = 2 / 3 * ROOT.T @ ROOT  # of mean (ROOT theta)^2

Make = Callable[..., torch.optim.Optimizer]


def quadratic() -> tuple[Tensor, Callable[[], Tensor]]:
    theta = torch.tensor([1e-3, -2e-3, 1.5e-3], dtype=torch.float64, requires_grad=True)
    return theta, lambda: ROOT @ theta


def wrapped(theta: Tensor, term: Callable[[], Tensor], optimizer: torch.optim.Optimizer) -> PINN:
    return pinndiag.wrap(lambda p, x: p["theta"], {"fit": term}, parameters={"theta": theta}, optimizer=optimizer)


def eigenvalue(value: float) -> Eigenvalue:
    return Eigenvalue(value=value, residual=0.0, converged=True, products=1)


def limit(rule: Rule, hessian: Tensor = HESSIAN) -> float:
    scale = torch.ones(len(hessian), dtype=torch.float64) if rule.scale is None else rule.scale
    sigma = float(torch.linalg.eigvalsh(scale[:, None] * hessian * scale)[-1])
    return stability(rule, eigenvalue(sigma)).limit


def run(optimizer: torch.optim.Optimizer, term: Callable[[], Tensor], steps: int) -> float:
    for _ in range(steps):
        optimizer.zero_grad()
        term().square().mean().backward()
        optimizer.step()
    return float(term().detach().norm())


def peak(optimizer: torch.optim.Optimizer, term: Callable[[], Tensor], steps: int) -> float:
    """Largest residual on the way: Adam's second moments grow with a diverging gradient until it is stable again."""
    return max(run(optimizer, term, 1) for _ in range(steps))


SGD: dict[str, dict[str, Any]] = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "dampening": {"momentum": 0.8, "dampening": 0.5},
    "nesterov": {"momentum": 0.9, "nesterov": True},
}


@pytest.mark.parametrize("settings", SGD.values(), ids=SGD)
def test_gradient_descent_is_stable_up_to_the_limit_and_not_beyond(settings: dict[str, Any]) -> None:
    theta, term = quadratic()
    edge = limit(rule_of(wrapped(theta, term, torch.optim.SGD([theta], lr=0.1, **settings))))
    ends = []
    for factor in (0.93, 1.07):
        theta, term = quadratic()
        ends.append(run(torch.optim.SGD([theta], lr=factor * edge, **settings), term, 500))
    assert ends[0] < 1e-3  # it starts at 0.004
    assert ends[1] > 1.0


ADAM: dict[str, tuple[Make, dict[str, Any]]] = {
    "Adam": (torch.optim.Adam, {}),
    "AdamW": (torch.optim.AdamW, {"weight_decay": 0.0}),
    "amsgrad": (torch.optim.Adam, {"amsgrad": True}),
    "NAdam": (torch.optim.NAdam, {}),
    "NAdam at rest": (torch.optim.NAdam, {"momentum_decay": 10.0}),
    "RAdam": (torch.optim.RAdam, {}),
}


def frozen_preconditioner(make: Make, lr: float, settings: dict[str, Any], v: Tensor) -> tuple[PINN, float, Any]:
    """An optimizer whose second moments hardly move, at a late step, beside the limit that is claimed for it."""
    theta, term = quadratic()
    optimizer = make([theta], lr=lr, betas=(0.8, 1 - 1e-7), eps=1e-3, **settings)
    run(optimizer, term, 1)
    state = optimizer.state[theta]
    with torch.no_grad():
        theta.copy_(torch.tensor([1e-3, -2e-3, 1.5e-3], dtype=torch.float64))
    state["step"].fill_(2e6)
    state["exp_avg"].zero_()
    # v / (1 - beta2^t) is what enters
    state["exp_avg_sq"].copy_(v * (1 - (1 - 1e-7) ** 2e6))
    if "mu_product" in state:
        state["mu_product"].zero_()
    if "max_exp_avg_sq" in state:
        state["max_exp_avg_sq"].copy_(4 * state["exp_avg_sq"])
    pinn = wrapped(theta, term, optimizer)
    return pinn, limit(rule_of(pinn)), (optimizer, term)


@pytest.mark.parametrize(("make", "settings"), ADAM.values(), ids=ADAM)
def test_adam_and_its_kin_are_stable_up_to_the_limit_and_not_beyond(make: Make, settings: dict[str, Any]) -> None:
    v = torch.tensor([4.0, 0.25, 1.0], dtype=torch.float64)
    _, edge, _ = frozen_preconditioner(make, 0.1, settings, v)
    ends = []
    for factor in (0.97, 1.03):
        pinn, again, (optimizer, term) = frozen_preconditioner(make, factor * edge, settings, v)
        assert again == pytest.approx(edge, rel=1e-9)  # the limit does not depend on the rate in use
        assert stability(rule_of(pinn), eigenvalue(1.0)).lr == factor * edge
        ends.append(peak(optimizer, term, 400))
    assert ends[0] < 0.02  # it starts at 0.004
    assert ends[1] > 1.0


def test_adam_by_hand() -> None:
    """Cohen et al. 2022: P = (1 - beta1^t) (sqrt(v / (1 - beta2^t)) + eps), limit 38 / lr at beta1 = 0.9."""
    theta, term = quadratic()
    optimizer = torch.optim.Adam([theta], lr=1e-2, eps=1e-4)
    run(optimizer, term, 5)
    rule = rule_of(wrapped(theta, term, optimizer))
    v = optimizer.state[theta]["exp_avg_sq"]
    p = (1 - 0.9**5) * ((v / (1 - 0.999**5)).sqrt() + 1e-4)
    torch.testing.assert_close(rule.scale, p.rsqrt())
    assert rule.bound == pytest.approx(38.0)
    assert (rule.name, rule.lr) == ("Adam", 1e-2)


def test_radam_steps_without_second_moments_at_first() -> None:
    theta, term = quadratic()
    optimizer = torch.optim.RAdam([theta], lr=1e-2)
    run(optimizer, term, 2)
    rule = rule_of(wrapped(theta, term, optimizer))
    torch.testing.assert_close(rule.scale, torch.full((3,), (1 - 0.9**2) ** -0.5, dtype=torch.float64))


def test_one_step_of_torch_is_the_preconditioned_gradient() -> None:
    """With m = g (1 - beta1^t), as after a constant gradient, a step is lr / P times g (1 - beta1^t)."""
    for make in (torch.optim.Adam, torch.optim.RAdam):
        theta, _ = quadratic()
        g = torch.tensor([1.0, -3.0, 0.01], dtype=torch.float64)
        optimizer = make([theta], lr=1e-3)
        for _ in range(50):
            before = theta.detach().clone()
            theta.grad = g.clone()
            optimizer.step()
        rule = rule_of(wrapped(theta, lambda theta=theta: ROOT @ theta, optimizer))
        assert rule.scale is not None
        torch.testing.assert_close(before - theta.detach(), 1e-3 * (1 - 0.9**50) * rule.scale**2 * g)


def test_groups_with_rates_of_their_own() -> None:
    a = torch.ones(2, dtype=torch.float64, requires_grad=True)
    b = torch.ones(1, dtype=torch.float64, requires_grad=True)
    c = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.04}], lr=0.01)
    terms = {"fit": lambda: torch.cat([a, b, c])}
    pinn = pinndiag.wrap(lambda p, x: p["a"], terms, parameters={"a": a, "b": b, "c": c}, optimizer=optimizer)
    rule = rule_of(pinn)
    assert rule.scale is not None
    assert rule.scale.tolist() == [1.0, 1.0, 2.0, 0.0]  # c is not in the optimizer: it does not move
    assert "ratio of each parameter's learning rate" in rule.text


def test_parameters_that_adam_never_moved_do_not_count() -> None:
    a, b = (torch.ones(1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.Adam([a, b], lr=0.01)
    (a**2).sum().backward()
    optimizer.step()
    terms = {"fit": lambda: a + b}
    rule = rule_of(pinndiag.wrap(lambda p, x: a, terms, parameters={"a": a, "b": b}, optimizer=optimizer))
    assert rule.scale is not None
    assert rule.scale[0] > 0
    assert rule.scale[1] == 0


def test_complex_parameters() -> None:
    c = torch.tensor([1.0 + 2.0j, 0.5j], dtype=torch.complex128, requires_grad=True)
    optimizer = torch.optim.Adam([c], lr=0.01)
    (c.real**2 + 3 * c.imag**2).sum().backward()
    optimizer.step()
    rule = rule_of(pinndiag.wrap(lambda p, x: c, {"fit": lambda: c}, parameters={"c": c}, optimizer=optimizer))
    assert c.grad is not None
    steps = 1e-2 * torch.tensor([1.0, 1.0, 0.0, 1.0], dtype=torch.float64)  # Adam's first step is lr * sign(g)
    assert rule.scale is not None
    g = torch.view_as_real(c.grad).reshape(-1)
    torch.testing.assert_close(1e-2 * (1 - 0.9) * rule.scale**2 * g, steps, rtol=1e-6, atol=0)


def refused(optimizer: torch.optim.Optimizer | None, theta: Tensor, term: Callable[[], Tensor]) -> str:
    pinn = pinndiag.wrap(lambda p, x: theta, {"fit": term}, parameters={"theta": theta}, optimizer=optimizer)
    with pytest.raises(NoRuleError) as found:
        rule_of(pinn)
    return found.value.what


def test_what_has_no_limit_says_why() -> None:
    theta, term = quadratic()
    assert "optimizer is unknown" in refused(None, theta, term)
    assert "no step" in refused(torch.optim.Adam([theta]), theta, term)
    assert "LBFGS" in refused(torch.optim.LBFGS([theta]), theta, term)
    assert "maximizes" in refused(torch.optim.SGD([theta], lr=0.1, maximize=True), theta, term)
    assert "no learning rate" in refused(torch.optim.SGD([theta], lr=0.0), theta, term)
    other = torch.ones(1, dtype=torch.float64, requires_grad=True)
    mixed = torch.optim.SGD([{"params": [theta]}, {"params": [other], "momentum": 0.5}], lr=0.1)
    assert "differ in momentum" in refused(mixed, theta, lambda: term() + other)


def test_nothing_curves_upwards() -> None:
    rule = Rule("gradient descent", "", lr=0.1, bound=2.0, scale=None)
    for value in (0.0, -5.0):
        found = stability(rule, eigenvalue(value))
        assert found.limit == math.inf
        assert found.sharpness == 0.0
