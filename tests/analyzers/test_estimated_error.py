"""The estimated error: the true one where the problem is linear, a dense twin, and what it does not depend on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN
from pinndiag._terms._view import View
from pinndiag.analyzers import _estimated_error as _estimate
from pinndiag.analyzers import solution
from pinndiag.analyzers._estimated_error import LOST, estimated
from tests.remediate.test_remediate import problem

X = torch.linspace(0, 1, 30, dtype=torch.float64)[:, None]


class Polynomial(nn.Module):
    """u = sum of c_k x^k, linear in its five parameters."""

    def __init__(self, coefficients: list[float]) -> None:
        super().__init__()
        self.coefficients = nn.Parameter(torch.tensor(coefficients, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (x ** torch.arange(5, dtype=x.dtype)) @ self.coefficients[:, None]

    def second(self, x: Tensor) -> Tensor:
        powers = torch.arange(2, 5, dtype=x.dtype)
        return (x ** (powers - 2)) @ (powers * (powers - 1) * self.coefficients[2:])[:, None]


def linear(coefficients: list[float], unit: float = 1.0, weight: float = 1.0) -> PINN:
    """u'' = 6 x, u(0) = 1, u(1) = 2: solved by 1 + x^3. The conditions in a unit and with a weight of their own."""
    model = Polynomial(coefficients)
    terms = {"pde": lambda x: model.second(x) - 6 * x, "bc": lambda x: unit * (model(x) - 1 - x)}
    points = {"pde": X, "bc": X[[0, -1]]}
    return pinndiag.wrap(model, terms, points=points, weights={"bc": weight}, solution=(X, 1 + X**3))


def value(pinn: PINN) -> float:
    found = estimated(View(pinn))
    assert found is not None
    return found.value


def waves(count: int = 1000) -> PINN:
    """sin(pi x) and 249 waves that should not be there, told by their values at so many points."""
    frequencies = torch.arange(1.0, 251.0, dtype=torch.float64) * torch.pi
    model = nn.Linear(250, 1, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(0.05 * torch.randn(1, 250, dtype=torch.float64))
        model.weight[0, 0] = 1.0
    x, all_over = ((torch.arange(n, dtype=torch.float64)[:, None] + 0.5) / n for n in (count, 1000))
    net = nn.Sequential(Waves(frequencies), model)
    terms = {"data": lambda x: net(x) - torch.sin(torch.pi * x)}
    return pinndiag.wrap(net, terms, points={"data": x}, solution=(all_over, torch.sin(torch.pi * all_over)))


class Waves(nn.Module):
    """Sines of given frequencies."""

    def __init__(self, frequencies: Tensor) -> None:
        super().__init__()
        self.frequencies = frequencies

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.frequencies * x)


def test_points_are_doubled_until_the_answer_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """160 points leave 250 waves free between them, 320 do not."""
    pinn = waves()
    true = solution(pinn).rel_l2
    found = estimated(View(pinn))
    assert found is not None
    assert found.value == pytest.approx(true, rel=1e-3)
    assert found.moved == pytest.approx(1, abs=1e-3)
    monkeypatch.setattr(_estimate, "DOUBLINGS", 0)
    alone = estimated(View(pinn))
    assert alone is not None
    assert alone.value < true / 1.2
    assert alone.moved is None
    monkeypatch.setattr(_estimate, "DOUBLINGS", 1)
    half = estimated(View(pinn))
    assert half is not None
    assert half.moved == pytest.approx(half.value / alone.value)


def test_where_the_points_are_too_few_fresh_ones_tell() -> None:
    pinn = waves(count=100)
    found = estimated(View(pinn))
    assert found is not None
    assert found.value == pytest.approx(solution(pinn).rel_l2, rel=0.01)
    pinn.terms.infos = {"data": replace(pinn.infos["data"], points=None)}
    alone = estimated(View(pinn))
    assert alone is not None
    assert alone.value < 0.9 * found.value


def test_where_no_more_points_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Linear(1, 1).double()
    bare = estimated(View(pinndiag.wrap(net, {"data": lambda: net(X) - 1.0}, solution=(X, 1.0 + 0 * X))))
    assert bare is not None
    assert bare.moved == 1.0  # all were looked at
    monkeypatch.setattr(_estimate, "ROWS", 200)
    dear = estimated(View(waves()))
    assert dear is not None
    assert dear.moved is None


def test_of_a_linear_problem_it_is_the_error() -> None:
    for wrong in ([1.0, 0.0, 0.0, 1.5, 0.0], [1.3, -0.2, 0.1, 0.9, 0.4], [5.0, 0.0, 0.0, 0.0, 0.0]):
        pinn = linear(wrong)
        assert value(pinn) == pytest.approx(solution(pinn).rel_l2, rel=1e-4)
    assert value(linear([1.0, 0.0, 0.0, 1.0, 0.0])) == pytest.approx(0, abs=1e-12)


def test_units_and_weights_do_not_matter() -> None:
    wrong = [1.3, -0.2, 0.1, 0.9, 0.4]
    expected = value(linear(wrong))
    assert value(linear(wrong, unit=1e5)) == pytest.approx(expected, rel=1e-9)
    assert value(linear(wrong, weight=1e5)) == pytest.approx(expected, rel=1e-9)
    only_pde = value(linear([7.0, 3.0, 0.0, 1.0, 0.0], weight=0.0))  # what the conditions would change
    assert only_pde == pytest.approx(0, abs=1e-12)


def test_it_is_the_damped_least_squares_step_of_all_terms_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same step from the other side, (J^T J + e)^-1 J^T r, with rows one by one."""
    monkeypatch.setattr(_estimate, "DOUBLINGS", 0)
    pinn = problem(steps=40)
    matrices, residuals = [], []
    for output in pinn.outputs().values():
        rows = [torch.autograd.grad(r, pinn.tensors, retain_graph=True, allow_unused=True) for r in output.reshape(-1)]
        matrix = np.stack([_flat(row, pinn.tensors) for row in rows])
        scale = np.sqrt((matrix**2).sum(1).mean())
        matrices.append(matrix / scale)
        residuals.append(output.detach().numpy().reshape(-1) / scale)
    jacobian, residual = np.concatenate(matrices), np.concatenate(residuals)
    normal = jacobian.T @ jacobian
    damped = normal + LOST * np.linalg.eigvalsh(normal)[-1] * np.eye(len(normal))
    step = -np.linalg.solve(damped, jacobian.T @ residual)
    assert pinn.reference is not None
    output = pinn.solve(pinn.reference.points).reshape(-1)
    rows = [torch.autograd.grad(u, pinn.tensors, retain_graph=True, allow_unused=True) for u in output]
    change = np.stack([_flat(row, pinn.tensors) for row in rows]) @ step
    expected = np.linalg.norm(change) / np.linalg.norm(output.detach().numpy() + change)
    assert value(pinn) == pytest.approx(expected, rel=1e-4)


def test_where_it_cannot_be_had() -> None:
    x = torch.ones(3, 1)
    model = nn.Linear(1, 1)
    terms = {"a": lambda x: model(x).square().mean(), "b": lambda x: model(x)}
    scalar = pinndiag.wrap(model, terms, points={"a": x, "b": x})
    assert estimated(View(scalar)) is None
    weight = nn.Parameter(torch.ones(1))
    nameless = pinndiag.wrap({"w": nn.ParameterList([weight])}, {"a": lambda: weight * x - 2})
    assert estimated(View(nameless)) is None  # there is no network that takes points
    lost = problem()
    with torch.no_grad():
        lost.tensors[0][0] = math.nan
    assert value(lost) == math.inf


def _flat(row: tuple[Tensor | None, ...], like: list[Tensor]) -> np.ndarray:
    filled = [torch.zeros_like(p) if g is None else g for g, p in zip(row, like, strict=True)]
    return torch.cat([t.reshape(-1) for t in filled]).numpy()


@pytest.mark.parametrize("count", [5, 16])
def test_a_term_with_values_for_its_own_points_is_looked_at_there_only(count: int) -> None:
    x = torch.linspace(0, 1, count, dtype=torch.float64)[:, None]
    model, known = nn.Linear(1, 1).double(), 2 * x
    kept = pinndiag.wrap(model, {"data": lambda x: model(x) - known}, points={"data": x})
    found = estimated(View(kept))
    assert found is not None
    assert found.moved is None or found.moved == 1.0
    error = (model(x).detach() - known).norm() / known.norm()
    assert found.value == pytest.approx(float(error), rel=1e-6)
