"""The network against its reference: errors by numpy's formulas, and maps that stay regular."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN, PinndiagError
from pinndiag._records import Solution, from_plain, to_plain
from pinndiag.analyzers._solution import FIELD_POINTS, solution, thinned
from tests.cases import CASES, beam, mlp, poisson, uniform


def network_with(points: Tensor | tuple[Tensor, ...], values: Tensor, model: nn.Module) -> PINN:
    return pinndiag.wrap(model, {"data": lambda: next(model.parameters()).sum()}, solution=(points, values))


class Given(nn.Module):
    """A network that answers with a table."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.table = table

    def forward(self, *points: Tensor) -> Tensor:
        return self.scale * self.table


def compared(network: Tensor, values: Tensor) -> Solution:
    points = torch.arange(float(len(network)))[:, None]
    return solution(network_with(points, values, Given(network)))


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_errors_are_numpys() -> None:
    network, values = random(30, 3, seed=1), 5 * random(30, 3, seed=2)
    found = compared(network, values)
    u, v = network.numpy(), values.numpy()
    assert found.rel_l2 == pytest.approx(np.linalg.norm(u - v) / np.linalg.norm(v))
    assert found.outputs == pytest.approx((np.linalg.norm(u - v, axis=0) / np.linalg.norm(v, axis=0)).tolist())
    assert found.max_error == pytest.approx(np.abs(u - v).max())
    assert found.spread == pytest.approx(math.sqrt(u.var(0).sum() / v.var(0).sum()))
    assert found.note == ""
    assert found.field is not None
    assert list(found.field.values) == [f"{kind}_{k}" for kind in ("network", "solution") for k in range(3)]
    assert found.field.values["network_1"] == u[:, 1].tolist()
    assert found.field.values["solution_2"] == v[:, 2].tolist()
    assert found.field.coordinates == [list(range(30))]
    assert found.field.of == 30


def test_the_poisson_case_by_hand() -> None:
    pinn = poisson()
    found = solution(pinn)
    x = np.linspace(0, 1, 11)
    exact = (np.sin(3 * x) - x * np.sin(3.0)) / 9
    model = pinn.modules[0]
    u = model(torch.tensor(x)[:, None]).detach().numpy()[:, 0]
    assert found.rel_l2 == pytest.approx(np.linalg.norm(u - exact) / np.linalg.norm(exact))
    assert found.outputs == pytest.approx([found.rel_l2])


def test_nothing_is_left_of_the_graph_and_the_model_is_unchanged() -> None:
    pinn = poisson()
    solution(pinn)
    assert all(p.grad is None for p in pinn.tensors)


def test_single_precision_is_compared_in_double() -> None:
    values = random(50, 1, seed=4).float()
    network = (values.double() * (1 + 1e-3)).float()
    found = compared(network, values)
    assert found.rel_l2 == pytest.approx(1e-3, rel=1e-3)


def test_a_complex_output_counts_as_two() -> None:
    network, values = torch.complex(random(20, 1, seed=1), random(20, 1, seed=2)), torch.ones(20, 1) * (3 + 4j)
    found = compared(network, values.to(torch.complex128))
    u = network.numpy()
    assert found.rel_l2 == pytest.approx(np.linalg.norm(u - (3 + 4j)) / (5 * math.sqrt(20)))
    assert len(found.outputs) == 2
    assert found.outputs[0] == pytest.approx(np.linalg.norm(u.real - 3) / (3 * math.sqrt(20)))
    assert found.field is not None
    assert set(found.field.values["solution_1"]) == {4.0}
    pairs = compared(torch.view_as_real(network).reshape(20, 2), values.to(torch.complex128))
    assert pairs == found  # a network with two real outputs against a complex solution


@pytest.mark.parametrize(("value", "expected"), [(1.0, math.inf), (0.0, math.nan)])
def test_a_zero_reference_has_no_relative_error(value: float, expected: float) -> None:
    found = compared(torch.full((6, 1), value), torch.zeros(6, 1))
    assert found.rel_l2 == pytest.approx(expected, nan_ok=True)
    assert found.outputs == pytest.approx([expected], nan_ok=True)
    assert found.max_error == value
    assert "zero everywhere" in found.note
    assert to_plain(from_plain(to_plain(found), Solution)) == to_plain(found)


def test_one_zero_output_is_named() -> None:
    found = compared(torch.ones(6, 2), torch.tensor([[1.0, 0.0]]).repeat(6, 1))
    assert found.outputs == [0, math.inf]
    assert found.rel_l2 == pytest.approx(1)
    assert "output 1" in found.note


def test_entries_that_are_not_finite_are_said() -> None:
    network = torch.ones(6, 1)
    network[2] = math.nan
    found = compared(network, torch.ones(6, 1))
    assert math.isnan(found.rel_l2)
    assert found.note == "1 of 6 entries of the network's output are NaN or infinite"


@pytest.mark.parametrize("exponent", [-200, 200])
def test_any_scale(exponent: int) -> None:
    network, values = random(9, 1, seed=1), random(9, 1, seed=2)
    plain, scaled = compared(network, values), compared(network * 10.0**exponent, values * 10.0**exponent)
    assert scaled.rel_l2 == pytest.approx(plain.rel_l2)


def test_without_a_reference_there_is_a_reason() -> None:
    with pytest.raises(PinndiagError, match="no reference solution is known") as error:
        solution(beam())
    assert error.value.fix


def test_another_number_of_outputs_is_an_error_in_words() -> None:
    with pytest.raises(PinndiagError, match="different numbers of outputs") as error:
        compared(torch.ones(4, 2), torch.ones(4, 1))
    assert "(4, 2)" in error.value.where


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("poisson", "single_precision")])
def test_cases_without_a_solution(name: str) -> None:
    with pytest.raises(PinndiagError):
        solution(CASES[name]())


def grid(*axes: Tensor) -> Tensor:
    return torch.stack([a.reshape(-1) for a in torch.meshgrid(*axes, indexing="ij")], dim=1)


@pytest.mark.parametrize("shape", [(256, 100), (51, 51), (10_000,), (40, 30, 20), (3000, 2), (2501,)])
def test_a_regular_grid_stays_one(shape: tuple[int, ...]) -> None:
    points = grid(*(torch.linspace(0, 1 + i, n) for i, n in enumerate(shape)))
    shuffled = points[torch.randperm(len(points))]
    kept = shuffled[thinned(shuffled)]
    assert len(kept) <= FIELD_POINTS
    axes = [column.unique() for column in kept.T]
    assert math.prod(len(a) for a in axes) == len(kept) == len(kept.unique(dim=0))
    for axis, column in zip(axes, points.T, strict=True):
        places = torch.searchsorted(column.unique(), axis)
        assert places[0] == 0
        assert len(places.diff().unique()) == 1 or len(places) == len(column.unique())
    assert len(kept) > FIELD_POINTS / 4


@pytest.mark.parametrize(
    ("shape", "left"), [((256, 100), (43, 50)), ((3000, 2), (1000, 2)), ((40, 30, 20), (14, 15, 10))]
)
def test_the_longest_axis_is_thinned_first(shape: tuple[int, ...], left: tuple[int, ...]) -> None:
    points = grid(*(torch.arange(float(n)) for n in shape))
    kept = points[thinned(points)]
    assert tuple(len(column.unique()) for column in kept.T) == left


def test_scattered_points_are_drawn_without_replacement_and_alike_each_time() -> None:
    points = uniform(6000, 2)
    first = thinned(points)
    assert len(first) == FIELD_POINTS == len(first.unique())
    assert torch.equal(first, first.sort().values)
    assert torch.equal(first, thinned(points))
    assert not torch.equal(first, torch.arange(FIELD_POINTS))


def test_a_grid_with_a_point_twice_is_not_a_grid() -> None:
    points = grid(torch.arange(60.0), torch.arange(60.0))
    points[1] = points[0]
    points[61] = points[62]
    kept = thinned(points)
    assert len(kept) == FIELD_POINTS


@pytest.mark.parametrize(("missing", "stays"), [(2, True), (190, True), (210, False)])
def test_a_grid_without_its_corners_is_still_a_grid(missing: int, stays: bool) -> None:
    points = grid(torch.arange(64.0), torch.arange(65.0))  # 4160; a twentieth of those left: 198
    kept = points[torch.randperm(len(points))[missing:].sort().values]
    found = kept[thinned(kept)]
    assert (len(found) < FIELD_POINTS) == stays
    assert (len(found[:, 1].unique()) == 33) == stays


def test_few_points_are_all_kept_in_their_order() -> None:
    assert thinned(uniform(FIELD_POINTS, 2)).tolist() == list(range(FIELD_POINTS))


def test_the_field_of_a_large_reference_is_thinned_and_says_of_how_many() -> None:
    model = mlp(inputs=2)
    x, t = torch.linspace(-1, 1, 128, dtype=torch.float64), torch.linspace(0, 1, 64, dtype=torch.float64)
    points = grid(x, t)
    columns = (points[:, :1], points[:, 1:])
    values = points.prod(1, keepdim=True)

    class Columns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = model

        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            return self.net(torch.cat([x, t], dim=1))

    found = solution(network_with(columns, values, Columns()))
    assert found.field is not None
    assert found.field.of == 128 * 64
    assert len(found.field.coordinates) == 2
    a, b = (np.array(c) for c in found.field.coordinates)
    assert len(a) <= FIELD_POINTS
    assert np.allclose(found.field.values["solution_0"], a * b)
    both = torch.tensor(np.stack([a, b], axis=1))
    assert found.field.values["network_0"] == pytest.approx(model(both).detach()[:, 0].tolist())


def test_a_grid_in_double_precision_for_a_network_in_single() -> None:
    model = torch.nn.Linear(1, 1)
    torch.nn.init.ones_(model.weight), torch.nn.init.zeros_(model.bias)  # u = x
    x = torch.linspace(1, 2, 9, dtype=torch.float64)[:, None]
    values = x * (1 + 1e-9)  # the difference is lost in single precision
    pinn = pinndiag.wrap(model, {"data": lambda: model(x.float())}, solution=(x, values))
    assert pinn.reference.points.tensors[0].dtype == torch.float32
    assert solution(pinn).rel_l2 == pytest.approx(1e-9, rel=1e-3)
    assert solution(pinn.copy()).rel_l2 == pytest.approx(1e-9, rel=1e-3)
