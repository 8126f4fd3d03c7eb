"""wrap: what it accepts, what it refuses, and in which words."""

from __future__ import annotations

import functools
import inspect
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import pinndiag
from pinndiag import TermError
from pinndiag._terms._view import View
from tests.cases import CASES, derivative, mlp, uniform


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_term_is_wrapped(name: str) -> None:
    pinn = CASES[name]()
    assert pinn.size == sum(p.numel() * (2 if p.is_complex() else 1) for p in pinn.tensors)
    for term, loss in pinn.losses().items():
        assert loss.ndim == 0
        assert loss.requires_grad
        assert not loss.is_complex()
        output = pinn.outputs([term])[term]
        expected = output if output.ndim == 0 else (output.abs() ** 2).mean()
        torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("name", CASES)
def test_weighted_term_gradients_add_up_to_the_gradient_of_the_total(name: str) -> None:
    pinn = CASES[name]()
    total = sum(pinn.weights[n] * loss for n, loss in pinn.losses().items())
    expected = torch.autograd.grad(total, pinn.tensors, allow_unused=True)
    flat = torch.cat(
        [(torch.zeros_like(p) if g is None else g).reshape(-1) for g, p in zip(expected, pinn.tensors, strict=True)]
    )
    torch.testing.assert_close(View.of(pinn).total, flat)


@pytest.mark.parametrize("name", CASES)
def test_wrapping_and_viewing_leave_no_trace(name: str) -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    pinn = CASES[name]()
    torch.set_rng_state(before)
    values = [p.detach().clone() for p in pinn.tensors]
    View.of(pinn).total  # noqa: B018
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(values, pinn.tensors, strict=True))
    assert all(p.grad is None for p in pinn.tensors)


def test_trainable_parameters_come_from_module_extras_and_optimizer_once() -> None:
    model, extra, other = nn.Linear(1, 1), nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    model.bias.requires_grad_(False)
    optimizer = torch.optim.SGD([model.weight, extra, other], lr=0.1, momentum=0.9)
    x = uniform(3, dtype=torch.float32)
    pinn = pinndiag.wrap(
        model,
        {"a": lambda: model(x) * extra.sum() * other.sum()},
        parameters=[extra],
        optimizer=optimizer,
    )
    assert list(pinn.parameters) == ["weight", "parameters.0", "optimizer.2"]
    assert pinn.size == 1 + 2 + 3
    assert pinn.optimizer is not None
    assert pinn.optimizer.kind == "SGD"
    assert pinn.optimizer.lr == 0.1
    assert pinn.optimizer.groups[0]["parameters"] == ["weight", "parameters.0", "optimizer.2"]


def test_optimizer_state_is_read_by_parameter_name() -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    pinn = pinndiag.wrap(model, {"a": lambda: model(torch.ones(1, 1))}, optimizer=optimizer)
    assert pinn.optimizer is not None
    assert set(pinn.optimizer.state) == {"weight", "bias"}
    assert pinn.optimizer.state["weight"]["step"] == 1
    assert pinn.optimizer.state["weight"]["exp_avg_sq"].shape == (1, 1)


def test_lbfgs_says_how_often_it_stepped_and_a_file_keeps_it(tmp_path: Path) -> None:
    """A quadratic bowl is solved long before 50 iterations."""
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=50, line_search_fn="strong_wolfe")
    pinn = pinndiag.wrap(model, {"a": lambda: model(torch.ones(1, 1))}, optimizer=optimizer)
    assert pinn.optimizer is not None
    assert pinn.optimizer.counts == {}

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = pinn.losses()["a"]
        loss.backward()
        return loss

    optimizer.step(closure)
    assert pinn.optimizer is not None
    assert pinn.optimizer.counts.keys() == {"n_iter", "func_evals"}
    assert 0 < pinn.optimizer.counts["n_iter"] < 50
    assert pinndiag.analyze(pinn, analyzers=["gradients"]).record.run.optimizer.counts == pinn.optimizer.counts
    pinn.save(tmp_path / "bowl.pt")
    found = pinndiag.load(tmp_path / "bowl.pt").optimizer
    assert found is not None
    assert found.counts == pinn.optimizer.counts


def test_a_live_optimizer_is_read_as_it_is_now() -> None:
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    pinn = pinndiag.wrap(model, {"a": lambda: model(torch.ones(1, 1))}, optimizer=optimizer)
    assert pinn.optimizer is not None
    assert not pinn.optimizer.state
    pinn.losses()["a"].backward()
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 1e-6  # as a scheduler does
    assert pinn.optimizer.lr == 1e-6
    assert pinn.optimizer.state["weight"]["step"] == 1
    assert pinndiag.analyze(pinn, analyzers=["gradients"]).record.run.optimizer.lr == 1e-6


def test_layers_are_the_modules_that_own_the_parameters() -> None:
    assert list(CASES["coefficient"]().layers) == ["u.2", "u.4", "k.0", "k.2", "parameters.0"]


def test_weights_default_to_one() -> None:
    assert CASES["linear"]().weights == {"data": 1.0, "other": 0.5}


def test_a_term_that_shares_a_forward_pass_is_evaluated_with_the_others() -> None:
    pinn = CASES["shared"]()
    alone = pinn.outputs(["second"])["second"]
    torch.testing.assert_close(alone, pinn.outputs()["second"])


def test_random_terms_are_held_fixed_and_noted() -> None:
    pinn = CASES["noisy"]()
    assert pinn.infos["pde"].random
    assert not pinn.infos["bc"].random
    assert torch.equal(pinn.losses()["pde"], pinn.losses()["pde"])
    assert any("pde" in note and "random" in note for note in pinn.notes)


def test_a_term_that_moves_on_by_itself_is_noted() -> None:
    model, batches = mlp(), iter(range(1000))
    pinn = pinndiag.wrap(model, {"a": lambda: model(torch.full((2, 1), next(batches) / 10, dtype=torch.float64))})
    assert not pinn.infos["a"].repeatable
    assert "other values" in pinn.notes[0]


def test_negative_losses_are_accepted_with_a_note() -> None:
    model = mlp()
    pinn = pinndiag.wrap(model, {"energy": lambda: -(model(uniform(3)) ** 2).sum() - 1})
    assert "negative" in pinn.notes[0]


def test_nonfinite_losses_are_no_error() -> None:
    model = mlp()
    pinn = pinndiag.wrap(model, {"a": lambda: model(uniform(3)) / 0})
    assert not torch.isfinite(pinn.losses()["a"])


def test_points_may_be_columns_and_fresh_ones_keep_their_form() -> None:
    pinn = CASES["schroedinger"]()
    info = pinn.infos["pde"]
    assert info.takes_points
    assert info.points is not None
    assert info.points.coordinates.shape == (9, 2)
    moved = info.points.at(info.points.coordinates[:4] + 1)
    assert isinstance(moved.value, tuple)
    assert [t.shape for t in moved.value] == [(4, 1), (4, 1)]
    assert pinn.outputs(["pde"], {"pde": moved})["pde"].shape == (4, 1)


def test_compiled_models_are_differentiated_as_written() -> None:
    model, x = mlp(), uniform(4)
    compiled = torch.compile(model, backend="aot_eager")

    def residual(x: torch.Tensor) -> torch.Tensor:
        x = x.requires_grad_(True)
        return derivative(derivative(compiled(x), x), x)

    pinn = pinndiag.wrap(compiled, {"a": residual}, points={"a": x})
    assert next(iter(pinn.parameters)) == "0.weight"
    (twice,) = torch.autograd.grad(View.of(pinn).pinn.losses()["a"], [pinn.parameters["0.weight"]], create_graph=True)
    assert twice.requires_grad


def test_a_user_sampler_is_used() -> None:
    model = mlp()
    pinn = pinndiag.wrap(
        model,
        {"a": lambda x: model(x)},
        points={"a": uniform(5)},
        sampler={"a": lambda n: 5 + torch.rand(n, 1, dtype=torch.float64)},
    )
    points, how = pinn.fresh_points("a", 7)
    assert points.count == 7
    assert points.coordinates.min() >= 5
    assert "sampler" in how
    again, _ = pinn.fresh_points("a", 7)
    assert torch.equal(points.coordinates, again.coordinates)


def test_points_are_not_passed_to_a_term_without_argument() -> None:
    model, x = mlp(), uniform(4)
    pinn = pinndiag.wrap(model, {"a": lambda scale=2.0: scale * model(x)}, points={"a": x})
    assert not pinn.infos["a"].takes_points


def test_partial_and_bound_callables() -> None:
    model, x = mlp(), uniform(4)

    def residual(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return net(x) - 1

    pinn = pinndiag.wrap(model, {"a": functools.partial(residual, model)}, points={"a": x})
    assert pinn.infos["a"].takes_points


def test_a_term_may_be_a_module() -> None:
    class Residual(nn.Module):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.model(x) - 1

    model, x = mlp(), uniform(4)
    pinn = pinndiag.wrap(model, {"a": Residual(model)}, points={"a": x})
    assert pinn.infos["a"].takes_points


def test_splitting_gives_the_same_loss_and_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = mlp(), uniform(1100)

    def residual(x: torch.Tensor) -> torch.Tensor:
        x = x.requires_grad_(True)
        return derivative(model(x), x) - 1

    def mean_free(x: torch.Tensor) -> torch.Tensor:
        u = model(x)
        return u - u.mean()

    y = model(x).detach()
    coupled = {
        "b": mean_free,
        "sum": lambda x: model(x).cumsum(0),
        "max": lambda x: model(x) - model(x).max(),
        "tied": lambda x: model(x) - y,
    }
    pinn = pinndiag.wrap(model, {"a": residual, **coupled}, points=dict.fromkeys(["a", *coupled], x))
    whole = View.of(pinn).gradients["a"]
    monkeypatch.setattr("pinndiag._terms._pinn.CHUNK", 300)
    assert pinn.splits("a")
    for name in coupled:
        assert not pinn.splits(name), "a residual that couples its points must stay whole"
    assert len(list(pinn.pieces("a"))) == 4
    torch.testing.assert_close(sum(pinn.pieces("a")), pinn.losses()["a"])
    torch.testing.assert_close(View(pinn).gradients["a"], whole)


def test_a_known_solution_is_evaluated() -> None:
    pinn = CASES["poisson"]()
    assert pinn.reference is not None
    assert pinn.solve(pinn.reference.points).shape == (11, 1)


# the run-time type checker of the tests would speak first; users do not have it
unchecked = inspect.unwrap(pinndiag.wrap)
MODEL = mlp(dtype=torch.float32)
X = uniform(4, dtype=torch.float32)


@pytest.mark.parametrize(
    ("terms", "options", "expected"),
    [
        ({}, {}, "no loss terms"),
        ({"a|b": lambda: MODEL(X)}, {}, "not a possible name"),
        ({"a": lambda: None}, {}, r"'a' returned NoneType"),
        ({"a": lambda: MODEL(X).mean().item()}, {}, "'a' returned float"),
        ({"a": lambda: (MODEL(X), MODEL(X))}, {}, "'a' returned tuple"),
        ({"a": lambda: (MODEL(X) > 0).int()}, {}, "torch.int32, which cannot have a gradient"),
        ({"a": lambda: MODEL(X).detach()}, {}, "'a' needs no gradient"),
        ({"a": lambda: MODEL(X)[:0]}, {}, "'a' returned an empty tensor"),
        ({"a": lambda: MODEL(X).sum() + 0j}, {}, "complex scalar"),
        ({"a": MODEL(X)}, {}, "'a' is not callable"),
        ({"a": lambda x: MODEL(x)}, {}, "takes its points (x) but none were given"),
        ({"a": lambda x, y: MODEL(x)}, {"points": {"a": X}}, "takes 2 arguments"),
        ({"a": lambda: MODEL(X)}, {"points": {"b": X}}, "points= names a term that does not exist: 'b'"),
        ({"a": lambda: MODEL(X)}, {"weights": {"b": 1.0}}, "weights= names a term that does not exist: 'b'"),
        ({"a": lambda: MODEL(X)}, {"points": {"a": [X, X[:2]]}}, "different lengths"),
        ({"a": lambda: MODEL(X)}, {"points": {"a": 3}}, "are not tensors"),
        ({"a": lambda: MODEL(X)}, {"parameters": [torch.ones(2)]}, "cannot be trained"),
        ({"a": lambda: MODEL(X)}, {"solution": X}, "not a pair"),
        ({"a": lambda: MODEL(X)}, {"solution": (X, X[:2])}, "as many values as points"),
        ({"a": lambda: MODEL(X)}, {"initial": {"0.weight": X}}, "another shape"),
        ({"a": lambda: MODEL(X)}, {"initial": {"other": X}}, "none of the trainable parameters"),
        ({"a": lambda: MODEL(X)}, {"initial": MODEL}, "initial= is not a mapping"),
        ({"a": lambda: MODEL(X)}, {"points": X}, "points= is not a mapping"),
        ({"a": lambda: MODEL(X)}, {"weights": {"a": float("nan")}}, "not a finite number"),
        ({"a": lambda: MODEL(X)}, {"weights": {"a": "big"}}, "not a finite number"),
        ({"a": lambda: MODEL(X)}, {"optimizer": "adam"}, "not a torch optimizer"),
        ({"a": lambda: MODEL(X)}, {"sampler": {"a": X}}, "is not callable"),
        ({"a": lambda: MODEL(torch.ones(2, 3))}, {}, "'a' raised RuntimeError"),
    ],
)
def test_bad_input_gets_an_error_that_teaches(terms: dict, options: dict, expected: str) -> None:
    with pytest.raises(TermError, match=re.escape(expected) if "(" in expected else expected) as caught:
        unchecked(MODEL, terms, **options)
    assert caught.value.cause
    assert caught.value.fix


def test_two_devices_are_refused() -> None:
    model = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1, device="meta")])
    with pytest.raises(TermError, match="two devices") as caught:
        pinndiag.wrap(model, {"a": lambda: model[0](torch.ones(1, 1))})
    assert "meta" in caught.value.where


def test_nothing_trainable_is_refused() -> None:
    model = nn.Linear(1, 1).requires_grad_(False)
    with pytest.raises(TermError, match="nothing is trainable"):
        pinndiag.wrap(model, {"a": lambda: model(torch.ones(1, 1))})


def test_a_function_needs_its_parameter_mapping() -> None:
    with pytest.raises(TermError, match="parameters= is not the mapping"):
        pinndiag.wrap(lambda p, x: x, {"a": lambda: torch.ones(1)}, parameters=[nn.Parameter(torch.ones(1))])


@pytest.mark.parametrize("given", [{"names": ["a"]}, {"data": torch.ones(1)}])
def test_what_goes_with_frameworks_is_refused_beside_terms(given: dict[str, object]) -> None:
    with pytest.raises(TermError, match="names= and data= go with the object of a framework"):
        pinndiag.wrap(mlp(), {"a": lambda: torch.ones(1)}, **given)  # type: ignore[arg-type]


def test_each_random_term_has_its_own_draws_whoever_is_evaluated() -> None:
    model = mlp()

    def noise() -> torch.Tensor:
        return model(torch.rand(3, 1, dtype=torch.float64))

    pinn = pinndiag.wrap(model, {"a": noise, "b": noise})
    together = pinn.outputs()
    assert not torch.equal(together["a"], together["b"])
    for name in ("b", "a"):
        assert torch.equal(pinn.outputs([name])[name], together[name])
        assert torch.equal(pinn.copy().outputs([name])[name], together[name])


def test_running_statistics_stay_as_they_are() -> None:
    model = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)).double()
    x = uniform(6)
    pinn = pinndiag.wrap(model, {"a": lambda: model(x) - 1})
    View.of(pinn).total  # noqa: B018
    assert model[1].num_batches_tracked == 0
    assert not model[1].running_mean.any()


def test_the_state_of_a_scalar_coefficient_stays_a_tensor() -> None:
    model, k = mlp(), nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    optimizer = torch.optim.Adam([*model.parameters(), k])
    x = uniform(4)
    (k * model(x)).square().mean().backward()
    optimizer.step()
    pinn = pinndiag.wrap(model, {"a": lambda: k * model(x)}, parameters=[k], optimizer=optimizer)
    assert pinn.optimizer is not None
    assert pinn.optimizer.state["parameters.0"]["exp_avg_sq"].shape == ()
    assert pinn.optimizer.state["parameters.0"]["step"] == 1
    assert pinndiag.analyzers.curvature(pinn).stability is not None
