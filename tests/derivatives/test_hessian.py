"""Hessians of terms against closed forms, torch.func, and central differences of gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

import pinndiag
from pinndiag import PINN, PinndiagError
from pinndiag._derivatives._hessian import Hessian, Hessians
from pinndiag._terms import _parameters, _pinn
from pinndiag.linalg import SymmetricOperator
from tests.cases import CASES, derivative, mlp, poisson, uniform

DOUBLE = [name for name in CASES if name != "single_precision"]


def dense(hessian: Hessian) -> Tensor:
    return torch.stack([hessian(e) for e in torch.eye(hessian.size, dtype=hessian.dtype)], dim=1)


def gradient(pinn: PINN, weights: dict[str, float]) -> Tensor:
    losses = pinn.losses()
    total = torch.stack([weight * losses[name] for name, weight in weights.items()]).sum()
    return _parameters.flatten(torch.autograd.grad(total, pinn.tensors, allow_unused=True), pinn.tensors)


def differenced(pinn: PINN, weights: dict[str, float], step: float = 1e-5) -> Tensor:
    """The Hessian by central differences of first-order gradients: shares nothing with a double backward pass."""
    columns = []
    here = _parameters.flatten([t.detach().clone() for t in pinn.tensors], pinn.tensors)

    def move(to: Tensor) -> None:
        with torch.no_grad():
            for tensor, value in zip(pinn.tensors, _parameters.unflatten(to, pinn.tensors), strict=True):
                tensor.copy_(value)

    for e in torch.eye(pinn.size, dtype=torch.float64):
        sides = []
        for sign in (1, -1):
            move(here + sign * step * e)
            sides.append(gradient(pinn, weights))
        columns.append((sides[0] - sides[1]) / (2 * step))
    move(here)
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("name", DOUBLE)
def test_every_case_equals_differences_of_gradients(name: str) -> None:
    pinn = CASES[name]()
    weights = {n: w for w, n in enumerate(pinn.names, start=2)}
    hessians = Hessians(pinn)
    found = [dense(hessians.terms[n]) for n in pinn.names]
    whole = dense(hessians.total)
    reference = differenced(pinn, {n: float(w) for n, w in weights.items()})
    summed = torch.stack([w * h for w, h in zip(weights.values(), found, strict=True)]).sum(0)
    scale = float(reference.abs().max())
    torch.testing.assert_close(summed, reference, rtol=0, atol=1e-7 * scale)
    torch.testing.assert_close(summed, summed.T, rtol=0, atol=1e-13 * scale)
    total = torch.stack([pinn.weights[n] * h for n, h in zip(pinn.names, found, strict=True)]).sum(0)
    torch.testing.assert_close(whole, total, rtol=0, atol=1e-13 * scale)


def test_linear_model_in_closed_form() -> None:
    pinn = CASES["linear"]()
    hessians = Hessians(pinn)
    for name, factor in (("data", 1.0), ("other", 3.0)):
        x = pinn.infos[name].points.coordinates  # type: ignore[union-attr]
        rows = factor * torch.cat([x, torch.ones_like(x)], dim=1)
        torch.testing.assert_close(dense(hessians.terms[name]), 2 * rows.T @ rows / len(x), rtol=1e-13, atol=1e-13)


def test_poisson_equals_torch_func() -> None:
    """The same residual written once more with torch.func, and its Hessian by forward over reverse mode."""
    pinn = poisson()
    model = mlp()
    x = uniform(20)[:, 0]
    parameters = {name: p.detach() for name, p in pinn.parameters.items()}
    like = list(parameters.values())

    def loss(flat: Tensor) -> Tensor:
        theta = dict(zip(parameters, _parameters.unflatten(flat, like), strict=True))

        def u(point: Tensor) -> Tensor:
            return functional_call(model, theta, (point[None, None],))[0, 0]

        residual = vmap(grad(grad(u)))(x) + torch.sin(3 * x)
        ends = vmap(u)(torch.tensor([0.0, 1.0], dtype=torch.float64))
        return (residual**2).mean() + 10 * (ends**2).mean()

    reference = torch.func.hessian(loss)(_parameters.flatten(like, like))
    torch.testing.assert_close(dense(Hessians(pinn).total), reference, rtol=1e-10, atol=1e-10)


def test_complex_parameters_count_as_pairs() -> None:
    """r = c z_j - y_j: the Hessian of mean |r|^2 in (Re c, Im c) is 2 mean |z|^2 times the identity."""
    torch.manual_seed(0)
    c = torch.tensor(0.3 - 0.2j, dtype=torch.complex128, requires_grad=True)
    z, y = (torch.randn(6, dtype=torch.complex128) for _ in range(2))
    pinn = pinndiag.wrap(
        lambda p, z: p["c"] * z,
        {"fit": lambda: c * z - y, "quartic": lambda: (c * c.conj()).real[None] ** 2},
        parameters={"c": c},
    )
    hessians = Hessians(pinn)
    expected = 2 * z.abs().square().mean() * torch.eye(2, dtype=torch.float64)
    torch.testing.assert_close(dense(hessians.terms["fit"]), expected)
    a, b = 0.3, -0.2  # (a^2 + b^2)^4
    s = a * a + b * b
    quartic = 8 * s**2 * torch.tensor([[s + 6 * a * a, 6 * a * b], [6 * a * b, s + 6 * b * b]], dtype=torch.float64)
    torch.testing.assert_close(dense(hessians.terms["quartic"]), quartic)
    torch.testing.assert_close(
        dense(Hessians(pinn, products="difference").terms["quartic"]), quartic, rtol=1e-5, atol=1e-8
    )


def test_a_parameter_that_a_term_leaves_out_has_zero_rows() -> None:
    pinn = poisson()
    found = dense(Hessians(pinn).terms["pde"])
    assert found[-1].abs().max() == 0  # the output bias drops out of the second derivative
    assert found[:, -1].abs().max() == 0
    assert found.abs().max() > 0.1


def test_a_loss_without_curvature() -> None:
    w = torch.ones(3, dtype=torch.float64, requires_grad=True)
    pinn = pinndiag.wrap(lambda p, x: p["w"], {"flat": lambda: (2 * w).sum()}, parameters={"w": w})
    for products in ("exact", "difference"):
        assert dense(Hessians(pinn, products=products).terms["flat"]).abs().max() < 1e-6


@pytest.mark.parametrize("name", ["poisson", "shared", "coefficient", "schroedinger"])
def test_forward_differences_are_close_and_leave_everything_as_it_was(name: str) -> None:
    pinn = CASES[name]()
    exact, differences = Hessians(pinn), Hessians(pinn, products="difference")
    v = torch.randn(pinn.size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    reference = {n: h(v) for n, h in exact.terms.items()} | {"sum": exact.total(v)}
    before = [t.detach().clone() for t in pinn.tensors]
    versions = [t._version for t in pinn.tensors]
    for n, h in {**differences.terms, "sum": differences.total}.items():
        for scale in (1.0, 1e-6, 1e6):
            found = h(scale * v) / scale
            assert float((found - reference[n]).norm() / reference[n].norm()) < 2e-6
    assert all(torch.equal(a, b) for a, b in zip(before, pinn.tensors, strict=True))
    assert versions == [t._version for t in pinn.tensors]
    # graphs built before the parameters were shifted are still good
    torch.testing.assert_close(exact.total(v), reference["sum"])
    assert differences.total(torch.zeros_like(v)).abs().max() == 0


def test_parameters_are_restored_when_a_term_fails() -> None:
    model = mlp()
    start = [p.detach().clone() for p in model.parameters()]

    def term() -> Tensor:
        if not all(torch.equal(p, s) for p, s in zip(model.parameters(), start, strict=True)):
            raise ArithmeticError("moved")
        return model(torch.ones(1, 1, dtype=torch.float64))

    hessians = Hessians(pinndiag.wrap(model, {"t": term}), products="difference")
    with pytest.raises(ArithmeticError, match="moved"):
        hessians.total(torch.ones(hessians.total.size, dtype=torch.float64))
    assert all(torch.equal(p, s) for p, s in zip(model.parameters(), start, strict=True))


def test_differences_refuse_single_precision() -> None:
    with pytest.raises(PinndiagError, match="double precision"):
        Hessians(CASES["single_precision"](), products="difference")
    model = mlp()
    x = uniform(5)
    pinn = pinndiag.wrap(model, {"cast": lambda: model(x).float()})
    with pytest.raises(PinndiagError, match=r"term 'cast' in torch\.float32"):
        Hessians(pinn, products="difference").total(torch.ones(pinn.size, dtype=torch.float64))


def test_single_precision_products_are_accurate() -> None:
    found = []
    for dtype in (torch.float32, torch.float64):
        model, x = mlp(dtype=torch.float32).to(dtype), uniform(20, dtype=torch.float32).to(dtype)

        def pde(model: nn.Module = model, x: Tensor = x) -> Tensor:
            points = x.clone().requires_grad_(True)
            return derivative(derivative(model(points), points), points) + torch.sin(3 * points)

        found.append(dense(Hessians(pinndiag.wrap(model, {"pde": pde, "bc": lambda m=model, x=x: m(x[:2])})).total))
    assert found[0].dtype == torch.float32
    torch.testing.assert_close(found[0].double(), found[1], rtol=0, atol=1e-6 * float(found[1].abs().max()))


def test_what_is_left_as_found() -> None:
    model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 1)).double()
    x = uniform(30)
    pinn = pinndiag.wrap(model, {"fit": lambda: model(x) - x})
    v = torch.randn(pinn.size, dtype=torch.float64)
    for products in ("exact", "difference"):
        state = torch.get_rng_state()
        hessian = Hessians(pinn, products=products).total
        first = hessian(v)
        assert torch.equal(first, hessian(v))  # dropout is held fixed
        assert torch.equal(torch.get_rng_state(), state)
        assert model.training
        assert all(p.grad is None for p in model.parameters())
        assert not first.requires_grad


def test_split_terms_are_evaluated_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = poisson()
    reference = dense(Hessians(whole).total)
    monkeypatch.setattr(_pinn, "CHUNK", 8)  # 20 points in three pieces
    pinn = poisson()
    monkeypatch.setattr(PINN, "splits", lambda self, name: name == "pde")
    pieces = list(pinn.pieces("pde"))
    assert len(pieces) == 3
    torch.testing.assert_close(dense(Hessians(pinn).total), reference, rtol=1e-12, atol=1e-12)
    near = dense(Hessians(pinn, products="difference").total)
    torch.testing.assert_close(near, reference, rtol=0, atol=1e-5 * float(reference.abs().max()))


def test_layer_blocks_are_blocks_of_the_whole() -> None:
    pinn = poisson()
    whole = dense(Hessians(pinn).total)
    start = 0
    for layer, names in pinn.layers.items():
        hessian = Hessians(pinn, parameters=names).total
        end = start + sum(pinn.parameters[n].numel() for n in names)
        assert hessian.size == end - start, layer
        torch.testing.assert_close(dense(hessian), whole[start:end, start:end])
        start = end
    assert start == pinn.size


def test_terms_of_weight_zero_are_not_evaluated() -> None:
    model = mlp()
    x = torch.tensor([0.0], dtype=torch.float64)
    with torch.no_grad():
        for p in model[-1].parameters():
            p.zero_()
    # sqrt at zero: a finite loss whose gradient is not
    terms = {"good": lambda: model(x[:, None]) - 1, "bad": lambda: model(x[:, None]).square().sqrt().sum()}
    pinn = pinndiag.wrap(model, terms, weights={"bad": 0.0})
    hessians = Hessians(pinn)
    v = torch.ones(pinn.size, dtype=torch.float64)
    assert bool(torch.isfinite(hessians.total(v)).all())
    assert not bool(torch.isfinite(hessians.terms["bad"](v)).all())


def test_it_is_a_symmetric_operator() -> None:
    pinn = CASES["single_precision"]()
    total = Hessians(pinn).total
    assert isinstance(total, SymmetricOperator)
    assert (total.size, total.dtype, total.device) == (pinn.size, torch.float32, torch.device("cpu"))
    assert total(torch.ones(pinn.size)).dtype == torch.float32
    assert math.isfinite(float(total(torch.ones(pinn.size)).sum()))
