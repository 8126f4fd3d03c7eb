"""The initial parameters: the figures are those of the analyzers there; planted scaling, aliasing and step size."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN, PinndiagError
from pinndiag._records import from_plain, to_plain
from pinndiag._records._experiments import Start
from pinndiag._terms._view import View
from pinndiag.analyzers import activations, held_out, kernel, start, work
from tests.cases import CASES, derivative, mlp, uniform


def moved(model: nn.Module, **more: object) -> tuple[PINN, PINN]:
    """A PINN whose parameters moved after the start, and the same one at the start."""
    x = more.pop("x", uniform(25))

    def pde(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        return derivative(model(x), x) - torch.cos(3 * x)

    def made(initial: dict[str, Tensor] | None) -> PINN:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
        points = {"pde": x, "bc": torch.zeros(1, 1, dtype=torch.float64)}
        terms = {"pde": pde, "bc": lambda x: model(x)}
        return pinndiag.wrap(model, terms, points=points, initial=initial, optimizer=optimizer, weights={"bc": 4.0})

    initial = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    at_start = made(None).copy()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made(initial), at_start


def test_the_figures_are_those_of_the_analyzers_at_the_start() -> None:
    later, first = moved(mlp())
    before = [t.detach().clone() for t in later.tensors]
    found, view = start(later, seed=3), View(first)
    assert found.losses == pytest.approx(view.losses, rel=1e-10)
    assert found.grad_l2 == pytest.approx({n: float(g.norm()) for n, g in view.gradients.items()}, rel=1e-10)
    for name, expected in work(view, seed=3).items():
        assert found.work[name].value == pytest.approx(expected.value, rel=1e-9)
    for name, expected in held_out(view, seed=3).items():
        assert found.held_out[name].ratio == pytest.approx(expected.ratio, rel=1e-9)
    assert found.slow_share == pytest.approx(
        {n: k.slow_share for n, k in kernel(view, seed=3).terms.items()}, rel=1e-5, abs=1e-12
    )
    assert found.losses != pytest.approx(View(later).losses, rel=1e-3)
    assert all(a.equal(b) for a, b in zip(before, later.tensors, strict=True))
    assert to_plain(from_plain(to_plain(found), Start)) == to_plain(found)  # through text, because of NaN


def test_saturation_and_spread_are_the_extremes_over_terms() -> None:
    later, first = moved(mlp())
    found = start(later)
    layers = activations(first).layers
    assert set(found.spread) == set(found.saturation) == {layer.layer for layer in layers}
    for name, spread in found.spread.items():
        known = [layer.spread for layer in layers if layer.layer == name]
        assert spread == pytest.approx(max(s for s in known if math.isfinite(s)), rel=1e-10)
    assert set(found.saturation.values()) == {0.0}


def test_inputs_far_from_order_one_saturate_the_first_layer() -> None:
    later, _ = moved(mlp(), x=1e3 * uniform(25))
    found = start(later)
    assert found.saturation["0"] > 0.8


def test_lr_sigma_max_of_plain_descent() -> None:
    later, first = moved(mlp())
    model, x = mlp(), uniform(25)

    def total(values: dict[str, Tensor]) -> Tensor:

        def u(point: Tensor) -> Tensor:
            return torch.func.functional_call(model, values, (point[None],))[0, 0]

        slope = torch.func.vmap(torch.func.grad(u))(x)
        return (slope - torch.cos(3 * x)).square().mean() + 4 * u(torch.zeros(1).double()).square()

    values = {name: p.detach() for name, p in first.parameters.items()}
    blocks = torch.func.hessian(total)(values)
    rows = [
        torch.cat([blocks[a][b].reshape(values[a].numel(), values[b].numel()) for b in values], dim=1) for a in values
    ]
    sigma_max = float(torch.linalg.eigvalsh(torch.cat(rows))[-1])
    assert start(later).lr_sigma_max == pytest.approx(0.02 * sigma_max, rel=1e-3)


def test_only_plain_descent_has_that_product() -> None:
    pinn = CASES["poisson"]()  # Adam
    pinn.initial = {name: 2 * tensor.detach() for name, tensor in pinn.parameters.items()}
    assert start(pinn).lr_sigma_max is None


def test_initial_parameters_that_say_nothing() -> None:
    pinn = CASES["poisson"]()
    with pytest.raises(PinndiagError, match="the initial parameters are those of the checkpoint"):
        start(pinn)
    pinn.initial = None
    with pytest.raises(PinndiagError, match="the initial parameters are unknown"):
        start(pinn)


def test_reasons_of_what_cannot_be_measured() -> None:
    pinn = CASES["beam"]()
    pinn.initial = {name: 2 * tensor.detach() for name, tensor in pinn.parameters.items()}
    found = start(pinn)
    assert set(found.reasons) == {"held_out.pde", "held_out.clamp", "slow_share.clamp"}
    assert found.held_out == {}
    assert set(found.slow_share) == {"pde"}


@pytest.mark.parametrize(("kind", "expected"), [("Adam", 0.01 * math.sqrt(2) / 5), ("SGD", 0.01 * math.sqrt(5) / 5)])
def test_the_optimizers_first_step_against_the_parameters(kind: str, expected: float) -> None:
    k = torch.nn.Parameter(torch.tensor([3.0, 4.0, 0.0], dtype=torch.float64))
    optimizer = getattr(torch.optim, kind)([k], lr=0.01)
    terms = {"a": lambda: k[0] + 2 * k[1] + 10}  # the gradient is (1, 2, 0): one entry that Adam does not move
    begun = {"k": k.detach().clone()}
    pinn = pinndiag.wrap(lambda p, x: x, terms, parameters={"k": k}, optimizer=optimizer, initial=begun)
    with torch.no_grad():
        k += 1
    assert start(pinn).update == pytest.approx(expected)


def test_no_first_step_without_an_optimizer_that_is_known() -> None:
    pinn, _ = moved(mlp())
    pinn.optimizer = None
    assert start(pinn).update is None
