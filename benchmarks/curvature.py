"""What a Hessian-vector product and sigma_max cost, in ordinary gradients, beside scipy's eigsh.

    python benchmarks/curvature.py [--steps 1000] [--repeat 15] [--dtype float32 float64]

The Helmholtz PINN (2-50-50-50-50-1, tanh, Glorot; 1000 residual and 400 boundary points; Adam 1e-3), at its start and
after `--steps` steps. One thread and CPU time, since machines are shared; what is compared runs in turns, and medians
are given. eigsh works on the very same products. Goals: an exact product in at most 3 gradients, a forward difference
in at most 1.2; sigma_max to a relative 1e-3 in at most 16 products at the start, 12 in training, 4 from the vector of
50 steps before.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN
from pinndiag._derivatives._hessian import Hessian, Hessians
from pinndiag._terms._view import View
from pinndiag.analyzers import curvature
from pinndiag.linalg import lanczos

K = 1.0


def forcing(x: Tensor) -> Tensor:
    u = torch.sin(math.pi * x[:, :1]) * torch.sin(4 * math.pi * x[:, 1:])
    return (K**2 - 17 * math.pi**2) * u


def helmholtz(dtype: torch.dtype) -> tuple[PINN, torch.optim.Optimizer, Callable[[], PINN]]:
    torch.manual_seed(0)
    sizes = [2, 50, 50, 50, 50]
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.Tanh()]
    model = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    model.to(dtype)
    interior, edge = 2 * torch.rand(1000, 2) - 1, 2 * torch.rand(400, 2) - 1
    side = torch.arange(400) % 4
    edge[torch.arange(400), side // 2] = 2.0 * (side % 2) - 1
    points = {"pde": interior.to(dtype), "bc": edge.to(dtype)}

    def pde(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        u = model(x)
        (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        second = [torch.autograd.grad(du[:, i].sum(), x, create_graph=True)[0][:, i : i + 1] for i in range(2)]
        return second[0] + second[1] + K**2 * u - forcing(x.detach())

    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def wrapped() -> PINN:
        return pinndiag.wrap(model, {"pde": pde, "bc": lambda x: model(x)}, points=points, optimizer=optimizer)

    return wrapped(), optimizer, wrapped


def train(pinn: PINN, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        torch.stack(list(pinn.losses().values())).sum().backward()
        optimizer.step()


def medians(ways: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Seconds of CPU time of each way, in turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeat):
        for name, way in ways.items():
            began = time.process_time()
            way()
            times[name].append(time.process_time() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def products(pinn: PINN, repeat: int) -> float:
    """Print what one product costs; gives the seconds of one gradient."""
    v = torch.randn(pinn.size, dtype=pinn.dtype)

    def gradient() -> None:
        torch.autograd.grad(torch.stack(list(pinn.losses().values())).sum(), pinn.tensors)

    exact = Hessians(pinn).total
    ways: dict[str, Callable[[], object]] = {
        "gradient": gradient,
        "exact": lambda: exact(v),
        "exact, with its graph built": lambda: Hessians(pinn).total(v),
    }
    if pinn.dtype == torch.float64:
        difference = Hessians(pinn, products="difference").total
        ways["forward difference"] = lambda: difference(v)
    for way in ways.values():
        way()
    found = medians(ways, repeat)
    for name, seconds in found.items():
        print(f"  {name:28s} {1e3 * seconds:7.1f} ms  {seconds / found['gradient']:5.2f} gradients")
    return found["gradient"]


def mixed(start: Tensor, seed: int = 1) -> Tensor:
    noise = torch.randn(len(start), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return start.double() / start.double().norm() + 0.3 * noise / noise.norm()


def by_eigsh(hessian: Hessian, start: Tensor, **settings: float) -> tuple[float, int]:
    count = itertools.count()

    def product(v: np.ndarray) -> np.ndarray:
        next(count)
        return hessian(torch.from_numpy(v).to(hessian.dtype)).double().numpy()

    operator = LinearOperator((hessian.size, hessian.size), matvec=product, dtype=np.float64)
    value = eigsh(operator, k=1, which="LA", v0=start.double().numpy(), return_eigenvectors=False, **settings)[0]
    return float(value), next(count)


def sigma_max(pinn: PINN, warm: dict[str, Tensor], second: float, repeat: int) -> dict[str, Tensor]:
    """Print products, cost and error of sigma_max of every term and of the total; gives their vectors."""
    vectors = {}
    view, hessians = View(pinn), Hessians(pinn)
    gradients = {**view.gradients, "total": view.total}
    for name, hessian in {**hessians.terms, "total": hessians.total}.items():
        random = torch.randn(hessian.size, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        reference = lanczos(hessian, random, tolerance=1e-9, max_steps=150).largest
        vectors[name] = reference.vector
        start = mixed(gradients[name])

        def ours(start: Tensor = start, hessian: Hessian = hessian) -> tuple[float, int]:
            found = lanczos(hessian, start)
            return found.largest.value, found.products

        ways: dict[str, Callable[[], tuple[float, int]]] = {
            "lanczos, gradient start": ours,
            "eigsh, tol 1e-3": lambda s=start, h=hessian: by_eigsh(h, s, tol=1e-3),  # type: ignore[misc]
            "eigsh, tol 1e-3, ncv 8": lambda s=start, h=hessian: by_eigsh(h, s, tol=1e-3, ncv=8),  # type: ignore[misc]
        }
        if name in warm:
            nearby = mixed(warm[name])
            ways["lanczos, warm"] = lambda s=nearby, o=ours: o(s)  # type: ignore[misc]
        costs = medians(ways, repeat)
        for label, way in ways.items():
            value, count = way()
            error = abs(value / reference.value - 1)
            print(
                f"  {name:5s} {label:24s} {value:13.6g}  error {error:7.1e}  {count:3d} products"
                f"  {costs[label] / second:5.1f} gradients"
            )
    return vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--dtype", nargs="+", default=["float32", "float64"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for dtype in arguments.dtype:
        pinn, optimizer, wrapped = helmholtz(getattr(torch, dtype))
        warm: dict[str, Tensor] = {}
        for steps in (0, arguments.steps, 50):
            train(pinn, optimizer, steps)
            pinn = wrapped()
            print(f"{dtype}, " + ("at the start" if not steps else f"{steps} steps later"))
            second = products(pinn, arguments.repeat)
            warm = sigma_max(pinn, warm if steps == 50 else {}, second, max(1, arguments.repeat // 3))
            view = View(pinn)
            whole = medians({str(d): lambda v=view, d=d: curvature(v, density=d) for d in (False, True)}, 1)
            print(
                f"  curvature(): {whole['False'] / second:.0f} gradients without the density, "
                f"{whole['True'] / second:.0f} with it ({whole['True']:.1f} s)"
            )


if __name__ == "__main__":
    main()
