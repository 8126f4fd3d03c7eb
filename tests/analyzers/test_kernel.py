"""The tangent kernel against an explicit J J^T, a closed form, and how it scales."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag import PINN
from pinndiag._derivatives._jacobian import uniform_rows
from pinndiag._records import from_plain, to_plain
from pinndiag._records._points import Kernel
from pinndiag._terms._view import View
from pinndiag.analyzers import kernel, work
from tests.cases import CASES, mlp, uniform


def fitted(count: int, scale: float = 1.0) -> tuple[PINN, Tensor]:
    """A fit of sin(9 x), and its Jacobian by torch.func over the flattened parameters."""
    model, x = mlp(), uniform(count)
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    found = torch.func.jacrev(lambda p: torch.func.functional_call(model, p, (x,))[:, 0])(parameters)
    jacobian = scale * torch.cat([found[name].reshape(count, -1) for name in parameters], dim=1)
    terms = {"data": lambda x: scale * (model(x) - torch.sin(9 * x))}
    return pinndiag.wrap(model, terms, points={"data": x}), jacobian


def test_against_the_explicit_kernel() -> None:
    pinn, jacobian = fitted(25)
    found = kernel(pinn).terms["data"]
    values, vectors = np.linalg.eigh((jacobian @ jacobian.T).numpy())
    values, vectors = values[::-1], vectors[:, ::-1]
    np.testing.assert_allclose(found.eigenvalues, values, rtol=1e-8, atol=1e-13 * values[0])
    assert found.residuals == 25
    assert found.trace == pytest.approx(float(jacobian.square().sum()) / 25, rel=1e-12)
    assert found.rank == int((values > 1e-6 * values[0]).sum())
    residual = pinn.outputs()["data"].detach().numpy()[:, 0]
    share = (vectors.T @ residual) ** 2
    assert found.slow_share == pytest.approx(share[values < 1e-4 * values[0]].sum() / share.sum(), rel=1e-6)
    assert 0.01 < found.slow_share < 0.99  # the case tells the directions apart
    above = values[values > 25 * np.finfo(float).eps * values[0]]
    assert found.condition == pytest.approx(values[0] / above[-1], rel=1e-2)


def test_complex_residuals_give_two_rows_each() -> None:
    pinn = CASES["schroedinger"]()
    found = kernel(pinn).terms["ic"]
    assert (found.residuals, len(found.eigenvalues)) == (9, 18)
    parts = torch.view_as_real(pinn.outputs(["ic"])["ic"]).reshape(-1)
    rows = [torch.autograd.grad(r, pinn.tensors, retain_graph=True, materialize_grads=True) for r in parts]
    jacobian = torch.stack([torch.cat([g.reshape(-1) for g in row]) for row in rows])
    values = np.linalg.eigvalsh((jacobian @ jacobian.T).numpy())[::-1]
    np.testing.assert_allclose(found.eigenvalues, values, rtol=1e-8, atol=1e-12 * values[0])
    assert found.trace == pytest.approx(values.sum() / 9, rel=1e-10)


def test_rank_and_condition_in_closed_form() -> None:
    # r_j = a x_j + b: K has two eigenvalues other than zero, those of sum_j (x_j, 1)(x_j, 1)^T
    pinn = CASES["linear"]()
    x = pinn.infos["data"].points.coordinates
    rows = torch.cat([x, torch.ones_like(x)], dim=1)
    small, large = torch.linalg.eigvalsh(rows.T @ rows).tolist()
    found = kernel(pinn).terms["data"]
    assert found.rank == 2
    assert found.eigenvalues[:2] == pytest.approx([large, small], rel=1e-10)
    assert found.condition == pytest.approx(large / small, rel=1e-8)


@pytest.mark.parametrize("scale", [1e-5, -4.0, 1e7])
def test_scaling_the_residual(scale: float) -> None:
    plain, scaled = (kernel(fitted(20, c)[0]).terms["data"] for c in (1.0, scale))
    largest = scale**2 * plain.eigenvalues[0]
    np.testing.assert_allclose(
        scaled.eigenvalues, scale**2 * np.array(plain.eigenvalues), rtol=1e-7, atol=1e-12 * largest
    )
    assert scaled.slow_share == pytest.approx(plain.slow_share, rel=1e-6)
    assert scaled.rank == plain.rank


def test_what_work_and_kernel_share() -> None:
    pinn, _ = fitted(100)
    view = View(pinn)
    # at most 128 residuals are in the kernel, so with 100 both averages are over the same ones
    assert work(view)["data"].value == pytest.approx(view.losses["data"] / kernel(view).terms["data"].trace, rel=1e-10)


def test_a_seeded_subset_of_long_residuals() -> None:
    pinn, jacobian = fitted(1500)
    found = kernel(pinn).terms["data"]
    assert found.residuals == len(found.eigenvalues) == 128
    assert found.trace == pytest.approx(float(jacobian.square().sum()) / 1500, rel=0.1)
    assert kernel(pinn).terms["data"] == found
    assert kernel(pinn, seed=1).terms["data"] != found


def test_a_point_is_taken_with_all_its_components() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()
    x = uniform(200)
    terms = {"taken": lambda x: model(x), "tied": lambda: model(x), "free": lambda: model(x)}
    pinn = pinndiag.wrap(model, terms, points={"taken": x, "tied": x})
    found = kernel(pinn).terms
    assert found["taken"].residuals == 3 * 128
    assert found["tied"].residuals == 3 * 21  # 64 passes through the whole term at most
    assert found["free"].residuals == 64  # nothing tells its points
    rows = uniform_rows(View(pinn), "taken", 0)
    assert rows.components == 3
    assert (rows.entries.reshape(-1, 3) % 3).tolist() == [[0, 1, 2]] * 160


def test_terms_without_a_kernel_say_why() -> None:
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    terms = {
        "loss": lambda: weight.square().sum(),
        "nan": lambda: weight * torch.tensor([1.0, math.nan], dtype=torch.float64),
        "flat": lambda: 0 * weight + 1,
    }
    found = kernel(pinndiag.wrap(lambda p: p["w"], terms, parameters={"w": weight}))
    assert set(found.terms) == {"flat"}
    assert "scalar loss" in found.reasons["loss"]
    assert "not finite" in found.reasons["nan"]
    assert (found.terms["flat"].trace, found.terms["flat"].rank) == (0.0, 0)
    assert math.isnan(found.terms["flat"].slow_share)
    again = from_plain(to_plain(found), Kernel)
    assert again.terms["flat"].eigenvalues == [0.0]
