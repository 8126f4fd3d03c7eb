"""Zero and the best constant, against losses written down by hand and a search by scipy."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN, PinndiagError
from pinndiag._descent._last_layer import last_layers
from pinndiag.analyzers import constant
from tests.cases import CASES, mlp, uniform

X = uniform(40)
Field = Callable[[Tensor], Tensor]
TERMS: dict[str, Callable[[Field], Tensor]] = {  # u'' is left out: of a constant it is zero
    "pde": lambda u: u(X) ** 3 - 0.5 * u(X) - torch.sin(3 * X),
    "data": lambda u: u(X) - 0.2 - X,
}


def wrapped(u: nn.Module, field: Field | None = None, **more: object) -> PINN:
    return pinndiag.wrap(u, {n: lambda t=t: t(field or u) for n, t in TERMS.items()}, points={"data": X}, **more)


def of_constant(c: float, field: Callable[[Field], Field] = lambda u: u) -> dict[str, float]:
    return {n: float(t(field(lambda x: torch.full_like(x, c))).square().mean()) for n, t in TERMS.items()}


def test_against_a_search_over_constants() -> None:
    weights = {"pde": 2.0, "data": 0.5}
    found = constant(wrapped(mlp(), weights=weights))
    assert found.layers == ["4"]
    assert found.output == "zero"
    assert found.zero == pytest.approx(of_constant(0.0), rel=1e-12)

    def total(c: list[float]) -> float:
        return sum(weights[n] * loss for n, loss in of_constant(float(c[0])).items())

    best = min((minimize(total, [start], tol=1e-12) for start in (-1.0, 0.0, 1.0)), key=lambda result: result.fun)
    assert sum(weights[n] * loss for n, loss in found.best.items()) == pytest.approx(best.fun, rel=1e-6)


def test_relative_losses_ratio_and_spread() -> None:
    u = mlp()
    found = constant(wrapped(u))
    now = {n: float(t(u).square().mean().detach()) for n, t in TERMS.items()}
    assert found.relative == pytest.approx({n: now[n] / found.zero[n] for n in TERMS}, rel=1e-10)
    assert found.ratio == pytest.approx(sum(found.best.values()) / sum(now.values()), rel=1e-10)
    output = u(X).detach()
    assert found.spread == pytest.approx(float(output.std(correction=0)), rel=1e-10)
    assert found.size == pytest.approx(float(output.square().mean().sqrt()), rel=1e-10)


def test_the_best_constant_network_has_the_ratio_one() -> None:
    u = mlp()
    best = min((c / 1000 for c in range(-2000, 2000)), key=lambda c: sum(of_constant(c).values()))
    with torch.no_grad():
        u[-1].weight.zero_()
        u[-1].bias.fill_(best)
    assert constant(wrapped(u)).ratio == pytest.approx(1.0, rel=1e-4)


def test_a_transformed_output() -> None:
    u = mlp()

    def hard(network: Field) -> Field:
        return lambda x: 1 + x * network(x)  # u(0) = 1 exactly

    class Hard(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = u

        def forward(self, x: Tensor) -> Tensor:
            return hard(self.network)(x)

    found = constant(wrapped(Hard()))
    assert found.layers == ["network.4"]
    assert found.output == "constant"  # u = 1: that it is not zero tells the transformation
    assert found.zero == pytest.approx(of_constant(0.0, hard), rel=1e-12)
    assert found.response == {}  # what goes into the transformation has another unit than what comes out


def test_two_networks_and_a_coefficient() -> None:
    torch.manual_seed(1)
    nets = {"u": mlp(), "v": mlp()}
    k = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))
    terms = {"u": lambda: nets["u"](X) - 2, "both": lambda: nets["u"](X) - k * nets["v"](X) - 1}
    found = constant(pinndiag.wrap(nets, terms, parameters={"k": k}))
    assert found.layers == ["u.4", "v.4"]
    assert found.zero == pytest.approx({"u": 4.0, "both": 1.0})
    assert found.ratio == pytest.approx(0.0, abs=1e-12)  # u = 2 and v = 1 / k
    assert found.output == "unknown"
    assert found.response == {}


def test_a_last_layer_without_biases_has_zero_as_its_best_constant() -> None:
    u = mlp()
    u[-1] = nn.Linear(u[-1].in_features, 1, bias=False, dtype=torch.float64)
    found = constant(wrapped(u))
    assert found.best == found.zero


@pytest.mark.parametrize("start_at_zero", [False, True])
def test_last_layers_are_found_whatever_their_order(start_at_zero: bool) -> None:
    class Gated(nn.Module):  # the modified MLP of the literature, its encoder registered last
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.out, self.encoder = (nn.Linear(a, b).double() for a, b in ((1, 5), (5, 1), (1, 5)))

        def forward(self, x: Tensor) -> Tensor:
            return self.out(torch.tanh(self.hidden(x)) * torch.tanh(self.encoder(x)))

    u = Gated()
    if start_at_zero:
        for layer in (u.hidden, u.out, u.encoder):
            nn.init.zeros_(layer.bias)
    pinn = wrapped(u).copy()
    before = [t.detach().clone() for t in pinn.tensors]
    assert list(last_layers(pinn)) == ["out"]
    assert all(torch.equal(a, b) for a, b in zip(before, pinn.tensors, strict=True))


def test_a_layer_without_a_place_is_said() -> None:
    u, scale = mlp(), nn.Parameter(torch.ones(1, 1, dtype=torch.float64))
    pinn = wrapped(u, field=lambda x: u(x) + scale, parameters={"scale": scale})
    with pytest.raises(PinndiagError, match="cannot be told") as caught:
        constant(pinn)
    assert "(model)" in caught.value.where


def test_losses_without_a_scale_are_refused() -> None:
    u = mlp()
    for loss in (lambda: u(X).mean() - 5, lambda: torch.sqrt(u(X) - 100)):
        with pytest.raises(PinndiagError, match="negative or not finite"):
            constant(pinndiag.wrap(u, {"energy": loss}))


def test_nothing_of_the_model_is_changed() -> None:
    pinn = CASES["poisson"]()
    before = copy.deepcopy([t.detach() for t in pinn.tensors])
    assert math.isfinite(constant(pinn).ratio)
    assert all(torch.equal(a, b) for a, b in zip(before, pinn.tensors, strict=True))


def test_how_far_the_output_is_from_affine() -> None:
    straight = nn.Sequential(nn.Linear(1, 5), nn.Linear(5, 1)).double()
    found = constant(wrapped(straight)).bend
    assert found is not None
    assert found < 1e-20

    class Parabola(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Linear(1, 1, bias=False).double()

        def forward(self, x: Tensor) -> Tensor:
            return self.scale(x**2)

    parabola = constant(wrapped(Parabola()))
    x = torch.cat([torch.ones_like(X), X], dim=1)
    fit = x @ torch.linalg.solve(x.T @ x, x.T @ X**2)
    assert parabola.bend == pytest.approx(float((X**2 - fit).var() / (X**2).var()), rel=1e-9)


def test_what_the_spread_of_the_output_adds_to_each_term() -> None:
    """Of u - g it is the variance of the output; of c u its c^2-fold; of u' nothing; of u^3 the sixth moment of +-s."""
    u = mlp()
    points = X.clone().requires_grad_()

    def slope() -> Tensor:
        return torch.autograd.grad(u(points).sum(), points, create_graph=True)[0]

    terms = {"value": lambda: u(X) - 0.3, "tenfold": lambda: 10 * u(X), "cube": lambda: u(X) ** 3, "slope": slope}
    found = constant(pinndiag.wrap(u, terms, points={"value": X}, solution=(X, torch.zeros_like(X))))
    variance = float(u(X).detach().var(correction=0))
    assert found.response["value"] == pytest.approx(variance, rel=1e-8)
    assert found.response["tenfold"] == pytest.approx(100 * variance, rel=1e-8)
    assert found.response["cube"] == pytest.approx(variance**3, rel=1e-8)
    assert found.response["slope"] == pytest.approx(0.0, abs=1e-15)
