"""Figures of the parameters themselves, of a wrapped PINN and of a bare state dict."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import pinndiag
from pinndiag._records import LayerParameters, Parameters
from pinndiag.analyzers import parameters, parameters_of
from tests.cases import CASES, coefficient, mlp, uniform


def by_name(found: Parameters) -> dict[str, LayerParameters]:
    return {layer.name: layer for layer in found.layers}


@pytest.mark.parametrize("name", CASES)
def test_figures_are_numpys(name: str) -> None:
    pinn = CASES[name]()
    found = parameters(pinn)
    assert found.trainable == pinn.size
    assert found.nonfinite == 0
    assert found.entries == pinn.size + sum(pinn.state[n].numel() for n in found.frozen)
    layers = by_name(found)
    for layer, members in pinn.layers.items():
        arrays = {m: pinn.parameters[m].detach().double().numpy() for m in members}
        flat = np.concatenate([a.reshape(-1) for a in arrays.values()])
        assert layers[layer].norm == pytest.approx(np.linalg.norm(flat), rel=1e-12)
        assert layers[layer].zeros == (flat == 0).mean()
        matrices = [a for a in arrays.values() if a.ndim >= 2]
        if not matrices:
            assert layers[layer].spectral_norm is None
        else:
            largest = max(np.linalg.svd(a, compute_uv=False)[0] for a in matrices)
            assert layers[layer].spectral_norm == pytest.approx(largest, rel=1e-10)
        assert layers[layer].moved is None  # wrapped just now: the initial parameters are the present ones


def test_frozen_tensors_are_named_and_counted_but_not_as_trainable() -> None:
    found = parameters(coefficient())
    assert found.frozen == ["u.0.weight", "u.0.bias"]
    first = by_name(found)["u.0"]
    assert (first.entries, first.trainable) == (18, 0)
    assert "parameters.0" in by_name(found)
    assert found.trainable == found.entries - 18


def test_buffers_count_and_counters_do_not() -> None:
    model = nn.Sequential(nn.Linear(1, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)).eval()
    model[1].running_mean[1] = math.nan
    found = parameters(pinndiag.wrap(model, {"data": lambda: model(torch.ones(4, 1))}))
    assert found.nonfinite == 1
    assert found.frozen == ["1.running_mean", "1.running_var"]
    assert by_name(found)["1"].nonfinite == 1


def test_tied_tensors_count_once_under_the_trained_name() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).double()
    model[2].weight = model[0].weight
    found = parameters(pinndiag.wrap(model, {"data": lambda: model(uniform(4, 3))}))
    assert found.frozen == []
    assert found.entries == found.trainable == 9 + 3 + 3


def test_how_far_training_moved_each_layer() -> None:
    model = mlp()
    start = {n: p.detach().clone() for n, p in model.named_parameters()}
    with torch.no_grad():
        model[0].weight += 0.1
        model[4].bias *= 2
    x = uniform(4)
    found = by_name(parameters(pinndiag.wrap(model, {"data": lambda: model(x)}, initial=start)))
    first = np.concatenate([start["0.weight"].reshape(-1), start["0.bias"]])
    assert found["0"].moved == pytest.approx(0.1 * math.sqrt(6) / np.linalg.norm(first))
    last = np.concatenate([start["4.weight"].reshape(-1), start["4.bias"]])
    assert found["4"].moved == pytest.approx(abs(float(start["4.bias"])) / np.linalg.norm(last))
    assert found["2"].moved == 0  # the others moved: that this one did not is a fact worth telling


def test_layers_that_start_at_zero() -> None:
    initial = {"a.bias": torch.zeros(2), "b.bias": torch.zeros(2), "c.bias": torch.ones(1)}
    now = {"a.bias": torch.ones(2), "b.bias": torch.zeros(2), "c.bias": torch.ones(1), "d.bias": torch.ones(1)}
    found = by_name(parameters_of(now, initial=initial))
    assert [found[n].moved for n in "abcd"] == [math.inf, 0, 0, None]


def test_dead_and_non_finite_entries_of_a_bare_state_dict() -> None:
    state = {
        "net.0.weight": torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]),
        "net.0.bias": torch.tensor([0.0, 1.0, 2.0]),
        "net.1.weight": torch.tensor([[math.nan, math.inf], [1.0, 2.0]]),
        "conv.weight": torch.ones(2, 3, 2, 2, dtype=torch.float64),
        "scale": torch.tensor(2.0, dtype=torch.float16),
        "steps": torch.tensor(7),
        "wave.weight": torch.tensor([[3j, 0], [0, 4.0]]),
    }
    found = parameters_of(state)
    layers = by_name(found)
    assert list(layers) == ["net.0", "net.1", "conv", "scale", "wave"]
    assert layers["net.0"].dead_rows == 2
    assert layers["net.0"].zeros == pytest.approx(6 / 9)
    assert layers["net.0"].spectral_norm == 1
    assert layers["net.1"].nonfinite == 2
    assert layers["net.1"].spectral_norm is not None
    assert math.isnan(layers["net.1"].spectral_norm)
    assert math.isnan(layers["net.1"].norm)
    assert layers["conv"].spectral_norm == pytest.approx(math.sqrt(24))
    assert layers["scale"].norm == 2
    assert layers["wave"].spectral_norm == pytest.approx(4)
    assert layers["wave"].norm == pytest.approx(5)
    assert layers["wave"].entries == 8
    assert found.entries == found.trainable == 9 + 4 + 24 + 1 + 8
    assert found.nonfinite == 2
    assert found.frozen == []


def test_an_empty_state_dict_has_no_layers() -> None:
    assert parameters_of({}) == Parameters(layers=[], entries=0, trainable=0, nonfinite=0)


def test_which_are_trainable_may_be_said() -> None:
    state = {"a.weight": torch.ones(2, 2), "a.bias": torch.ones(2)}
    found = parameters_of(state, trainable=["a.weight"])
    assert (found.entries, found.trainable, found.frozen) == (6, 4, ["a.bias"])
