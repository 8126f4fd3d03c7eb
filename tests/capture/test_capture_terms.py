"""Terms of unusual make: each is captured and equal to the live one, or refused with the reason."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd import grad

import pinndiag
from pinndiag import PINN, CaptureError
from pinndiag._capture import CapturedTerms, Graph, captured
from pinndiag._capture._fold import folded, pruned
from pinndiag._capture._replay import Plan
from pinndiag._capture._trace import traced
from pinndiag._capture._verify import difference, figures
from pinndiag._terms import _parameters
from pinndiag._terms._points import PointSet
from pinndiag._terms._terms import mean_square
from tests.cases import derivative, mlp, uniform

Term = Callable[..., Tensor]
GOOD: dict[str, Callable[[nn.Module, Tensor], Term]] = {}
BAD: dict[str, tuple[str, Callable[[nn.Module, Tensor], Term]]] = {}


def good(make: Callable[[nn.Module, Tensor], Term]) -> Callable[[nn.Module, Tensor], Term]:
    GOOD[make.__name__] = make
    return make


def bad(reason: str) -> Callable[[Callable[[nn.Module, Tensor], Term]], Callable[[nn.Module, Tensor], Term]]:
    def register(make: Callable[[nn.Module, Tensor], Term]) -> Callable[[nn.Module, Tensor], Term]:
        BAD[make.__name__] = (reason, make)
        return make

    return register


@good
def users_detach(model: nn.Module, x: Tensor) -> Term:
    return lambda x: model(x) * model(x).detach() - 1


@good
def users_detach_of_an_activation(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        u = model(x)
        return derivative(derivative(u, x), x) + derivative(u, x).detach() * u

    return term


@good
def users_data(model: nn.Module, x: Tensor) -> Term:
    return lambda x: model(x) - 2 * model(x).data


@good
def users_no_grad(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        with torch.no_grad():
            weight = model(x).abs() + 1
        return weight * model(x)

    return term


@good
def inner_derivative_without_graph(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        u = model(x)
        return u * grad(u.sum(), x, retain_graph=True)[0] + u

    return term


@good
def in_place_column(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        u = model(x)
        out = torch.zeros(len(x), 3, dtype=x.dtype)
        out[:, :1] = derivative(u, x)
        out[:, 1] = u[:, 0] ** 2
        out[:, 2] += 1.5
        out[:, 2].mul_(x[:, 0])
        return out * 2

    return term


@good
def in_place_whole(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        u = model(x) * 1.0
        u += 1
        v = u.t()
        u *= 2
        u.sub_(x)
        return v.t() + u.clamp_(-0.5, 0.7)

    return term


@good
def uninitialised_memory(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        out = torch.empty(2, len(x), dtype=x.dtype)
        out[0] = model(x)[:, 0]
        out[1] = model(x + 1)[:, 0]
        return out.t()

    return term


@good
def constant_mask(model: nn.Module, x: Tensor) -> Term:
    mask = x[:, 0] > 0.5
    return lambda: model(x)[mask] - 1


@good
def masked_select(model: nn.Module, x: Tensor) -> Term:
    mask = x > 0.5
    return lambda: torch.masked_select(model(x), mask)


@good
def mask_of_its_points(model: nn.Module, x: Tensor) -> Term:
    return lambda x: model(x)[x[:, 0] > 0.5] ** 2


@good
def boolean_assignment(model: nn.Module, x: Tensor) -> Term:
    def term() -> Tensor:
        u = model(x) * 1
        u[x < 0.5] = 0.25
        return u

    return term


@good
def item_that_does_not_matter(model: nn.Module, x: Tensor) -> Term:
    seen: list[float] = []

    def term(x: Tensor) -> Tensor:
        u = model(x)
        seen.append(u.mean().item())
        return u - x

    return term


@good
def fourth_order(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        u = model(x)
        for _ in range(4):
            u = derivative(u, x)
        return u - 1

    return term


@good
def forward_mode(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        along = torch.ones_like(x)

        def slope(x: Tensor) -> Tensor:
            return torch.func.jvp(model, (x,), (along,))[1]

        return torch.func.jvp(slope, (x,), (along,))[1] + torch.sin(x)

    return term


@good
def dual_numbers(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
            value, tangent = torch.autograd.forward_ad.unpack_dual(model(dual))
            return tangent + value

    return term


@good
def jacfwd_under_vmap(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        return torch.func.vmap(torch.func.jacfwd(torch.func.jacrev(lambda p: model(p[None])[0])))(x).squeeze()

    return term


@good
def vjp_and_vmap_over_parameters(model: nn.Module, x: Tensor) -> Term:
    parameters = dict(model.named_parameters())

    def term(x: Tensor) -> Tensor:
        def u(p: Tensor) -> Tensor:
            return torch.func.functional_call(model, parameters, (p[None],))[0, 0]

        return torch.func.vmap(torch.func.grad(u))(x) - torch.func.vjp(model, x)[1](torch.ones_like(x))[0] ** 2

    return term


@good
def mean_square_loss(model: nn.Module, x: Tensor) -> Term:
    return lambda x: nn.functional.mse_loss(model(x), x**2) + 1e-3 * model(x).abs().sum() / len(x)


@good
def divided_by_the_number(model: nn.Module, x: Tensor) -> Term:
    return lambda x: (model(x) - x).square().sum() / x.shape[0] + model(x).mean()


@good
def two_copies_side_by_side(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        both = model(torch.cat([x, x + 1]))
        return both[: len(x)] - both[len(x) :]

    return term


@good
def dropout(model: nn.Module, x: Tensor) -> Term:
    return lambda: nn.functional.dropout(model(x), 0.5, training=True) - 1


@good
def random_points(model: nn.Module, x: Tensor) -> Term:
    def term() -> Tensor:
        noise = torch.from_numpy(np.random.rand(4, 1))
        return model(torch.rand(4, 1, dtype=torch.float64).normal_()) + torch.randn_like(noise) * noise

    return term


@good
def numpy_of_constants(model: nn.Module, x: Tensor) -> Term:
    return lambda x: model(x) - torch.from_numpy(np.sin(np.ones((1, 1)))) * np.float64(0.5)


@good
def windows(model: nn.Module, x: Tensor) -> Term:
    def term() -> Tensor:
        u = model(x) ** 2
        return torch.as_strided(u, (4, 3), (2, 1), 0) + u.reshape(2, 5).t().reshape(-1)[:3] + u.unfold(0, 3, 2)[:, 0]

    return term


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        [x] = ctx.saved_tensors
        return 2 * x * grads[0]


@good
def custom_function(model: nn.Module, x: Tensor) -> Term:
    return lambda x: Square.apply(model(x)) - x  # type: ignore[no-untyped-call]


@good
def complex_arithmetic(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        u = model(x)
        z = torch.polar(u.abs() + 1, u) * torch.exp(2j * x)
        return torch.cat([z.conj() * (1 + 1j), torch.fft.fft(z, dim=1), z.real + 0j, z.abs().sqrt() + 0j], dim=1)

    return term


@good
def matrix_of_kernels(model: nn.Module, x: Tensor) -> Term:
    return lambda x: torch.einsum("ia,jb->ij", model(x), x) @ x


class Labelled(torch.Tensor):
    """Like PINA's LabelTensor: a subclass with columns by name, made by `__new__` and by `as_subclass`."""

    labels: list[str]

    @staticmethod
    def __new__(cls, x: Tensor, labels: list[str]) -> Labelled:
        return super().__new__(cls, x)

    def __init__(self, x: Tensor, labels: list[str]) -> None:
        self.labels = labels

    def extract(self, label: str) -> Labelled:
        column = self.as_subclass(Tensor)[:, self.labels.index(label) : self.labels.index(label) + 1]
        found = column.as_subclass(Labelled)
        found.labels = [label]
        return found


@good
def labelled_tensor(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        points = Labelled(torch.cat([x, 2 * x], dim=1), ["a", "b"])
        points.requires_grad_(True)
        a = points.extract("a")
        u = Labelled(model(a), ["u"])
        slope = Labelled(grad(u.sum(), a, create_graph=True)[0], ["du"])
        return slope.extract("du") + points.extract("b") * u

    return term


@good
def unused_branch(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        u = model(x)
        return u if x.shape[0] > 0 and u.ndim == 2 else u * 0

    return term


@bad("takes a number out of the graph")
def branch_on_a_value(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        u = model(x)
        return u**2 if u.mean() > MIDDLE else u * 3

    return term


@bad("takes a number out of the graph")
def factor_by_item(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        u = model(x)
        return u / u.abs().max().item()

    return term


@bad("numpy")
def factor_by_numpy(model: nn.Module, x: Tensor) -> Term:
    def term(x: Tensor) -> Tensor:
        u = model(x)
        return u * torch.from_numpy(np.tanh(u.detach().numpy()))

    return term


@bad("sparse")
def sparse_matrix(model: nn.Module, x: Tensor) -> Term:
    matrix = torch.eye(10, dtype=torch.float64).to_sparse()
    return lambda: torch.sparse.mm(matrix, model(x))


@bad("shape depends on values")
def mask_of_the_network(model: nn.Module, x: Tensor) -> Term:
    return lambda: model(x)[model(x) > MIDDLE]


MIDDLE = 0.0


@pytest.fixture
def model() -> nn.Module:
    return mlp()


@pytest.fixture
def x() -> Tensor:
    return uniform(10)


def wrapped(make: Callable[[nn.Module, Tensor], Term], model: nn.Module, x: Tensor) -> PINN:
    return pinndiag.wrap(model, {"term": make(model, x), "other": lambda: model(x)}, points={"term": x})


def second_order(pinn: PINN, points: Mapping[str, Any] | None = None) -> tuple[Tensor, ...]:
    output = pinn.outputs(["term"], points)["term"]
    pulled = grad(mean_square(output), pinn.tensors, create_graph=True, materialize_grads=True)
    gradient = _parameters.flatten(pulled, pinn.tensors)
    product = grad((gradient**2).sum(), pinn.tensors, materialize_grads=True)
    return output.detach(), gradient.detach(), _parameters.flatten(product, pinn.tensors)


@pytest.mark.parametrize("name", list(GOOD))
def test_captured_term_is_the_live_one(name: str, model: nn.Module, x: Tensor) -> None:
    pinn = wrapped(GOOD[name], model, x)
    twin = captured(pinn).rebuilt()
    for mine, live in zip(second_order(twin), second_order(pinn), strict=True):
        torch.testing.assert_close(mine, live, rtol=1e-12, atol=1e-12 * float(live.abs().max()))


BY_POINTS = [n for n, make in GOOD.items() if inspect.signature(make(mlp(), uniform(10))).parameters]


@pytest.mark.parametrize("name", [n for n in BY_POINTS if n != "mask_of_its_points"])
def test_captured_term_takes_any_number_of_points(name: str, model: nn.Module, x: Tensor) -> None:
    pinn = wrapped(GOOD[name], model, x)
    assert pinn.infos["term"].points is not None
    points = {"term": pinn.infos["term"].points.at(uniform(17, seed=21))}
    found = captured(pinn)
    assert not found.graph.fixed
    for mine, live in zip(second_order(found.rebuilt(), points), second_order(pinn, points), strict=True):
        torch.testing.assert_close(mine, live, rtol=1e-12, atol=1e-12 * float(live.abs().max()))


@pytest.mark.parametrize("name", list(BAD))
def test_what_cannot_be_captured_is_refused_with_the_reason(
    name: str, model: nn.Module, x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason, make = BAD[name]
    monkeypatch.setitem(globals(), "MIDDLE", float(model(x).detach().mean()) - 1e-3)
    pinn = wrapped(make, model, x)
    with pytest.raises(CaptureError, match=reason) as refused:
        captured(pinn)
    assert "term 'term'" in refused.value.what
    assert "torch.where" in str(refused.value) or "to_dense" in str(refused.value)
    found = captured(pinn, partial=True)
    assert list(found.failures) == ["term"]
    assert reason in found.failures["term"]
    assert list(found.rebuilt().names) == ["other"]


def test_a_detached_factor_stays_detached(model: nn.Module, x: Tensor) -> None:
    """The gradient of mean((u c)^2) with c = u held fixed is half of that of mean(u^4)."""
    make = {"fixed": lambda: model(x) * model(x).detach(), "free": lambda: model(x) * model(x)}
    twin = pinndiag.wrap(model, make).copy()
    fixed, free = (
        _parameters.flatten(grad(loss, twin.tensors, allow_unused=True), twin.tensors)
        for loss in twin.losses().values()
    )
    torch.testing.assert_close(2 * fixed, free)


def test_a_term_with_a_baked_number_of_points_is_evaluated_in_blocks(model: nn.Module) -> None:
    x = uniform(8)
    pinn = pinndiag.wrap(
        model,
        {"term": lambda x: (model(x).reshape(2, -1) if len(x) == 8 else model(x) + 1).reshape(-1, 1)},
        points={"term": x},
    )
    found = captured(pinn)
    assert found.graph.fixed == {"term"}
    assert any("number of points" in note for note in found.notes)
    twin = found.rebuilt()
    points = pinn.infos["term"].points
    assert points is not None
    fresh = points.at(uniform(19, seed=5))
    torch.testing.assert_close(twin.outputs(["term"], {"term": fresh})["term"], model(fresh.value))


def test_shared_weights_and_activations(x: Tensor) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first = nn.Linear(1, 5).double()
            self.again = nn.Linear(5, 5).double()
            self.frozen = nn.Linear(5, 4).double().requires_grad_(False)
            self.last = nn.Linear(4, 1).double()

        def forward(self, x: Tensor) -> Tensor:
            h = torch.sin(30 * self.first(x))
            h = nn.functional.gelu(self.again(h))
            h = nn.functional.gelu(self.again(h))
            return self.last(torch.relu(self.frozen(h)))

    net = Net()

    def term(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        return derivative(derivative(net(x), x), x)

    twin = pinndiag.wrap(net, {"pde": term}, points={"pde": x}).copy()
    assert isinstance(twin.terms, CapturedTerms)
    found = twin.terms.activations("pde")
    assert [(layer, function) for layer, function, _ in found] == [
        ("first", "sin"),
        ("again", "gelu"),
        ("frozen", "relu"),
    ]
    torch.testing.assert_close(found[0][2], torch.sin(30 * net.first(x)))
    torch.testing.assert_close(found[1][2], nn.functional.gelu(net.again(torch.sin(30 * net.first(x)))))
    assert found[2][2].shape == (10, 4)


def test_embedding_normalisation_and_gates(x: Tensor) -> None:
    class Modified(nn.Module):
        frequencies: Tensor

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.register_buffer("frequencies", torch.randn(1, 4, dtype=torch.float64))
            self.gate, self.inner = nn.Linear(8, 5).double(), nn.Linear(8, 5).double()
            self.norm = nn.LayerNorm(5).double()
            self.last = nn.utils.parametrizations.weight_norm(nn.Linear(5, 1).double())

        def forward(self, x: Tensor) -> Tensor:
            z = x @ self.frequencies
            z = torch.cat([z.sin(), z.cos()], dim=1)
            gate = torch.tanh(self.gate(z))
            output: Tensor = self.last(self.norm(gate * nn.functional.silu(self.inner(z)) + gate))
            return output

    net = Modified()

    def term(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        return derivative(derivative(net(x), x), x)

    pinn = pinndiag.wrap(net, {"term": term}, points={"term": x})
    twin = pinn.copy()
    for mine, live in zip(second_order(twin), second_order(pinn), strict=True):
        torch.testing.assert_close(mine, live, rtol=1e-12, atol=1e-12 * float(live.abs().max()))
    assert isinstance(twin.terms, CapturedTerms)
    assert [a[:2] for a in twin.terms.activations("term")] == [("gate", "tanh"), ("inner", "silu")]


def test_compiled_model(x: Tensor) -> None:
    net = mlp()
    compiled = torch.compile(net, backend="eager")
    pinn = pinndiag.wrap(net, {"data": lambda x: compiled(x) - 1}, points={"data": x})
    torch.testing.assert_close(pinn.copy().outputs()["data"], net(x) - 1)


def test_changed_closure_is_captured_anew(model: nn.Module, x: Tensor) -> None:
    holder = {"x": x}
    pinn = pinndiag.wrap(model, {"term": lambda: model(holder["x"])})
    first = pinn.copy().outputs()["term"]
    holder["x"] = x + 1
    second = pinn.copy().outputs()["term"]
    torch.testing.assert_close(first, model(x))
    torch.testing.assert_close(second, model(x + 1))


def test_values_that_are_not_finite_are_captured(model: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        model.get_parameter("4.bias").fill_(float("nan"))
    twin = pinndiag.wrap(model, {"term": lambda: torch.log(model(x))}).copy()
    assert bool(twin.outputs()["term"].isnan().all())


def test_the_users_own_graph_stays_valid(model: nn.Module, x: Tensor) -> None:
    pinn = pinndiag.wrap(model, {"term": lambda: model(x)})
    loss = model(x).square().mean()
    pinn.copy()
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("count", [1, 2, 6])
def test_few_points_or_as_many_as_units_still_mean_any_number(model: nn.Module, count: int) -> None:
    def term(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        return derivative(derivative(model(x), x), x) + model(x).sum() / len(x)

    pinn = pinndiag.wrap(model, {"term": term}, points={"term": uniform(count)})
    found = captured(pinn)
    assert not found.graph.fixed
    points = {"term": PointSet.of(uniform(9, seed=2), "term")}
    torch.testing.assert_close(
        found.rebuilt().outputs(points=points), pinn.outputs(points=points), rtol=1e-12, atol=1e-14
    )


def test_many_points_are_captured_at_few_of_them(model: nn.Module) -> None:
    calls: list[int] = []

    def term(x: Tensor) -> Tensor:
        calls.append(len(x))
        return model(x) - x

    pinn = pinndiag.wrap(model, {"term": term}, points={"term": uniform(3000)})
    calls.clear()
    found = captured(pinn)
    assert calls.count(3000) == 1
    assert found.graph.groups["term"] == 3000
    torch.testing.assert_close(found.rebuilt().outputs()["term"], pinn.outputs()["term"], rtol=0, atol=0)


def test_many_points_with_a_constant_for_each(model: nn.Module) -> None:
    force = uniform(600, seed=1)
    pinn = pinndiag.wrap(model, {"term": lambda x: model(x) - force[: len(x)]}, points={"term": uniform(600)})
    torch.testing.assert_close(pinn.copy().outputs()["term"], pinn.outputs()["term"], rtol=0, atol=0)


@pytest.mark.parametrize("name", ["users_detach", "users_no_grad", "fourth_order", "forward_mode"])
def test_the_second_tracer_gives_the_same(name: str, model: nn.Module, x: Tensor) -> None:
    make = GOOD[name]
    term = make(model, x)
    parameters = dict(model.named_parameters())
    points = {"term": PointSet.of(x.clone(), "term")}
    with torch.enable_grad():
        recording = traced(lambda given: {"term": term(given["term"].value)}, parameters, points)
    piece = folded(pruned(recording))
    graph = Graph((), piece.constants, piece.nodes, piece.outputs)
    inputs = [*parameters.values(), x]
    [mine] = Plan(graph, list(piece.outputs.values()), x.device).run(inputs, [c.value for c in piece.constants], {})
    assert difference(figures({"term": mine}, inputs[:-1], 2), figures(recording.values, inputs[:-1], 2)) is None


def test_terms_sharing_a_pass_of_which_one_cannot_be_captured(model: nn.Module, x: Tensor) -> None:
    cache: dict[str, Tensor] = {}

    def first() -> Tensor:
        cache["u"] = model(x)
        return cache["u"] - 1

    def second() -> Tensor:
        return cache["u"] / cache["u"].abs().max().item()

    found = captured(pinndiag.wrap(model, {"first": first, "second": second}), partial=True)
    assert list(found.failures) == ["second"]
    assert list(found.infos) == ["first"]


def test_shared_pass_with_points_of_two_terms() -> None:
    model = mlp()
    cache: dict[str, Tensor] = {}

    def first(x: Tensor) -> Tensor:
        cache["u"] = model(x)
        return cache["u"] - x

    pinn = pinndiag.wrap(
        model,
        {"first": first, "second": lambda y: cache["u"].mean() * model(y)},
        points={"first": uniform(5), "second": uniform(8, seed=4)},
    )
    found = captured(pinn)
    assert not found.graph.fixed
    points = {n: PointSet.of(uniform(k, seed=k), n) for n, k in (("first", 12), ("second", 3))}
    mine, live = found.rebuilt().outputs(points=points), pinn.outputs(points=points)
    torch.testing.assert_close(mine, live, rtol=1e-13, atol=1e-15)


def test_term_that_draws_new_points_by_itself(model: nn.Module) -> None:
    generator = np.random.default_rng(0)  # not one of the generators that can be held
    pinn = pinndiag.wrap(model, {"term": lambda: model(torch.from_numpy(generator.random((5, 1))))})
    assert not pinn.infos["term"].repeatable
    twin = pinn.copy()
    torch.testing.assert_close(twin.outputs(), twin.outputs())


def test_points_of_another_form_are_refused(model: nn.Module, x: Tensor) -> None:
    twin = pinndiag.wrap(model, {"term": lambda x: model(x)}, points={"term": x}).copy()
    with pytest.raises(pinndiag.PinndiagError, match="points of another form"):
        twin.outputs(points={"term": PointSet.of(uniform(4, 2), "term")})


def test_without_a_network_there_is_no_output(x: Tensor) -> None:
    weight = torch.ones(3, dtype=torch.float64, requires_grad=True)

    def model(parameters: Mapping[str, Tensor], a: Tensor, b: Tensor) -> Tensor:
        return parameters["w"] * a + b

    pinn = pinndiag.wrap(model, {"term": lambda: weight * x - 1}, parameters={"w": weight})
    with pytest.raises(pinndiag.PinndiagError, match="output cannot be evaluated"):
        pinn.copy().solve(PointSet.of(x, "x"))
