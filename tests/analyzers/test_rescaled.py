"""Inputs and output scaled on a copy: equal to a network that scales them itself, on every kind of first layer."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN, PinndiagError
from pinndiag._capture import captured, first_layers, last_layer
from pinndiag._records import Rescaled, from_plain, to_plain
from pinndiag.analyzers import rescaled, restart
from pinndiag.analyzers._restart import redrawn
from tests.cases import CASES, derivative, mlp, uniform

LOW, HIGH = 100.0, 900.0


def points(count: int) -> Tensor:
    inner = LOW + (HIGH - LOW) * uniform(count)
    return torch.cat([inner, torch.tensor([[LOW], [HIGH]], dtype=torch.float64)])


def wrapped(model: nn.Module, *, solution: bool = True, weights: nn.Module | None = None) -> PINN:
    """u' = 50 cos(x / 200) / 200 with u = 50 sin(x / 200) at the ends: x and u are far from order one."""
    x, ends = points(20), torch.tensor([[LOW], [HIGH]], dtype=torch.float64)

    def pde(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        return derivative(model(x), x) - 0.25 * torch.cos(x / 200)

    initial = copy.deepcopy((weights or model).state_dict())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    return pinndiag.wrap(
        model,
        {"pde": pde, "bc": lambda x: model(x) - 50 * torch.sin(x / 200)},
        points={"pde": x, "bc": ends},
        weights={"bc": 0.5},
        initial=initial,
        optimizer=torch.optim.Adam(model.parameters(), lr=0.01),
        solution=(x, 50 * torch.sin(x / 200)) if solution else None,
    )


class Scaling(nn.Module):
    """A network that maps [LOW, HIGH] to [-1, 1] and multiplies its output."""

    def __init__(self, network: nn.Module, scale: float) -> None:
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.network((x - (LOW + HIGH) / 2) / ((HIGH - LOW) / 2))


def test_it_is_the_training_of_a_network_that_scales_by_itself() -> None:
    pinn = wrapped(mlp())
    before = [t.detach().clone() for t in pinn.tensors]
    found = rescaled(pinn, steps=12, seed=4)
    x = pinn.infos["pde"].points.coordinates
    scale = float((50 * torch.sin(x / 200)).square().mean().sqrt())
    assert found.ranges == {"0.weight": [(LOW, HIGH)]}
    assert found.scale == pytest.approx([scale])
    assert "reference" in found.scale_from
    assert all(a.equal(b) and b.grad is None for a, b in zip(before, pinn.tensors, strict=True))
    assert rescaled(pinn, steps=12, seed=4) == found
    assert from_plain(to_plain(found), Rescaled) == found

    network = mlp()
    twin = wrapped(Scaling(network, scale))
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), redrawn(pinn.copy(initial=True), seed=4), strict=True):
            parameter.copy_(value)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    assert found.run.before == pytest.approx({n: float(v.detach()) for n, v in twin.losses().items()}, rel=1e-9)
    for _ in range(12):
        optimizer.zero_grad()
        losses = twin.losses()
        (losses["pde"] + 0.5 * losses["bc"]).backward()
        optimizer.step()
    assert found.run.after == pytest.approx({n: float(v.detach()) for n, v in twin.losses().items()}, rel=1e-7)
    assert found.run.total_after == pytest.approx(found.run.after["pde"] + 0.5 * found.run.after["bc"])


def test_scaling_helps_where_the_scale_is_at_fault() -> None:
    pinn = wrapped(mlp(width=16))
    assert restart(pinn).redrawn.total_after > 10 * rescaled(pinn).run.total_after


def test_the_scale_comes_from_the_data_where_no_reference_is_known() -> None:
    found = rescaled(wrapped(mlp(), solution=False), steps=1)
    ends = 50 * torch.sin(torch.tensor([LOW, HIGH], dtype=torch.float64) / 200)
    assert found.scale == pytest.approx([float(ends.square().mean().sqrt())])
    assert "'bc'" in found.scale_from


def test_an_unknown_scale_is_left_as_it_is() -> None:
    x = uniform(9)
    model = mlp()
    pinn = pinndiag.wrap(model, {"square": lambda x: model(x) ** 2 - 4}, points={"square": x})
    pinn.initial = {name: 2 * tensor.detach() for name, tensor in pinn.parameters.items()}
    found = rescaled(pinn, steps=1)
    assert found.scale == [1.0]
    assert "neither" in found.scale_from


class Raw(nn.Module):
    """x W + b with W as (inputs, outputs), b as a row, and a skipped scale on the output."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        shapes = {"w1": (2, 5), "b1": (1, 5), "w2": (5, 3), "b2": (3,)}
        for name, shape in shapes.items():
            if bias or not name.startswith("b1"):
                setattr(self, name, nn.Parameter(torch.randn(*shape, dtype=torch.float64)))
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        hidden = x @ self.w1 + (self.b1 if self.bias else 0.0)
        return torch.tanh(hidden) @ self.w2 + self.b2


def raw(model: nn.Module) -> PINN:
    x = torch.cat([10 * uniform(15), 4 + 0 * uniform(15)], dim=1)  # the second input never changes
    values = torch.cat([x[:, :1], 7 * x[:, :1], 0 * x[:, :1]], dim=1)
    pinn = pinndiag.wrap(model, {"data": lambda: model(x) - values}, solution=(x, values))
    pinn.initial = {name: 0.5 * tensor.detach() for name, tensor in pinn.parameters.items()}
    return pinn


def test_matrices_that_stand_the_other_way_and_outputs_of_different_size() -> None:
    model = Raw()
    pinn = raw(model)
    graph = captured(pinn).graph
    [first], last = first_layers(graph, "data"), last_layer(graph)
    assert (first.weight, first.transposed, first.bias) == ("w1", False, "b1")
    assert (last.weight, last.transposed, last.bias) == ("w2", False, "b2")
    found = rescaled(pinn, steps=0, seed=1)
    x = pinn.reference.points.coordinates
    low, high = float(x[:, 0].min()), float(x[:, 0].max())
    assert found.ranges == {"w1": [pytest.approx((low, high)), pytest.approx((4.0, 4.0))]}
    size = float(x[:, 0].square().mean().sqrt())
    assert found.scale == pytest.approx([size, 7 * size, 1.0])  # an output that is zero keeps its scale
    drawn = dict(zip(pinn.parameters, redrawn(pinn.copy(initial=True), seed=1), strict=True))
    scaled = torch.cat([(x[:, :1] - (low + high) / 2) / ((high - low) / 2), x[:, 1:] - 4], dim=1)
    output = torch.tanh(scaled @ drawn["w1"] + drawn["b1"]) @ drawn["w2"] + drawn["b2"]
    residual = output * torch.tensor(found.scale, dtype=torch.float64) - pinn.reference.values
    assert found.run.before["data"] == pytest.approx(float(residual.square().mean()))
    assert found.run.after == found.run.before


@pytest.mark.parametrize(
    ("case", "weights"),
    [
        ("poisson", {"0.weight"}),
        ("beam", {"0.weight"}),
        ("functional", {"0.weight"}),
        ("shared", {"0.weight"}),
        ("schroedinger", {"0.weight"}),
        ("single_precision", {"0.weight"}),
        ("noisy", {"0.weight"}),
        ("coefficient", {"u.2.weight", "k.0.weight"}),  # the first layer of u is frozen: a fixed map of the points
    ],
)
def test_every_kind_of_term(case: str, weights: set[str]) -> None:
    pinn = CASES[case]()
    pinn.initial = {name: 0.9 * tensor.detach() for name, tensor in pinn.parameters.items()}
    found = rescaled(pinn, steps=2)
    assert set(found.ranges) == weights
    assert found.run.total_after != found.run.total_before
    assert set(found.run.after) == set(pinn.names)


class Skipping(nn.Module):
    """Two products added before the nonlinearity: which of them meets the points cannot be told."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = (nn.Linear(1, 4), nn.Linear(1, 4), nn.Linear(4, 1))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(x) + self.second(x**2)))


@pytest.mark.parametrize("model", [nn.Linear(1, 1).double(), Skipping(), nn.Sequential(nn.Flatten(), mlp()[-1])])
def test_what_has_no_clear_first_layer(model: nn.Module) -> None:
    width = model[-1].in_features if isinstance(model, nn.Sequential) else 1
    x = uniform(6, width)
    pinn = pinndiag.wrap(model, {"data": lambda x: model(x) - 1}, points={"data": x})
    pinn.initial = {name: 2 * tensor.detach() for name, tensor in pinn.parameters.items()}
    with pytest.raises(PinndiagError, match="cannot be scaled") as error:
        rescaled(pinn)
    assert "compare" in error.value.fix


def test_a_layer_without_bias_cannot_move_its_inputs() -> None:
    with pytest.raises(PinndiagError, match="no bias"):
        rescaled(raw(Raw(bias=False)))


def test_the_start_must_be_known() -> None:
    with pytest.raises(PinndiagError, match="the initial parameters are those of the checkpoint"):
        rescaled(CASES["poisson"]())
