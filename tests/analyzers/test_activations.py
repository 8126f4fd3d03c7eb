"""Saturation, spread and dead units, from activations that are known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN, PinndiagError
from pinndiag._records import Activation
from pinndiag._terms._points import PointSet
from pinndiag._terms._terms import AbstractTerms, TermInfo
from pinndiag.analyzers import activations
from tests.cases import mlp, uniform

Seen = list[tuple[str, str, Tensor]]


@final
class StubTerms(AbstractTerms):
    """Terms that show the activations they are told to."""

    def __init__(self, parameter: Tensor, seen: Mapping[str, Seen]) -> None:
        self.infos = {name: TermInfo(name, "loss", ()) for name in seen}
        self._parameter, self._seen = parameter, seen

    def outputs(self, names: Sequence[str], points: Mapping[str, PointSet] | None = None) -> dict[str, Tensor]:
        return {name: self._parameter.sum() for name in names}

    def solve(self, points: PointSet) -> Tensor:
        return points.coordinates

    def activations(self, term: str) -> Seen:
        return self._seen[term]


@final
class BlindTerms(AbstractTerms):
    """Terms that show nothing."""

    def __init__(self, parameter: Tensor) -> None:
        self.infos = {"pde": TermInfo("pde", "loss", ())}
        self._parameter = parameter

    def outputs(self, names: Sequence[str], points: Mapping[str, PointSet] | None = None) -> dict[str, Tensor]:
        return {name: self._parameter.sum() for name in names}

    def solve(self, points: PointSet) -> Tensor:
        return points.coordinates


def pinn_of(terms: AbstractTerms, parameter: Tensor) -> PINN:
    return PINN(
        {"w": parameter}, terms, weights={}, state={}, initial=None, optimizer=None, reference=None, samplers={}
    )


def look(seen: Mapping[str, Seen]) -> list[Activation]:
    parameter = torch.ones(2, requires_grad=True)
    return activations(pinn_of(StubTerms(parameter, seen), parameter)).layers


def test_saturated_units_need_more_than_nine_points_in_ten() -> None:
    values = torch.zeros(10, 3)
    values[:, 0] = 0.995  # saturated, and always the same
    values[:9, 1] = -0.999  # nine of ten points: not more than 90 %
    values[9, 1] = 0.5
    values[:5, 2] = 0.99  # not beyond 0.99
    (found,) = look({"pde": [("0", "tanh", values)]})
    assert (found.layer, found.function, found.term, found.units) == ("0", "tanh", "pde", 3)
    assert found.saturated_units == pytest.approx(1 / 3)
    assert found.saturated_pairs == pytest.approx(19 / 30)
    assert found.dead_units == 1
    assert found.spread == pytest.approx(values.double().numpy().std(0).mean(), rel=1e-6)


def test_figures_are_numpys() -> None:
    values = torch.tanh(3 * torch.randn(200, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64))
    (found,) = look({"pde": [("net.1", "tanh", values)]})
    pairs = np.abs(values.numpy()) > 0.99
    assert found.saturated_pairs == pytest.approx(pairs.mean())
    assert 0 < pairs.mean() < 1
    assert found.saturated_units == pytest.approx((pairs.mean(0) > 0.9).mean())
    assert found.spread == pytest.approx(values.numpy().std(0).mean())
    assert found.dead_units == 0


def test_a_sigmoid_is_judged_as_the_tanh_that_it_is() -> None:
    inside = 3 * torch.randn(50, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    seen = [("a", "tanh", torch.tanh(inside)), ("b", "sigmoid", torch.sigmoid(2 * inside))]
    tanh, sigmoid = look({"pde": seen})
    assert tanh.saturated_pairs == sigmoid.saturated_pairs
    assert tanh.saturated_units == sigmoid.saturated_units
    assert tanh.spread == pytest.approx(2 * sigmoid.spread)


@pytest.mark.parametrize("function", ["sin", "gelu", "relu", "silu", "softplus"])
def test_functions_that_do_not_saturate_have_no_saturation(function: str) -> None:
    (found,) = look({"pde": [("0", function, torch.ones(5, 2) * torch.arange(5.0)[:, None])]})
    assert found.saturated_units is None
    assert found.saturated_pairs is None
    assert found.spread == pytest.approx(math.sqrt(2))


def test_dead_units_are_constant_up_to_rounding() -> None:
    values = torch.zeros(6, 4, dtype=torch.float64)
    steps = torch.arange(6, dtype=torch.float64)
    values[:, 1] = 0.3 * (1 + 2e-16 * steps)  # the rounding of a matrix product
    values[:, 2] = 0.3 * (1 + 1e-9 * steps)
    values[:, 3] = steps
    (found,) = look({"pde": [("0", "relu", values)]})
    assert found.dead_units == 2


def test_one_point_says_nothing_about_spread_or_death() -> None:
    (found,) = look({"bc": [("0", "tanh", torch.full((1, 3), 0.999))]})
    assert math.isnan(found.spread)
    assert found.dead_units == 0
    assert found.saturated_units == 1


def test_non_finite_activations_are_values() -> None:
    values = torch.rand(5, 2)
    values[1, 0] = math.nan
    (found,) = look({"pde": [("0", "tanh", values)]})
    assert math.isnan(found.spread)
    assert found.saturated_pairs == 0
    assert found.dead_units == 0


def test_complex_activations_have_a_spread_and_no_saturation() -> None:
    values = torch.tensor([[1 + 1j], [-1 - 1j]])
    (found,) = look({"pde": [("0", "tanh", values)]})
    assert found.saturated_units is None
    assert found.spread == pytest.approx(math.sqrt(2))


def test_terms_and_layers_keep_their_order() -> None:
    values = torch.rand(4, 2)
    seen = {"pde": [("z", "tanh", values), ("a", "tanh", values)], "bc": [("z", "tanh", values)]}
    assert [(a.term, a.layer) for a in look(seen)] == [("pde", "z"), ("pde", "a"), ("bc", "z")]


def test_no_activation_is_a_reason_and_not_an_empty_table() -> None:
    with pytest.raises(PinndiagError, match="no activation was seen"):
        look({"pde": []})


def test_terms_that_show_nothing_are_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    parameter = torch.ones(2, requires_grad=True)
    pinn = pinn_of(BlindTerms(parameter), parameter)
    monkeypatch.setattr(PINN, "copy", lambda self: pinn)
    with pytest.raises(PinndiagError, match="cannot be seen") as error:
        activations(pinn)
    assert error.value.cause
    assert error.value.fix


def test_a_live_pinn_is_looked_at_through_its_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    parameter = torch.ones(2, requires_grad=True)
    twin = pinn_of(StubTerms(parameter, {"pde": [("0", "tanh", torch.ones(4, 3))]}), parameter)
    monkeypatch.setattr(PINN, "copy", lambda self: twin)
    assert activations(pinn_of(BlindTerms(parameter), parameter)).layers[0].saturated_units == 1


def test_a_real_network_against_its_own_hooks() -> None:
    model = mlp(width=9)
    with torch.no_grad():
        model[0].weight *= 20
        model[0].bias[1:4] = 40
        model[2].weight[0] = 0
    seen: dict[str, np.ndarray] = {}
    for name, module in model.named_children():
        if isinstance(module, nn.Tanh):
            before = str(int(name) - 1)  # the layer whose output it squashes
            module.register_forward_hook(lambda _, inputs, out, at=before: seen.update({at: out.detach().numpy()}))
    x = uniform(40)

    def pde(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        return torch.autograd.grad(model(x).sum(), x, create_graph=True)[0] - 1

    pinn = pinndiag.wrap(model, {"pde": pde}, points={"pde": x})
    found = activations(pinn).layers
    model(x)
    assert [(a.layer, a.function) for a in found] == [("0", "tanh"), ("2", "tanh")]
    for a in found:
        pairs = np.abs(seen[a.layer]) > 0.99
        assert a.saturated_pairs == pytest.approx(pairs.mean())
        assert a.saturated_units == pytest.approx((pairs.mean(0) > 0.9).mean())
        assert a.spread == pytest.approx(seen[a.layer].std(0).mean())
        assert a.dead_units == (np.ptp(seen[a.layer], axis=0) == 0).sum()
    first, second = found
    assert first.saturated_units is not None
    assert first.saturated_units > 0
    assert second.dead_units == 1
