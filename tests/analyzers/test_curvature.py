"""The curvature analyzer against dense Hessians, and what it does where there is none."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag import PINN, linalg
from pinndiag._derivatives._hessian import Hessian, Hessians
from pinndiag._records import Curvature, from_plain, to_plain
from pinndiag._terms import _parameters
from pinndiag._terms._view import View
from pinndiag.analyzers._curvature import curvature
from tests.cases import CASES, derivative, mlp, poisson, uniform

DOUBLE = [name for name in CASES if name != "single_precision"]


def dense(hessian: Hessian) -> Tensor:
    return torch.stack([hessian(e) for e in torch.eye(hessian.size, dtype=hessian.dtype)], dim=1).double()


def trained(steps: int = 30) -> PINN:
    """`poisson` after some steps of Adam, with the optimizer's state."""
    pinn = poisson()
    (module,) = pinn.modules
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        losses = pinn.losses()
        torch.stack([pinn.weights[n] * losses[n] for n in pinn.names]).sum().backward()
        optimizer.step()
    optimizer.zero_grad()
    return with_optimizer(pinn, optimizer)


def with_optimizer(pinn: PINN, optimizer: torch.optim.Optimizer) -> PINN:
    terms = {n: lambda n=n: pinn.outputs([n])[n] for n in pinn.names}
    return pinndiag.wrap(pinn.modules[0], terms, weights=pinn.weights, optimizer=optimizer)


@pytest.mark.parametrize("name", CASES)
def test_every_case_equals_the_dense_spectrum(name: str) -> None:
    pinn = CASES[name]()
    record = curvature(pinn, density=False)
    hessians = Hessians(CASES[name]())
    exact = 1e-9 if pinn.dtype == torch.float64 else 1e-5
    for found, hessian in [
        *((record.terms[n], hessians.terms[n]) for n in pinn.names),
        (record.total, hessians.total),
    ]:
        true = np.linalg.eigvalsh(dense(hessian).numpy())
        scale = np.abs(true).max()
        assert found.sigma_max.converged
        assert found.sigma_max.value == pytest.approx(true[-1], rel=1e-5)
        assert found.sigma_max.residual <= 1e-3 * abs(found.sigma_max.value)
        for end in (found.sigma_max, found.sigma_min):
            assert np.abs(true - end.value).min() <= end.residual + exact * scale
            assert true[0] - exact * scale <= end.value <= true[-1] + exact * scale
            assert not (end.converged and not end.resolved)
        assert found.sigma_min.products == found.sigma_max.products <= 25


def test_closed_form() -> None:
    """The two quadratic terms of `linear`: eigenvalues of 2 A'A / n by hand."""
    pinn = CASES["linear"]()
    record = curvature(pinn)
    blocks = {}
    for name, factor in (("data", 1.0), ("other", 3.0)):
        points = pinn.infos[name].points
        assert points is not None
        x = points.coordinates[:, 0].numpy()
        a, b, c = (2 * factor**2 * np.mean(x**k) for k in (2, 1, 0))
        root = math.sqrt((a - c) ** 2 / 4 + b**2)
        blocks[name] = np.array([[a, b], [b, c]])
        assert record.terms[name].sigma_max.value == pytest.approx((a + c) / 2 + root, rel=1e-12)
        assert record.terms[name].sigma_min.value == pytest.approx((a + c) / 2 - root, rel=1e-12)
    total = blocks["data"] + 0.5 * blocks["other"]
    assert record.total.sigma_max.value == pytest.approx(np.linalg.eigvalsh(total)[-1], rel=1e-12)
    assert record.density is not None
    assert record.trace is not None
    # with two parameters a probe of signs sees the trace plus or minus twice the off-diagonal entry
    assert record.trace.value == pytest.approx(np.trace(total), abs=2 * abs(total[0, 1]) + 1e-9)


def test_shares_and_predictions_equal_dense_products() -> None:
    pinn = trained()
    record = curvature(pinn, density=False, tolerance=1e-8)
    view, hessians = View(pinn), Hessians(pinn)
    matrices = {n: dense(h) for n, h in hessians.terms.items()}
    total = dense(hessians.total)
    top = torch.linalg.eigh(total).eigenvectors[:, -1]
    for name, matrix in matrices.items():
        expected = pinn.weights[name] * float(top @ matrix @ top / (top @ total @ top))
        assert record.shares[name] == pytest.approx(expected, abs=1e-6)
        predicted = record.terms[name].predicted
        assert predicted is not None
        assert predicted.first_order == pytest.approx(-1e-3 * float(view.gradients[name] @ view.total), rel=1e-10)
        curved = 0.5e-6 * float(view.total @ matrix @ view.total)
        assert predicted.curvature == pytest.approx(curved, rel=1e-9, abs=1e-18)
    assert sum(record.shares.values()) == pytest.approx(1, abs=1e-12)
    assert record.total.predicted is not None
    assert record.total.predicted.first_order == pytest.approx(-1e-3 * float(view.total @ view.total), rel=1e-10)
    assert record.total.predicted.curvature == pytest.approx(0.5e-6 * float(view.total @ total @ view.total), rel=1e-9)


def test_predicted_change_is_the_change_of_a_small_step() -> None:
    pinn = with_optimizer(CASES["poisson"](), torch.optim.SGD(poisson().modules[0].parameters(), lr=1e-3))
    record = curvature(pinn, density=False)
    view = View(pinn)
    before, step = view.losses, view.total
    with torch.no_grad():
        for tensor, move in zip(pinn.tensors, _parameters.unflatten(-1e-3 * step, pinn.tensors), strict=True):
            tensor.add_(move)
    after = View(pinn).losses
    for name, curve in record.terms.items():
        assert curve.predicted is not None
        change = after[name] - before[name]
        both = curve.predicted.first_order + curve.predicted.curvature
        assert both == pytest.approx(change, rel=1e-2, abs=1e-9)
        assert abs(both - change) < 0.5 * abs(curve.predicted.first_order - change)


def test_stability_of_adam_equals_the_dense_preconditioned_spectrum() -> None:
    pinn = trained()
    assert pinn.optimizer is not None
    found = curvature(pinn, density=False).stability
    assert found is not None
    diagonal = []
    for name in pinn.parameters:
        state = pinn.optimizer.state[name]
        v = state["exp_avg_sq"].reshape(-1) / (1 - 0.999**30)
        diagonal.append((1 - 0.9**30) * (v.sqrt() + 1e-8))
    d = torch.cat(diagonal).rsqrt()
    true = float(torch.linalg.eigvalsh(d[:, None] * dense(Hessians(pinn).total) * d)[-1])
    assert found.preconditioned
    assert found.optimizer == "Adam"
    assert found.sigma_max.converged
    assert found.sigma_max.value == pytest.approx(true, rel=1e-5)
    assert found.limit == pytest.approx(38 / true, rel=1e-5)
    assert found.sharpness == pytest.approx(1e-3 * true / 38, rel=1e-5)


def test_stability_of_gradient_descent_costs_nothing_more() -> None:
    pinn = poisson()
    optimizer = torch.optim.SGD(pinn.modules[0].parameters(), lr=0.02, momentum=0.5)
    known = with_optimizer(pinn, optimizer)
    with_limit = curvature(known, density=False)
    assert with_limit.stability is not None
    assert with_limit.stability.sigma_max == with_limit.total.sigma_max
    assert not with_limit.stability.preconditioned
    assert with_limit.stability.limit == pytest.approx(2 * 1.5 / with_limit.total.sigma_max.value)


def test_density_and_trace_of_the_total() -> None:
    pinn = poisson()
    record = curvature(pinn)
    matrix = dense(Hessians(pinn).total)
    true = np.linalg.eigvalsh(matrix.numpy())
    assert record.density is not None
    assert record.trace is not None
    assert record.density.steps == 20
    assert len(record.density.nodes) == 4
    assert max(map(max, record.density.nodes)) <= true[-1] + 1e-9
    assert [sum(w) for w in record.density.weights] == pytest.approx([1.0] * 4)
    assert abs(record.trace.value - float(matrix.trace())) < 5 * record.trace.error
    assert record.products >= 80
    assert curvature(pinn, density=False).density is None


def test_scaling_a_term_scales_its_curvature() -> None:
    model, x = mlp(), uniform(20)
    plain = pinndiag.wrap(model, {"fit": lambda: model(x) - x})
    double = pinndiag.wrap(model, {"fit": lambda: 3 * (model(x) - x)}, weights={"fit": 0.5})
    a, b = curvature(plain, density=False), curvature(double, density=False)
    assert b.terms["fit"].sigma_max.value == pytest.approx(9 * a.terms["fit"].sigma_max.value, rel=1e-9)
    assert b.total.sigma_max.value == pytest.approx(4.5 * a.terms["fit"].sigma_max.value, rel=1e-9)
    assert b.terms["fit"].sigma_max.products == a.terms["fit"].sigma_max.products


def test_the_sharpest_total_is_bounded_by_the_terms() -> None:
    for name in DOUBLE:
        pinn = CASES[name]()
        record = curvature(pinn, density=False)
        bound = sum(pinn.weights[n] * record.terms[n].sigma_max.value for n in pinn.names)
        assert record.total.sigma_max.value <= bound * (1 + 1e-6)


def test_exact_and_difference_products_agree() -> None:
    pinn = poisson()
    a, b = curvature(pinn, density=False), curvature(pinn, density=False, products="difference")
    for name in pinn.names:
        assert b.terms[name].sigma_max.value == pytest.approx(a.terms[name].sigma_max.value, rel=1e-6)
    assert b.total.sigma_max.value == pytest.approx(a.total.sigma_max.value, rel=1e-6)
    assert b.total.sigma_max.converged


def test_a_zero_gradient_still_has_a_curvature() -> None:
    w = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    scale = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    pinn = pinndiag.wrap(lambda p, x: w, {"saddle": lambda: (scale * w**2).sum() - 9 * w[0] ** 2}, parameters={"w": w})
    assert View(pinn).total.abs().max() == 0
    record = curvature(pinn, tolerance=1e-8)
    assert record.total.sigma_max.value == pytest.approx(8.0, rel=1e-9)
    assert record.total.sigma_min.value == pytest.approx(-16.0, rel=1e-9)


def test_a_flat_loss_has_none() -> None:
    w = torch.ones(4, dtype=torch.float64, requires_grad=True)
    record = curvature(pinndiag.wrap(lambda p, x: w, {"flat": lambda: w.sum()}, parameters={"w": w}))
    assert record.total.sigma_max.value == 0
    assert record.total.sigma_max.converged
    assert record.trace is not None
    assert record.trace.value == 0
    assert "flat" in record.reasons["shares"]


def test_the_sign_is_right_when_the_negative_end_is_larger() -> None:
    w = torch.full((40,), 0.1, dtype=torch.float64, requires_grad=True)
    half = torch.cat([torch.linspace(0, 1, 38), torch.tensor([29.21, -29.62])]).double() / 2
    pinn = pinndiag.wrap(lambda p, x: w, {"saddle": lambda: (half * w**2).sum()}, parameters={"w": w})
    record = curvature(pinn, density=False)
    assert record.total.sigma_max.value == pytest.approx(29.21, rel=1e-5)
    assert record.total.sigma_min.value == pytest.approx(-29.62, rel=1e-3)


def test_a_direction_absent_from_the_start_is_found_through_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient of `one` lies in another direction than its sharpest one; without the random part it stays there."""
    monkeypatch.setattr("pinndiag.analyzers._curvature.RANDOM", 1e-13)
    w = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    terms = {
        "one": lambda: w[0] ** 2 + 50 * w[1] ** 2,
        "two": lambda: (w[1] + w[2]) ** 2 + w[1],
    }
    record = curvature(pinndiag.wrap(lambda p, x: w, terms, parameters={"w": w}), density=False)
    assert record.terms["one"].sigma_max.value == pytest.approx(100.0, rel=1e-4)


def test_a_total_missed_by_its_start_is_found_through_the_density(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = linalg.lanczos, []

    def first_start_is_blind(operator: Hessian, start: Tensor, **settings: float) -> linalg.LanczosResult:
        calls.append(start)
        blind = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
        return real(operator, blind if len(calls) == 1 else start, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr("pinndiag.analyzers._curvature.lanczos", first_start_is_blind)
    w = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    terms = {"one": lambda: w[0] ** 2 + 50 * w[1] ** 2 - w[2] ** 2}
    record = curvature(pinndiag.wrap(lambda p, x: w, terms, parameters={"w": w}))
    assert record.total.sigma_max.value == pytest.approx(100.0, rel=1e-4)


def sick() -> PINN:
    """`bad` has a finite loss and a gradient of NaN: the square root of zero."""
    model = mlp()
    with torch.no_grad():
        for p in model[-1].parameters():
            p.zero_()
    x = uniform(4)
    terms = {"good": lambda: model(x) - 1, "bad": lambda: model(x).square().sum().sqrt()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return pinndiag.wrap(model, terms, optimizer=optimizer)


def test_a_gradient_that_is_not_finite_is_a_value() -> None:
    record = curvature(sick())
    assert record.terms["good"].sigma_max.converged
    for part in (record.terms["bad"], record.total):
        for end in (part.sigma_max, part.sigma_min):
            assert math.isnan(end.value)
            assert math.isnan(end.residual)
            assert not end.converged
            assert end.products == 0
        assert part.predicted is None
    assert (record.density, record.trace, record.stability, record.shares) == (None, None, None, {})
    assert "NaN" in record.reasons["terms.bad"]
    assert "NaN" in record.reasons["total"]
    assert {"predicted", "stability"} <= set(record.reasons)
    again = from_plain(msgspec.json.decode(msgspec.json.encode(to_plain(record))), Curvature)
    assert math.isnan(again.total.sigma_max.value)
    assert again.terms["good"] == record.terms["good"]


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: object, grad: Tensor) -> Tensor:
        return 2 * grad


def test_a_term_that_cannot_be_differentiated_twice_is_a_value() -> None:
    model, x = mlp(), uniform(6)
    terms = {"good": lambda: model(x) - 1, "once": lambda: Once.apply(model(x))}
    pinn = pinndiag.wrap(model, terms)
    record = curvature(pinn)
    assert record.terms["good"].sigma_max.converged
    assert math.isnan(record.terms["once"].sigma_max.value)
    assert "once_differentiable" in record.reasons["terms.once"]
    assert math.isnan(record.total.sigma_max.value)
    # forward differences need its first derivative only
    again = curvature(pinn, density=False, products="difference")
    plain = curvature(pinndiag.wrap(model, {"twice": lambda: 2 * model(x)}), density=False)
    assert again.terms["once"].sigma_max.value == pytest.approx(plain.terms["twice"].sigma_max.value, rel=1e-6)


def test_hessians_that_are_not_finite_are_values() -> None:
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    # |w|^1.5: the gradient at zero is zero, the second derivative infinite
    terms = {"cusp": lambda: (w.abs() ** 1.5).sum()}
    record = curvature(pinndiag.wrap(lambda p, x: w, terms, parameters={"w": w}))
    assert math.isnan(record.total.sigma_max.value)
    assert "Hessian-vector product" in record.reasons["total"]


def test_names_that_collide_with_parts_of_the_record() -> None:
    model, x = mlp(), uniform(6)
    record = curvature(pinndiag.wrap(model, {"total": lambda: model(x) - 1, "density": lambda: model(x) - x}))
    assert set(record.terms) == {"total", "density"}
    assert record.terms["total"] != record.total
    assert not {"total", "density"} & set(record.reasons)


def test_reasons_without_an_optimizer() -> None:
    record = curvature(CASES["beam"](), density=False)
    assert record.stability is None
    assert record.terms["pde"].predicted is None
    assert "pass optimizer=" in record.reasons["stability"]
    assert "pass optimizer=" in record.reasons["predicted"]


def test_everything_is_left_as_found_and_a_seed_repeats() -> None:
    pinn = trained()
    before = [t.detach().clone() for t in pinn.tensors]
    state = torch.get_rng_state()
    first = curvature(View(pinn), seed=3)
    assert first == curvature(pinn, seed=3)
    assert first != curvature(pinn, seed=4)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(before, pinn.tensors, strict=True))
    assert all(t.grad is None for t in pinn.tensors)
    assert first.basis_limit == 60


def test_max_steps_bounds_the_products() -> None:
    record = curvature(poisson(), max_steps=2, density=False)
    assert record.terms["pde"].sigma_max.products == 2
    assert not record.terms["pde"].sigma_max.converged
    assert record.basis_limit == 2


def test_graphs_are_released() -> None:
    """No growth over calls: the second-order graphs hold no cycle that outlives the call."""
    import gc

    pinn = poisson()
    curvature(pinn, density=False)
    gc.collect()
    gc.disable()
    try:
        alive = sum(type(o) is Tensor for o in gc.get_objects())
        for _ in range(3):
            curvature(pinn, density=False)
        assert sum(type(o) is Tensor for o in gc.get_objects()) <= alive + 5
    finally:
        gc.enable()


def test_derivative_of_higher_order_terms_does_not_matter() -> None:
    """Fourth derivatives inside the term, a fifth and a sixth in the Hessian's products."""
    x = uniform(8)
    model = mlp()

    def plate() -> Tensor:
        points = x.clone().requires_grad_(True)
        u = model(points)
        for _ in range(4):
            u = derivative(u, points)
        return u

    pinn = pinndiag.wrap(model, {"plate": plate})
    true = np.linalg.eigvalsh(dense(Hessians(pinn).terms["plate"]).numpy())
    assert curvature(pinn, density=False).terms["plate"].sigma_max.value == pytest.approx(true[-1], rel=1e-5)
