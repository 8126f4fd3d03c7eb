"""Operators of a network against nested `torch.func`, by both ways: value, derivative, gradient of the parameters."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pinndiag import PinndiagError
from pinndiag.nn import MLP, AdaptiveTanh, FourierFeatures, ModifiedMLP, Normalisation, derivatives
from pinndiag.nn._operators import parsed
from pinndiag.nn._plan import plan
from pinndiag.nn._propagation import forward, is_known
from pinndiag.nn._reverse import reverse

NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "mlp": lambda d: MLP(d, 2, width=6, depth=3, scaling=Normalisation.standard([-1.0] * d, [2.0] * d)),
    "no hidden layer": lambda d: MLP(d, 2, depth=0),
    "modified": lambda d: ModifiedMLP(d, 2, width=5, depth=2, scaling=Normalisation.unit([0.0] * d, [1.0] * d)),
    "plain torch": lambda d: nn.Sequential(nn.Linear(d, 5), nn.Tanh(), nn.Linear(5, 5, bias=False), nn.Tanh()),
    "fourier": lambda d: nn.Sequential(FourierFeatures(d, 3, scale=0.3), MLP(6, 1, width=4, depth=1)),
    "adaptive": lambda d: MLP(d, 1, width=4, depth=2, activation=lambda: AdaptiveTanh(4, n=2.0)),
}
ASKED = [
    ("xy", ("x",)),
    ("xy", ("xx+yy",)),
    ("xy", ("y", "x", "xx")),
    ("xy", ("xx-2yy", "yy")),
    ("xy", ("x", "y", "xx", "xy", "yy", "xxx+xyy", "xxy+yyy")),
    ("xy", ("xxxx+2xxyy+yyyy",)),
    ("xy", ("xxxx", "xxxy", "y")),
    ("xyz", ("xx+yy+zz", "z")),
    ("xyz", ("xyz", "zz")),
    ("x", ("xxxx", "xx")),
]


def by_func(net: nn.Module, x: Tensor, texts: tuple[str, ...], axes: str) -> list[Tensor]:
    """One full derivative tensor after the other, by forward mode over forward mode, at each point alone."""

    def u(point: Tensor) -> Tensor:
        return net(point[None])[0]

    tensors, function = [], u
    for _ in range(5):
        tensors.append(torch.func.vmap(function)(x))
        function = torch.func.jacfwd(function)
    found = [tensors[0]]
    for text in texts:
        terms = parsed(text, axes).items()
        found.append(sum(c * tensors[len(index)][(..., *index)] for index, c in terms))
    return found


def check(mine: tuple[Tensor, ...], twin: list[Tensor], parameters: list[Tensor]) -> None:
    for a, b in zip(mine, twin, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * float(b.detach().abs().max() + 1))
    losses = [torch.stack([v.square().mean() for v in values]).sum() for values in (mine, twin)]
    gradients = [torch.autograd.grad(o, parameters, retain_graph=True, materialize_grads=True) for o in losses]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9 * float(b.abs().max() + 1))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("axes", "texts"), ASKED)
def test_both_ways_agree_with_torch_func(name: str, axes: str, texts: tuple[str, ...]) -> None:
    net = NETWORKS[name](len(axes)).double()
    x = torch.rand(4, len(axes), dtype=torch.float64)
    twin = by_func(net, x, texts, axes)
    assert is_known(net)
    parameters = list(net.parameters())
    check(forward(net, x, plan(texts, axes)), twin, parameters)
    check(reverse(net, x, [parsed(text, axes) for text in texts]), twin, parameters)
    check(derivatives(net, x, *texts, axes=axes), twin, parameters)


def test_a_hessian_vector_product_goes_through() -> None:
    net = MLP(2, 1, width=5, depth=2).double()
    x, parameters = torch.rand(6, 2, dtype=torch.float64), list(net.parameters())

    def product(values: tuple[Tensor, ...]) -> Tensor:
        first = torch.autograd.grad(values[1].square().mean(), parameters, create_graph=True, materialize_grads=True)
        dot = torch.stack([g.sum() for g in first]).sum()
        return torch.cat([h.ravel() for h in torch.autograd.grad(dot, parameters, materialize_grads=True)])

    mine = product(forward(net, x, plan(("xx+yy",), "xy")))
    torch.testing.assert_close(mine, product(reverse(net, x, [parsed("xx+yy", "xy")])))


def test_known_values() -> None:
    class Sine(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sin(x[:, :1]) * x[:, 1:]

    x = torch.tensor([[math.pi / 2, 3.0]], dtype=torch.float64)
    u, u_y, mixed, high = derivatives(Sine(), x, "y", "xxy", "xxxxxx")
    assert [float(v.detach()) for v in (u, u_y, mixed, high)] == pytest.approx([3.0, 1.0, -1.0, -3.0])


def test_points_may_need_gradients_and_none_may_be_recorded() -> None:
    net = MLP(2, 2, width=4, depth=1).double()
    x = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)
    (through,) = torch.autograd.grad(derivatives(net, x, "xx+yy")[1].sum(), x)
    assert float(through.abs().max()) > 0
    with torch.no_grad():
        assert not any(v.requires_grad for v in derivatives(net, x, "x", "xx+yy"))
        assert not any(v.requires_grad for v in derivatives(lambda y: net(y), x, "x", "xx+yy"))


def test_what_has_no_rule_is_differentiated_in_reverse() -> None:
    class Doubled(MLP):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    hooked = MLP(1, 1, width=3, depth=1)
    hooked.output.register_forward_hook(lambda module, inputs, output: 3 * output)
    spectral = nn.Sequential(torch.nn.utils.parametrizations.spectral_norm(nn.Linear(1, 3)), nn.Tanh())
    for net in (Doubled(1, 1, width=3, depth=1), hooked, nn.Sequential(nn.Linear(1, 1), nn.SiLU()), spectral):
        assert not is_known(net)
        x = torch.rand(2, 1)
        twin = by_func(net.eval(), x, ("xx",), "x")
        torch.testing.assert_close(derivatives(net, x, "xx")[1], twin[1])


def test_the_biharmonic_operator_needs_three_directions_and_one_sum() -> None:
    chosen = plan(("xxxx+2xxyy+yyyy",), "xy")
    assert chosen.counts == (3, 3, 3, 3)
    assert chosen.mixing is not None
    assert chosen.mixing[0] == pytest.approx([8 / 9] * 3)


def test_directions_are_followed_no_further_than_needed() -> None:
    assert plan(("t", "x", "xx"), "tx").counts == (2, 1)


@pytest.mark.parametrize("text", ["", "x+xx", "q", "xx yy", "x+", "2"])
def test_an_operator_that_cannot_be_read_is_refused(text: str) -> None:
    if text == "xx yy":  # spaces do not count: this is the fourth derivative
        assert parsed(text, "xy") == {(0, 0, 1, 1): 1.0}
        return
    with pytest.raises(PinndiagError, match="not a differential operator"):
        derivatives(MLP(2, 1, width=2, depth=1), torch.rand(1, 2), text)


def test_points_that_do_not_fit_the_axes_are_refused() -> None:
    with pytest.raises(PinndiagError, match="do not fit the axes"):
        derivatives(MLP(2, 1), torch.rand(3, 2), "t", axes="t")
