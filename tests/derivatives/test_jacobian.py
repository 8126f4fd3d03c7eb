"""Rows of the Jacobian against the plain loop over every residual, torch.func and a closed form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag import PINN
from pinndiag._derivatives._jacobian import BLOCK, UNIFORM, WHOLE, Jacobian, draw, uniform_rows
from pinndiag._terms import _parameters
from pinndiag._terms._view import View
from tests.cases import CASES, mlp, uniform

RESIDUALS = [
    (case, name)
    for case, make in CASES.items()
    for name, info in make().infos.items()
    if info.kind == "residual" and info.repeatable
]


def dense(pinn: PINN, name: str) -> Tensor:
    """All of J, one backward pass an entry through the whole term; real and imaginary parts apart."""
    flat = pinn.outputs([name])[name].reshape(-1)
    flat = torch.view_as_real(flat).reshape(-1) if flat.is_complex() else flat
    rows = [torch.autograd.grad(r, pinn.tensors, retain_graph=True, allow_unused=True) for r in flat]
    return torch.stack([_parameters.flatten(row, pinn.tensors) for row in rows])


@pytest.mark.parametrize(("case", "name"), RESIDUALS)
def test_rows_are_those_of_the_full_jacobian(case: str, name: str) -> None:
    pinn = CASES[case]()
    jacobian = Jacobian(pinn, name)
    entries = draw(jacobian.entries, jacobian.entries, seed=1)
    found = jacobian.rows(entries)
    full = dense(pinn, name).reshape(jacobian.entries, found.real_rows, -1)[entries]
    tolerance = {"rtol": 1e-3, "atol": 1e-5} if pinn.dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-11}
    torch.testing.assert_close(found.matrix, full.flatten(0, 1), **tolerance)
    torch.testing.assert_close(found.squared_norms, full.square().sum((1, 2)), **tolerance)
    torch.testing.assert_close(jacobian.squared_norms(entries), found.squared_norms)
    values = pinn.outputs([name])[name].detach().reshape(-1)[entries]
    torch.testing.assert_close(found.residual, _parameters.real(values), **tolerance)


def test_torch_func_gives_the_same_rows() -> None:
    model = mlp()
    x = uniform(40)

    def residual(parameters: dict[str, Tensor], points: Tensor) -> Tensor:
        def u(point: Tensor) -> Tensor:
            return torch.func.functional_call(model, parameters, (point[None],))[0, 0]

        return torch.func.vmap(lambda point: torch.func.hessian(u)(point).squeeze() + u(point) ** 2)(points)

    def pde(points: Tensor) -> Tensor:
        points = points.requires_grad_(True)
        u = model(points)
        du = torch.autograd.grad(u.sum(), points, create_graph=True)[0]
        return torch.autograd.grad(du.sum(), points, create_graph=True)[0] + u**2

    parameters = {name: p.detach() for name, p in model.named_parameters()}
    full = torch.func.jacrev(residual)(parameters, x)
    twin = torch.cat([full[name].reshape(40, -1) for name in parameters], dim=1)
    pinn = pinndiag.wrap(model, {"pde": pde}, points={"pde": x})
    torch.testing.assert_close(Jacobian(pinn, "pde").rows(torch.arange(40)).matrix, twin, rtol=1e-9, atol=1e-11)


def test_closed_form_of_the_linear_case() -> None:
    pinn = CASES["linear"]()
    y = pinn.infos["other"].points.coordinates
    expected = 3 * torch.cat([y, torch.ones_like(y)], dim=1)
    torch.testing.assert_close(Jacobian(pinn, "other").rows(torch.arange(4)).matrix, expected)


def complex_parameters(points: Tensor, coefficient: Tensor) -> PINN:
    return pinndiag.wrap(
        lambda parameters, x: parameters["c"] * x,
        {"data": lambda x: (coefficient**2 * x - 1j).reshape(-1)},
        points={"data": points},
        parameters={"c": coefficient},
    )


def test_complex_parameters_count_as_pairs_of_reals() -> None:
    coefficient = torch.tensor(0.3 + 0.4j, dtype=torch.complex128, requires_grad=True)
    x = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    found = Jacobian(complex_parameters(x, coefficient), "data").rows(torch.arange(2)).matrix
    # (a + ib)^2 x = (a^2 - b^2) x + i 2ab x
    a, b = 0.3, 0.4
    expected = [[2 * a * s, -2 * b * s] if part == 0 else [2 * b * s, 2 * a * s] for s in (1, 2) for part in (0, 1)]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_points_are_taken_alone_only_where_residuals_do_not_depend_on_each_other() -> None:
    model, x = mlp(), uniform(30)
    terms = {
        "alone": lambda x: model(x) - x,
        "mean": lambda x: model(x) - model(x).mean(),
        "constant": lambda x: model(x) - torch.arange(30.0)[:, None],
        "closure": lambda: model(x),
    }
    pinn = pinndiag.wrap(model, terms, points={name: x for name in terms if name != "closure"})
    assert {name: Jacobian(pinn, name).separable for name in terms} == {
        "alone": True,
        "mean": False,
        "constant": False,
        "closure": False,
    }
    for name in terms:
        chosen = torch.tensor([29, 3, 3, 0])
        torch.testing.assert_close(Jacobian(pinn, name).rows(chosen).matrix, dense(pinn, name)[chosen])


def test_an_operator_without_batching_falls_back_to_the_loop() -> None:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: torch.autograd.function.FunctionCtx, u: Tensor) -> Tensor:
            ctx.save_for_backward(u)
            return u**3

        @staticmethod
        def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
            (u,) = ctx.saved_tensors
            if not torch.isfinite(gradient).all():  # control flow on values: vmap refuses
                raise ValueError
            return 3 * u**2 * gradient

    model, x = mlp(), uniform(20)
    pinn = pinndiag.wrap(model, {"cube": lambda x: Cube.apply(model(x))}, points={"cube": x})
    torch.testing.assert_close(Jacobian(pinn, "cube").rows(torch.arange(20)).matrix, dense(pinn, "cube"))


def test_how_many_rows_are_taken() -> None:
    model, x = mlp(), uniform(3 * UNIFORM)
    terms = {"alone": lambda x: model(x) - x, "closure": lambda: model(x)}
    view = View(pinndiag.wrap(model, terms, points={"alone": x}))
    assert len(uniform_rows(view, "alone", 0).entries) == UNIFORM
    assert len(uniform_rows(view, "closure", 0).entries) == WHOLE
    assert uniform_rows(view, "alone", 0) is uniform_rows(view, "alone", 0)
    again = uniform_rows(View(view.pinn), "alone", 0)
    assert again is not uniform_rows(view, "alone", 0)
    assert again.matrix.equal(uniform_rows(view, "alone", 0).matrix)
    assert not again.entries.equal(uniform_rows(view, "alone", 1).entries)
    assert all(len(block.entries) <= BLOCK for block in Jacobian(view.pinn, "alone").blocks(torch.arange(50)))


def test_large_networks_get_fewer_stored_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = mlp(), uniform(100)
    view = View(pinndiag.wrap(model, {"data": lambda x: model(x)}, points={"data": x}))
    monkeypatch.setattr("pinndiag._derivatives._jacobian.MEMORY", 20 * 8 * view.pinn.size)
    assert len(uniform_rows(view, "data", 0).entries) == 20


def test_a_residual_that_is_not_finite_has_rows_that_are_not() -> None:
    model, x = mlp(), uniform(20)
    pinn = pinndiag.wrap(model, {"data": lambda x: torch.sqrt(x - x[3, 0]) + model(x)}, points={"data": x})
    found = Jacobian(pinn, "data")
    assert not found.residual.isfinite().all()
    torch.testing.assert_close(found.rows(torch.arange(20)).matrix, dense(pinn, "data"), equal_nan=True)
