"""Every case of the registry: what is captured equals what is live, also elsewhere, and after a round trip."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from pinndiag import PINN, PinndiagError
from pinndiag._capture import CapturedTerms, Graph, captured, checked_shapes
from pinndiag._capture._verify import perturbed
from pinndiag._terms import _parameters
from pinndiag._terms._terms import mean_square
from tests.cases import CASES, poisson


def figures(output: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, gradient and a Hessian-vector product."""
    loss = mean_square(output)
    pulled = torch.autograd.grad(loss, tensors, create_graph=True, materialize_grads=True)
    gradient = _parameters.flatten(pulled, tensors)
    along = gradient @ torch.linspace(1, 2, len(gradient), dtype=gradient.dtype)
    if not along.requires_grad:
        return loss.detach(), gradient.detach(), torch.zeros_like(gradient)
    product = torch.autograd.grad(along, tensors, allow_unused=True)
    return loss.detach(), gradient.detach(), _parameters.flatten(product, tensors).detach()


def assert_alike(one: PINN, other: PINN, tolerance: float = 1e-12) -> None:
    for name in other.names:
        for a, b in zip(
            figures(one.outputs([name])[name], one.tensors),
            figures(other.outputs([name])[name], other.tensors),
            strict=True,
        ):
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * float(b.abs().max()))


@pytest.fixture(params=list(CASES), scope="module")
def pinn(request: pytest.FixtureRequest) -> PINN:
    """One for all tests of this file, which leave it as they found it: its capture is kept."""
    made: PINN = CASES[request.param]()
    return made


def tolerance(pinn: PINN) -> float:
    return 1e-12 if pinn.dtype is torch.float64 else 1e-5


def test_figures_equal_the_live_ones(pinn: PINN) -> None:
    twin = captured(pinn).rebuilt()
    assert twin.names == pinn.names
    assert list(twin.parameters) == list(pinn.parameters)
    assert_alike(twin, pinn, tolerance(pinn))


def test_figures_equal_at_other_parameters(pinn: PINN) -> None:
    twin = captured(pinn).rebuilt()
    before = [t.detach().clone() for t in pinn.tensors]
    with perturbed(pinn.tensors, 0.3):
        for mine, live in zip(twin.tensors, pinn.tensors, strict=True):
            mine.data.copy_(live)
        assert_alike(twin, pinn, tolerance(pinn))
    assert all(torch.equal(a, b) for a, b in zip(before, pinn.tensors, strict=True))


@pytest.mark.parametrize("count", [1, 3, 50])
def test_fresh_points_equal_the_live_terms(pinn: PINN, count: int) -> None:
    twin = captured(pinn).rebuilt()
    for name, info in pinn.infos.items():
        assert twin.infos[name].takes_points == info.takes_points
        if info.takes_points and info.points is not None:
            low, high = info.points.coordinates.min(0).values, info.points.coordinates.max(0).values
            generator = torch.Generator().manual_seed(count)
            draw = torch.rand(count, len(low), generator=generator, dtype=low.dtype)
            points = info.points.at(low + (high - low) * draw)
            mine, live = (p.outputs([name], {name: points})[name] for p in (twin, pinn))
            torch.testing.assert_close(mine, live, rtol=tolerance(pinn), atol=tolerance(pinn))
            a, b = figures(mine, twin.tensors)[1], figures(live, pinn.tensors)[1]
            torch.testing.assert_close(a, b, rtol=tolerance(pinn), atol=tolerance(pinn) * float(b.abs().max()))


def test_plain_form_is_plain_and_comes_back(pinn: PINN) -> None:
    found = captured(pinn)
    plain = found.graph.to_plain()
    assert_plain(plain)
    graph = Graph.from_plain(plain)
    checked_shapes(graph)
    parameters = {n: t.detach().clone().requires_grad_(True) for n, t in pinn.parameters.items()}
    terms = CapturedTerms(graph, found.infos, parameters, device=pinn.device)
    for name, output in pinn.outputs().items():
        assert torch.equal(terms.outputs([name])[name], output)


def test_twin_is_independent(pinn: PINN) -> None:
    twin = pinn.copy()
    before = {name: output.detach() for name, output in pinn.outputs().items()}
    for tensor in twin.tensors:
        tensor.data.zero_()
    assert all(torch.equal(before[name], output) for name, output in pinn.outputs().items())


def test_second_capture_is_the_first(pinn: PINN) -> None:
    assert captured(pinn).graph is captured(pinn).graph
    twin = captured(pinn).rebuilt()
    assert captured(twin).graph is captured(pinn).graph


def test_double_precision_twin_of_a_single_precision_pinn() -> None:
    single, double = poisson(torch.float32), poisson(torch.float64)
    for mine, other in zip(double.tensors, single.tensors, strict=True):
        mine.data.copy_(other)
    twin = single.copy(dtype=torch.float64)
    assert twin.dtype is torch.float64
    assert all(output.dtype is torch.float64 for output in twin.outputs().values())
    # the points are those of single precision, so that the live twin must use them too
    points = {n: info.points for n, info in twin.infos.items() if info.points is not None}
    for name, live in double.outputs(points=points).items():
        torch.testing.assert_close(twin.outputs([name])[name], live, rtol=1e-12, atol=1e-12)


def test_solution_is_captured_at_any_number_of_points() -> None:
    pinn = poisson()
    twin = pinn.copy()
    assert pinn.reference is not None
    torch.testing.assert_close(twin.solve(pinn.reference.points), pinn.solve(pinn.reference.points), rtol=0, atol=0)
    few = pinn.reference.points.rows(slice(0, 4))
    torch.testing.assert_close(twin.solve(few), pinn.solve(few), rtol=1e-13, atol=1e-15)


def test_rebuilt_keeps_what_is_known() -> None:
    pinn = poisson()
    for tensor in pinn.tensors:
        tensor.data.add_(0.1)
    twin, start = pinn.copy(), pinn.copy(initial=True)
    assert twin.weights == pinn.weights
    assert twin.layers == pinn.layers
    assert twin.optimizer == pinn.optimizer
    assert pinn.initial is not None
    for name in pinn.parameters:
        assert torch.equal(twin.parameters[name], pinn.parameters[name])
        assert torch.equal(start.parameters[name], pinn.initial[name])
        assert start.parameters[name].is_leaf
    pinn.initial = None
    with pytest.raises(PinndiagError, match="initial parameters are unknown"):
        pinn.copy(initial=True)


def assert_plain(value: object) -> None:
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        for item in value.values():
            assert_plain(item)
    elif isinstance(value, list):
        for item in value:
            assert_plain(item)
    else:
        assert type(value) in (str, int, float, bool, type(None), Tensor)
