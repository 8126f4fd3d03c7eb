"""A small network with three terms on points of their own, or of one forward pass, and every scheme on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from pinndiag._terms._terms import square
from pinndiag.schemes import SCHEMES, AbstractScheme

# settings under which a few steps show what a scheme does
SETTINGS: dict[str, dict[str, object]] = {
    "fixed": {"weights": {"bc": 7.0}},
    "lra": {"every": 2},
    "inverse_dirichlet": {"every": 2},
    "dynamic_norm": {"every": 2},
    "global_grad_norm": {"every": 2},
    "ntk": {"every": 2, "points": None},
}
KEYS = list(SCHEMES)


def made(key: str, **options: object) -> AbstractScheme:
    return SCHEMES[key](**{**SETTINGS.get(key, {}), **timed(key), **options})


def timed(key: str) -> dict[str, object]:
    return {"time": {"pde": torch.linspace(0, 1, 12, dtype=torch.float64)}} if key == "causal" else {}


def network(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).to(dtype)


def terms(net: nn.Module, *, shared: bool = False) -> dict[str, Tensor]:
    """Residuals of the terms "pde" (12), "bc" (6) and "ic" (5)."""
    dtype = next(net.parameters()).dtype
    draws = torch.Generator().manual_seed(1)
    x = torch.rand(12, 2, generator=draws, dtype=dtype).requires_grad_()
    u = net(x)
    (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    edge, start = (torch.rand(n, 2, generator=draws, dtype=dtype) for n in (6, 5))
    bc = u[:6, 0] if shared else net(edge)[:, 0]
    return {"pde": 3 * slope.sum(1) - 1, "bc": bc - 0.2, "ic": net(start)[:, 0] - torch.sin(3 * start[:, 0])}


def weighted(outputs: Mapping[str, Tensor], weights: Mapping[str, float | Tensor]) -> Tensor:
    """sum_i w_i L_i as `scheme.weights` says it."""
    return torch.stack([(weights[name] * square(output)).mean() for name, output in outputs.items()]).sum()


def train(
    net: nn.Module,
    scheme: AbstractScheme,
    steps: int,
    change: Callable[[int, dict[str, Tensor]], dict[str, Tensor]] = lambda step, outputs: outputs,
    optimizer: torch.optim.Optimizer | None = None,
) -> list[dict[str, Tensor]]:
    """Train; the weights of each step."""
    optimizer = optimizer or torch.optim.SGD(net.parameters(), lr=1e-3)
    history = []
    for step in range(steps):
        optimizer.zero_grad()
        scheme(change(step, terms(net))).backward()
        optimizer.step()
        history.append({name: torch.as_tensor(w).clone() for name, w in scheme.weights.items()})
    return history
