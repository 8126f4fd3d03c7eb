"""Small wrapped PINNs, one for each kind of thing a term may be; float64 unless said otherwise, seeded."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd import grad

import pinndiag
from pinndiag import PINN

CASES: dict[str, Callable[[], PINN]] = {}


def case(make: Callable[[], PINN]) -> Callable[[], PINN]:
    CASES[make.__name__] = make
    return make


def mlp(
    inputs: int = 1, outputs: int = 1, width: int = 6, depth: int = 2, dtype: torch.dtype = torch.float64
) -> nn.Sequential:
    torch.manual_seed(7)
    sizes = [inputs] + [width] * depth
    body = [m for a, b in itertools.pairwise(sizes) for m in (nn.Linear(a, b), nn.Tanh())]
    return nn.Sequential(*body, nn.Linear(sizes[-1], outputs)).to(dtype)


def uniform(count: int, dimensions: int = 1, seed: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(count, dimensions, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def derivative(u: Tensor, x: Tensor) -> Tensor:
    return grad(u.sum(), x, create_graph=True)[0]


@case
def linear() -> PINN:
    """u = a x + b fitted to two data sets: quadratic losses, so every figure is known in closed form."""
    model = nn.Linear(1, 1).double()
    with torch.no_grad():
        model.weight.fill_(2.0)
        model.bias.fill_(-1.0)
    x, y = uniform(5), uniform(4, seed=4)
    return pinndiag.wrap(
        model,
        {"data": lambda x: model(x) - torch.sin(3 * x), "other": lambda y: 3 * model(y) - 1},
        points={"data": x, "other": y},
        weights={"other": 0.5},
    )


@case
def poisson(dtype: torch.dtype = torch.float64, seed: int = 7) -> PINN:
    """u'' = -sin, second derivative by autograd.grad; the output bias is not reached by the residual."""
    torch.manual_seed(seed)
    model = mlp(dtype=dtype)
    x = uniform(20, dtype=dtype)
    ends = torch.tensor([[0.0], [1.0]], dtype=dtype)

    def pde(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        return derivative(derivative(model(x), x), x) + torch.sin(3 * x)

    reference = torch.linspace(0, 1, 11, dtype=dtype)[:, None]
    return pinndiag.wrap(
        model,
        {"pde": pde, "bc": lambda x: model(x)},
        points={"pde": x, "bc": ends},
        weights={"bc": 10.0},
        solution=(reference, (torch.sin(3 * reference) - reference * torch.sin(torch.tensor(3.0, dtype=dtype))) / 9),
        optimizer=torch.optim.Adam(model.parameters(), lr=1e-3),
    )


@case
def beam() -> PINN:
    """u'''' = 1: fourth derivative by nested autograd.grad; scalar boundary losses."""
    model = mlp()
    x = uniform(12)

    def pde() -> Tensor:
        points = x.clone().requires_grad_(True)
        u = model(points)
        for _ in range(4):
            u = derivative(u, points)
        return u - 1

    def clamp() -> Tensor:
        end = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
        u = model(end)
        return (u**2).mean() + (derivative(u, end) ** 2).mean()

    return pinndiag.wrap(model, {"pde": pde, "clamp": clamp})


@case
def functional() -> PINN:
    """A function of a parameter mapping; derivatives by torch.func (vmap of forward over reverse)."""
    module = mlp(inputs=2)
    parameters = {name: p.detach().clone().requires_grad_(True) for name, p in module.named_parameters()}

    def model(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(module, parameters, (x,))

    def residual(x: Tensor) -> Tensor:
        def u(point: Tensor) -> Tensor:
            return model(parameters, point[None])[0, 0]

        return torch.func.vmap(lambda point: torch.func.hessian(u)(point).trace() - point.sum())(x)

    edge = uniform(6, 2, seed=5)
    return pinndiag.wrap(
        model,
        {"pde": residual, "bc": lambda: model(parameters, edge)},
        points={"pde": uniform(15, 2)},
        parameters=parameters,
    )


@case
def shared() -> PINN:
    """Two residuals of one forward pass, kept in a cache by the first term."""
    model = mlp(inputs=1, outputs=2)
    x = uniform(10)
    cache: dict[str, Tensor] = {}

    def first() -> Tensor:
        points = x.clone().requires_grad_(True)
        cache["u"] = model(points)
        cache["du"] = derivative(cache["u"][:, 0], points)
        return cache["du"] - cache["u"][:, 1:]

    def second() -> Tensor:
        return cache["u"][:, 0] ** 2 + cache["u"][:, 1] ** 2 - 1

    return pinndiag.wrap(model, {"first": first, "second": second})


@case
def coefficient() -> PINN:
    """Two networks and a learnable diffusivity outside them; one frozen layer."""
    u, k = mlp(inputs=2), mlp(inputs=1, width=3, depth=1)
    u[0].requires_grad_(False)
    diffusivity = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    x = uniform(14, 2)

    def pde(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        du = derivative(u(x), x)
        return du[:, :1] - diffusivity * derivative(du[:, 1], x)[:, 1:] - k(x[:, :1])

    return pinndiag.wrap(
        {"u": u, "k": k},
        {"pde": pde, "data": lambda x: u(x) - 0.1},
        points={"pde": x, "data": uniform(5, 2, seed=9)},
        parameters=[diffusivity],
    )


@case
def schroedinger() -> PINN:
    """A complex residual of a complex network, i u_t + u_xx, from two real outputs; columns (x, t) as points."""
    model = mlp(inputs=2, outputs=2)
    x, t = uniform(9), uniform(9, seed=8)

    def pde(columns: tuple[Tensor, Tensor]) -> Tensor:
        x, t = (c.requires_grad_(True) for c in columns)
        both = model(torch.cat([x, t], dim=1))
        u_t = torch.complex(*(derivative(both[:, i], t) for i in range(2)))
        u_xx = torch.complex(*(derivative(derivative(both[:, i], x), x) for i in range(2)))
        return 1j * u_t + u_xx

    def start() -> Tensor:
        u = model(torch.cat([x, torch.zeros_like(x)], dim=1))
        return torch.complex(u[:, 0], u[:, 1]) - torch.exp(1j * x[:, 0])

    return pinndiag.wrap(model, {"pde": pde, "ic": start}, points={"pde": (x, t)})


@case
def single_precision() -> PINN:
    """`poisson` in float32."""
    return poisson(torch.float32)


@case
def noisy() -> PINN:
    """A term that draws its points anew at each evaluation, from torch's generator."""
    model = mlp()

    def pde() -> Tensor:
        x = torch.rand(8, 1, dtype=torch.float64, requires_grad=True)
        return derivative(model(x), x) - 1

    return pinndiag.wrap(model, {"pde": pde, "bc": lambda: model(torch.zeros(1, 1, dtype=torch.float64))})
