"""Stochastic Lanczos quadrature and Hutchinson's trace against dense matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pinndiag.linalg import Dense, spectral_density, trace


def symmetric(n: int, seed: int = 0) -> Tensor:
    a = torch.randn(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (a + a.T) / 2


def test_weights_are_a_probability_and_nodes_lie_inside_the_spectrum() -> None:
    matrix = symmetric(50)
    true = np.linalg.eigvalsh(matrix.numpy())
    rule = spectral_density(Dense(matrix))
    assert rule.products == 80
    assert (len(rule.nodes), rule.steps, rule.size) == (4, 20, 50)
    for nodes, weights in zip(rule.nodes, rule.weights, strict=True):
        assert len(nodes) == len(weights) == 20
        assert sum(weights) == pytest.approx(1, abs=1e-12)
        assert min(weights) >= 0
        assert nodes == sorted(nodes)
        assert nodes[0] >= true[0] - 1e-9
        assert nodes[-1] <= true[-1] + 1e-9


def test_gauss_quadrature_is_exact_for_each_probe() -> None:
    """Moments v.A^p v of the probe itself, up to degree 2 steps - 1."""
    n = 30
    matrix = symmetric(n) / 8
    rule = spectral_density(Dense(matrix), probes=1, steps=5, seed=3)
    signs = torch.randint(0, 2, (n,), generator=torch.Generator().manual_seed(3)).double() * 2 - 1
    v = signs / math.sqrt(n)
    for power in range(10):
        exact = float(v @ torch.linalg.matrix_power(matrix, power) @ v)
        found = sum(w * x**power for w, x in zip(rule.weights[0], rule.nodes[0], strict=True))
        assert found == pytest.approx(exact, rel=1e-9, abs=1e-12)
    beyond = float(v @ torch.linalg.matrix_power(matrix, 10) @ v)
    assert sum(w * x**10 for w, x in zip(rule.weights[0], rule.nodes[0], strict=True)) != pytest.approx(beyond)


def test_a_function_of_the_spectrum() -> None:
    matrix = symmetric(60)
    rule = spectral_density(Dense(matrix), probes=40, steps=25)
    rules = zip(rule.weights, rule.nodes, strict=True)
    found = [sum(w * math.exp(x / 8) for w, x in zip(ws, xs, strict=True)) for ws, xs in rules]
    exact = float(torch.exp(torch.linalg.eigvalsh(matrix) / 8).mean())
    error = np.std(found, ddof=1) / math.sqrt(40)
    assert abs(np.mean(found) - exact) < 4 * error
    assert error < 0.1 * exact


def test_trace_is_free_in_the_quadrature() -> None:
    matrix = symmetric(40)
    from_rule, direct = spectral_density(Dense(matrix), seed=5).trace(), trace(Dense(matrix), seed=5)
    assert from_rule.value == pytest.approx(direct.value, rel=1e-9)
    assert from_rule.error == pytest.approx(direct.error, rel=1e-9)
    assert direct.probes == 4


def test_trace_against_the_sum_of_the_diagonal() -> None:
    matrix = symmetric(40)
    found = trace(Dense(matrix), probes=400)
    exact = float(matrix.trace())
    assert abs(found.value - exact) < 4 * found.error
    # the variance of one probe is 2 * (sum of squares off the diagonal)
    variance = 2 * float((matrix - torch.diag(matrix.diag())).square().sum())
    assert found.error == pytest.approx(math.sqrt(variance / 400), rel=0.15)


def test_trace_of_a_diagonal_operator_is_exact() -> None:
    found = trace(Dense(torch.diag(torch.tensor([1.0, -3.0, 7.5], dtype=torch.float64))))
    assert (found.value, found.error) == (5.5, 0.0)


def test_one_probe_has_no_error() -> None:
    assert math.isnan(trace(Dense(symmetric(5)), probes=1).error)


def test_seeds() -> None:
    operator = Dense(symmetric(30))
    assert spectral_density(operator, seed=1) == spectral_density(operator, seed=1)
    assert spectral_density(operator, seed=1) != spectral_density(operator, seed=2)
    before = torch.get_rng_state()
    spectral_density(operator)
    assert torch.equal(before, torch.get_rng_state())


def test_small_and_degenerate_operators() -> None:
    rule = spectral_density(Dense(2 * torch.eye(6)))
    assert rule.products == 4
    assert [x for nodes in rule.nodes for x in nodes] == pytest.approx([2.0] * 4)
    assert rule.steps == 6
    tiny = spectral_density(Dense(torch.tensor([[-3.0]])))
    assert (tiny.nodes, tiny.weights) == ([[-3.0]] * 4, [[1.0]] * 4)


def test_an_operator_that_is_not_finite_is_a_value() -> None:
    rule = spectral_density(Dense(torch.full((4, 4), math.nan)))
    assert all(math.isnan(x) for nodes in rule.nodes for x in nodes)
    assert math.isnan(rule.trace().value)
    assert math.isnan(trace(Dense(torch.full((4, 4), math.nan))).value)
