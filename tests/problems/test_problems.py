"""Every problem: its terms vanish at its solution, wrap and save work on it, and it trains reproducibly."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PinndiagError, analyzers, problems
from pinndiag.problems import Problem

PI = math.pi
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("helmholtz", {}),
    ("helmholtz", {"a1": 2.0, "a2": 3.0, "k": 2.0}),
    ("klein_gordon", {}),
    ("cavity", {"formulation": "velocity"}),
    ("cavity", {"formulation": "stream"}),
    ("poisson_1d", {"C": 4.0}),
    ("poisson_2d", {"interior": 100}),
    ("burgers", {}),
    ("allen_cahn", {}),
    ("kirchhoff", {"units": "physical"}),
    ("kirchhoff", {"units": "scaled"}),
    ("poisson_ntk", {}),
    ("wave", {}),
    ("regression", {}),
]
EXACT: dict[str, Callable[..., Tensor]] = {
    "helmholtz": lambda x, y, a1=1.0, a2=4.0, k=1.0: torch.sin(a1 * PI * x) * torch.sin(a2 * PI * y),
    "klein_gordon": lambda t, x: x * torch.cos(5 * PI * t) + x**3 * t**3,
    "poisson_1d": lambda x, C=16.0: torch.sin(C * x),
    "poisson_2d": lambda x, y, interior: torch.cos(4 * PI * x) * torch.sin(4 * PI * y),
    "poisson_ntk": lambda x: torch.sin(4 * PI * x),
    "wave": lambda t, x: (
        torch.sin(PI * x) * torch.cos(2 * PI * t) + 0.5 * torch.sin(4 * PI * x) * torch.cos(8 * PI * t)
    ),
    "kirchhoff": lambda x, y, units: (
        torch.sin(PI * x) * torch.sin(PI * y)
        if units == "scaled"
        else 0.015 * 100**2 / (4 * PI**4 * 20.83) * torch.sin(PI * x / 10) * torch.sin(PI * y / 10)
    ),
    "regression": lambda x: torch.tanh(20 * x),
}


def double(name: str, **options: Any) -> Problem:
    return problems.make(name, dtype=torch.float64, **options)


def test_every_problem_is_tested() -> None:
    assert {name for name, _ in VARIANTS} == set(problems.names()) == {about.name for about in problems.catalogue()}
    for about in problems.catalogue():
        assert set(problems.options(about.name)) >= {key for n, o in VARIANTS for key in o if n == about.name}


@pytest.mark.parametrize(("name", "options"), [v for v in VARIANTS if v[0] in EXACT], ids=lambda v: str(v))
def test_terms_vanish_at_the_exact_solution(name: str, options: dict[str, Any]) -> None:
    problem = double(name, **options)
    before = {name: float(term.residual(term.points).detach().abs().max()) for name, term in problem.terms.items()}

    def exact(x: Tensor) -> Tensor:
        return EXACT[name](*x.split(1, dim=1), **options)

    points, values = problem.solution
    torch.testing.assert_close(exact(points), values, rtol=1e-9, atol=1e-9)
    problem.model.register_forward_hook(lambda module, inputs, output: exact(inputs[0]))
    for term_name, term in problem.terms.items():
        residual = term.residual(term.points)
        assert residual.shape[0] == len(term.points)
        assert float(residual.detach().abs().max()) < 1e-9 * max(1.0, before[term_name]), term_name


@pytest.mark.parametrize(("name", "options"), [v for v in VARIANTS if v[0] in EXACT], ids=lambda v: str(v))
def test_every_term_sees_a_solution_that_is_a_little_off(name: str, options: dict[str, Any]) -> None:
    """At points of its own sampler, where the exact solution leaves nothing: no term is blind, no residual constant."""
    problem = double(name, **options)
    side, size = (float(tensor.abs().max()) for tensor in problem.solution)
    off = 0.0

    def nearly(x: Tensor) -> Tensor:
        return EXACT[name](*x.split(1, dim=1), **options) + off * size * torch.exp(x.sum(dim=1, keepdim=True) / side)

    problem.model.register_forward_hook(lambda module, inputs, output: nearly(inputs[0]))
    for term_name, term in problem.terms.items():
        points = term.draw(50)
        off = 0.0
        left = float(term.residual(points).detach().abs().max())
        off = 1e-3
        seen = float(term.residual(points).detach().abs().max())
        assert seen > 1e3 * left, term_name


def jacobians(net: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """Value, first, second and third derivatives of every output, (points, outputs, d, ...)."""

    def u(point: Tensor) -> Tensor:
        return net(point[None])[0]

    functions = [u]
    for _ in range(3):
        functions.append(torch.func.jacfwd(functions[-1]))
    return tuple(torch.func.vmap(f)(x) for f in functions)


def test_burgers_residual_is_the_equation() -> None:
    problem = double("burgers")
    x = problem.terms["pde"].points[:7]
    u, du, d2u, _ = jacobians(problem.model, x)
    twin = du[:, 0, 0] + u[:, 0] * du[:, 0, 1] - 0.01 / PI * d2u[:, 0, 1, 1]
    torch.testing.assert_close(problem.terms["pde"].residual(x)[:, 0], twin)


def test_allen_cahn_residuals_are_the_equation_and_the_period() -> None:
    problem = double("allen_cahn")
    x = problem.terms["pde"].points[:7]
    u, du, d2u, _ = jacobians(problem.model, x)
    twin = du[:, 0, 0] - 1e-4 * d2u[:, 0, 1, 1] - 5 * u[:, 0] * (1 - u[:, 0] ** 2)
    torch.testing.assert_close(problem.terms["pde"].residual(x)[:, 0], twin)
    left = problem.terms["bc"].points[:5]
    assert (left[:, 1] == -1).all()
    right = left * torch.tensor([1.0, -1.0])
    ends = [jacobians(problem.model, side)[:2] for side in (left, right)]
    gaps = torch.stack([ends[0][0][:, 0] - ends[1][0][:, 0], ends[0][1][:, 0, 1] - ends[1][1][:, 0, 1]], dim=1)
    torch.testing.assert_close(problem.terms["bc"].residual(left), gaps)


@pytest.mark.parametrize("formulation", ["velocity", "stream"])
def test_cavity_residuals_are_the_navier_stokes_equations(formulation: str) -> None:
    problem = double("cavity", formulation=formulation)
    x = problem.terms["pde"].points[:7]
    _, first, second, third = jacobians(problem.model.net, x)  # type: ignore[arg-type]
    if formulation == "velocity":
        u, v = problem.model(x).unbind(1)
        du, d2u, dp = first[:, :2], second[:, :2], first[:, 2]
        rest = [du[:, 0, 0] + du[:, 1, 1]]
    else:
        u, v = first[:, 0, 1], -first[:, 0, 0]
        du = torch.stack([second[:, 0, 1], -second[:, 0, 0]], dim=1)
        d2u = torch.stack([third[:, 0, 1], -third[:, 0, 0]], dim=1)
        dp, rest = first[:, 1], []
        torch.testing.assert_close(problem.model(x), torch.stack([u, v], dim=1))
    laplacian = d2u[:, :, 0, 0] + d2u[:, :, 1, 1]
    momentum = u[:, None] * du[:, :, 0] + v[:, None] * du[:, :, 1] + dp - laplacian / 100
    torch.testing.assert_close(
        problem.terms["pde"].residual(x), torch.cat([momentum, *[r[:, None] for r in rest]], dim=1)
    )


def test_cavity_walls_carry_the_lid() -> None:
    problem = double("cavity")
    walls = torch.tensor([[0.3, 1.0], [0.3, 0.0], [0.0, 0.4], [1.0, 0.4]], dtype=torch.float64)
    wanted = problem.model(walls) - problem.terms["bc"].residual(walls)
    lid = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(wanted, lid)
    points, velocity = problem.solution
    on_lid = points[:, 1] == 1
    assert (velocity[on_lid] == lid[0]).all()
    assert points[on_lid, 0].min() > 0  # without the corners


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=lambda v: str(v))
def test_what_wrap_gets(name: str, options: dict[str, Any]) -> None:
    problem = double(name, **options)
    problems.train(problem, 2)
    pinn = problem.wrap()
    assert pinn.names == list(problem.terms)
    assert pinn.weights == problem.weights
    assert pinn.reference is not None
    for term_name, term in problem.terms.items():
        assert not pinn.infos[term_name].random
        fresh, how = pinn.fresh_points(term_name, 9)
        assert how == "drawn by sampler="
        assert fresh.value.shape == (9, term.points.shape[1])
        low, high = term.points.amin(0), term.points.amax(0)
        assert ((fresh.value >= low - 0.2) & (fresh.value <= high + 0.2)).all()
    assert any((pinn.initial[key] != value).any() for key, value in pinn.parameters.items())  # type: ignore[index]
    assert analyzers.solution(pinn).rel_l2 == pytest.approx(problem.error(), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("helmholtz", {"arch": "modified"}),
        ("cavity", {"formulation": "stream"}),
        ("burgers", {}),
        ("allen_cahn", {}),
        ("kirchhoff", {}),
    ],
    ids=lambda v: str(v),
)
def test_a_saved_problem_has_the_live_figures(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    problem = double(name, **options)
    problems.train(problem, 2)
    pinn = problem.wrap()
    loaded = pinndiag.load(pinn.save(tmp_path / "problem.pt"))
    live, stored = analyzers.gradients(pinn), analyzers.gradients(loaded)
    for term_name in problem.terms:
        assert stored.terms[term_name].grad_l2 == pytest.approx(live.terms[term_name].grad_l2, rel=1e-10)
    assert analyzers.solution(loaded).rel_l2 == pytest.approx(problem.error(), rel=1e-9)
    layers = [layer for layer in analyzers.activations(loaded).layers if layer.term == "pde"]
    assert {layer.function for layer in layers} == {"tanh"}
    hidden = [key for key, _ in problem.model.named_modules() if "hidden." in key or "encoder" in key]
    assert sorted(layer.layer for layer in layers) == sorted(hidden)


@pytest.mark.parametrize("name", ["helmholtz", "allen_cahn"])
def test_the_seed_decides_and_the_global_generator_is_left_alone(name: str) -> None:
    before = torch.get_rng_state()
    made = [problems.make(name, seed=seed) for seed in (0, 0, 1)]
    for problem in made:
        problems.train(problem, 3)
        torch.rand(1)
    first, same, other = (torch.cat([p.detach().ravel() for p in m.model.parameters()]) for m in made)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    torch.set_rng_state(before)
    problems.train(made[0], 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_training_goes_on_from_where_it_is() -> None:
    """On fixed points ten steps are six and four more."""
    whole, parts = (problems.make("regression", seed=3) for _ in range(2))
    problems.train(whole, 10)
    problems.train(parts, 6)
    problems.train(parts, 4)
    assert whole.error() == parts.error()


def test_training_takes_any_loss_and_tells_its_progress() -> None:
    problem = problems.make("helmholtz")
    seen: list[tuple[int, set[str]]] = []

    def boundary_only(residuals: dict[str, Tensor]) -> Tensor:
        return residuals["bc"].square().mean()

    problems.train(problem, 2, loss=boundary_only, progress=lambda step, r: seen.append((step, set(r))))
    problems.train(problem, 1, loss=boundary_only, progress=lambda step, r: seen.append((step, set(r))))
    assert seen == [(0, {"pde", "bc"}), (1, {"pde", "bc"}), (2, {"pde", "bc"})]
    start, now = problem.initial, problem.model.state_dict()
    untouched = problems.make("helmholtz")
    problems.train(untouched, 3)
    assert any(not torch.equal(start[key], now[key]) for key in start)
    assert any(not torch.equal(untouched.model.state_dict()[key], now[key]) for key in start)


def test_one_step_is_the_sources_loss() -> None:
    """Helmholtz sums the edges: four times the mean over all boundary points."""
    problem = double("helmholtz")
    points = {name: term.points for name, term in problem.terms.items()}
    bc = problem.terms["bc"].residual(points["bc"])
    edges = [bc[k::4].square().mean() for k in range(4)]
    assert {tuple(p) for p in points["bc"][0::4, :1].tolist()} == {(-1.0,)}
    pinn = problem.wrap()
    total = sum(pinn.weights[name] * float(loss.detach()) for name, loss in pinn.losses().items())
    pde = problem.terms["pde"].residual(points["pde"]).square().mean()
    assert total == pytest.approx(float((pde + torch.stack(edges).sum()).detach()))


def test_a_step_draws_what_the_source_draws() -> None:
    fresh = problems.make("helmholtz").terms["pde"]
    assert not torch.equal(fresh.batch(), fresh.batch())
    fixed = problems.make("poisson_2d", interior=100).terms["pde"]
    assert torch.equal(fixed.batch(), fixed.points)
    part = problems.make("allen_cahn", size="full").terms["pde"]
    batch = part.batch()
    assert batch.shape == (4096, 2)
    assert len(part.points) == 20_000
    assert (batch[:50, None] == part.points).all(-1).any(-1).all()


PUBLISHED = {  # points of each term and the hidden layers, of the sources
    "helmholtz": ({"pde": 128, "bc": 512}, 3, 50),
    "klein_gordon": ({"pde": 128, "ic": 128, "bc": 256}, 5, 50),
    "cavity": ({"pde": 128, "bc": 512}, 5, 50),
    "poisson_1d": ({"pde": 128, "bc": 2}, 5, 50),
    "poisson_2d": ({"pde": 2500, "bc": 400}, 4, 50),
    "burgers": ({"pde": 10_000, "ic": 100, "bc": 200}, 8, 20),
    "allen_cahn": ({"pde": 20_000, "ic": 512, "bc": 200}, 4, 128),
    "kirchhoff": ({"pde": 683, "deflection": 341, "moment": 341}, 4, 360),
    "poisson_ntk": ({"pde": 100, "bc": 2}, 1, 100),
    "wave": ({"pde": 300, "value": 300, "velocity": 100}, 3, 500),
    "regression": ({"data": 30}, 2, 20),
}


@pytest.mark.parametrize("name", problems.names())
@pytest.mark.parametrize("arch", ["mlp", "modified"])
def test_the_full_size_is_the_published_one(name: str, arch: str) -> None:
    problem = problems.make(name, size="full", arch=arch)
    counts, depth, width = PUBLISHED[name]
    assert {n: len(term.points) for n, term in problem.terms.items()} == counts
    hidden = [layer for key, layer in problem.model.named_modules() if "hidden." in key]
    assert [layer.out_features for layer in hidden] == [width] * depth
    assert any("encoder_u" in key for key in problem.model.state_dict()) == (arch == "modified")
    assert problem.steps >= problems.make(name).steps


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(PinndiagError, match=r"there is no problem 'heat'[\s\S]*helmholtz"):
        problems.make("heat")
    with pytest.raises(PinndiagError, match=r"no option a3[\s\S]*a2=4.0"):
        problems.make("helmholtz", a3=1.0)
    for wrong in ({"size": "tiny"}, {"arch": "cnn"}, {"formulation": "vorticity"}):
        with pytest.raises(PinndiagError, match="is not a choice"):
            problems.make("cavity", **wrong)


def test_hyphens_count_as_underscores() -> None:
    assert problems.make("klein-gordon").about.name == "klein_gordon"
