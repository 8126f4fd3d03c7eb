"""The networks against their formulas, their initial values and their state dicts."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from pinndiag import PinndiagError
from pinndiag.nn import MLP, AdaptiveTanh, FourierFeatures, ModifiedMLP, Normalisation, slope_recovery


def test_mlp_is_the_formula() -> None:
    net = MLP(2, 3, width=4, depth=2, scaling=Normalisation([1.0, 0.0], [2.0, 3.0])).double()
    x = torch.rand(5, 2, dtype=torch.float64)
    state = {name: value.double() for name, value in net.state_dict().items()}
    h = (x - state["scaling.shift"]) / state["scaling.scale"]
    for k in range(2):
        h = torch.tanh(h @ state[f"hidden.{k}.weight"].T + state[f"hidden.{k}.bias"])
    torch.testing.assert_close(net(x), h @ state["output.weight"].T + state["output.bias"])


def test_modified_mlp_is_the_formula() -> None:
    net = ModifiedMLP(2, 1, width=4, depth=3).double()
    for parameter in net.parameters():
        nn.init.normal_(parameter)
    x = torch.rand(5, 2, dtype=torch.float64)
    state = net.state_dict()

    def layer(name: str, h: torch.Tensor) -> torch.Tensor:
        return h @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    u, v, h = torch.tanh(layer("encoder_u", x)), torch.tanh(layer("encoder_v", x)), x
    for k in range(3):
        z = torch.tanh(layer(f"hidden.{k}", h))
        h = z * u + (1 - z) * v
    torch.testing.assert_close(net(x), layer("output", h))


@pytest.mark.parametrize("make", [MLP, ModifiedMLP])
def test_initial_values_are_glorots(make: type[MLP] | type[ModifiedMLP]) -> None:
    net = make(2, 1, width=200, depth=2)
    assert net.hidden[1].weight.std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.03)
    assert all(not parameter.any() for name, parameter in net.named_parameters() if name.endswith("bias"))


def test_normalisations_of_a_box() -> None:
    low, high = [0.0, -1.0], [4.0, 1.0]
    corners = torch.tensor([low, high])
    assert Normalisation.unit(low, high)(corners).tolist() == [[-1.0, -1.0], [1.0, 1.0]]
    points = corners[0] + (corners[1] - corners[0]) * torch.rand(20_000, 2)
    scaled = Normalisation.standard(low, high)(points)
    assert scaled.mean(0).tolist() == pytest.approx([0.0, 0.0], abs=0.03)
    assert scaled.std(0).tolist() == pytest.approx([1.0, 1.0], abs=0.03)


def test_fourier_features_are_waves() -> None:
    features = FourierFeatures(2, 3, scale=2.0)
    x = torch.rand(4, 2)
    phase = 2 * math.pi * x @ features.frequencies.T
    torch.testing.assert_close(features(x), torch.cat([phase.cos(), phase.sin()], dim=1))
    assert not list(features.parameters())
    assert FourierFeatures(1, 10_000, scale=2.0).frequencies.std().item() == pytest.approx(2.0, rel=0.05)


def test_adaptive_slopes_start_at_plain_tanh_and_are_trained() -> None:
    z = torch.randn(6, 3)
    for layer in (AdaptiveTanh(n=5.0), AdaptiveTanh(3, n=5.0)):
        torch.testing.assert_close(layer(z), torch.tanh(z))
        layer(z).sum().backward()
        assert layer.slope.grad is not None
        assert layer.slope.grad.abs().min() > 0


def test_slope_recovery_is_the_formula() -> None:
    net = nn.Sequential(AdaptiveTanh(2), AdaptiveTanh())
    with torch.no_grad():
        net[0].slope.copy_(torch.tensor([1.0, 3.0]))
        net[1].slope.copy_(torch.tensor([0.5]))
    assert slope_recovery(net).item() == pytest.approx(2 / (math.exp(2.0) + math.exp(0.5)))
    with pytest.raises(PinndiagError, match="no adaptive slope"):
        slope_recovery(nn.Tanh())


def test_a_state_dict_fits_a_second_network() -> None:
    first, second = (MLP(2, 1, width=3, depth=2, activation=AdaptiveTanh) for _ in range(2))
    second.load_state_dict(first.state_dict())
    x = torch.rand(2, 2)
    assert torch.equal(first(x), second(x))
    assert "activations.0.slope" in first.state_dict()
