"""What figures of single points and the active tests cost, in gradients and in seconds, on the Poisson PINN.

    python benchmarks/active_tests.py [--steps 1500] [--points 2500] [--threads 2] [--closures]

The PINN of examples/poisson.py (4x50, boundary 400), trained for `--steps` steps. A gradient is one forward and
backward pass of all terms: of the live PINN in float32 for what is measured in place, of the captured float64 twin for
what runs on a copy. Goals: pointwise, kernel and work together 2 s, both probes together 9 s. With more than 4096
points the probe is run on all of them as well, to compare its factor with that of the subset. `--closures` wraps terms
that do not take their points. Seconds mean little on a shared machine: CPU time stands beside them.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN, analyzers
from pinndiag._terms._view import View
from pinndiag.analyzers import _probes

OMEGA = 4 * math.pi


def exact(x: Tensor) -> Tensor:
    u: Tensor = torch.cos(OMEGA * x[:, :1]) * torch.sin(OMEGA * x[:, 1:])
    return u


def poisson(points: int, steps: int, closures: bool) -> PINN:
    torch.manual_seed(0)
    sizes = [2, 50, 50, 50, 50]
    body = [m for a, b in itertools.pairwise(sizes) for m in (nn.Linear(a, b), nn.Tanh())]
    model = nn.Sequential(*body, nn.Linear(sizes[-1], 1))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    interior, edge = torch.rand(points, 2), torch.rand(400, 2)
    side = torch.arange(400) % 4
    edge[torch.arange(400), side // 2] = (side % 2).float()

    def pde(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        (first,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        second = [torch.autograd.grad(first[:, i].sum(), x, create_graph=True)[0][:, i : i + 1] for i in range(2)]
        residual: Tensor = second[0] + second[1] + 2 * OMEGA**2 * exact(x)
        return residual

    def bc(x: Tensor) -> Tensor:
        residual: Tensor = model(x) - exact(x)
        return residual

    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    initial = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for _ in range(steps):
        optimizer.zero_grad()
        (pde(interior).square().mean() + bc(edge).square().mean()).backward()
        optimizer.step()
    common: dict[str, Any] = {"optimizer": optimizer, "initial": initial}
    if closures:
        return pinndiag.wrap(model, {"pde": lambda: pde(interior), "bc": lambda: bc(edge)}, **common)
    return pinndiag.wrap(model, {"pde": pde, "bc": bc}, points={"pde": interior, "bc": edge}, **common)


def timed(run: Callable[[], Any]) -> tuple[Any, float, float]:
    """What it returns, seconds of wall time, seconds of CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = run()
    return found, time.perf_counter() - wall, time.process_time() - cpu


def gradient(pinn: PINN, repeat: int = 10) -> float:
    """CPU seconds of one gradient of all terms."""

    def run(count: int) -> None:
        for _ in range(count):
            torch.autograd.grad(torch.stack(list(pinn.losses().values())).sum(), pinn.tensors, materialize_grads=True)

    run(1)
    return timed(partial(run, repeat))[2] / repeat


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("steps", 1500), ("points", 2500), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--closures", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pinn = poisson(arguments.points, arguments.steps, arguments.closures)
    twin, wall, _ = timed(lambda: pinn.copy(dtype=torch.float64))
    here, there = gradient(pinn), gradient(twin)
    print(f"one gradient, CPU: {1e3 * here:.1f} ms live in float32, {1e3 * there:.1f} ms captured in float64")
    print(f"capture {wall:.2f} s\n{'':18s}{'gradients':>10s}{'CPU s':>8s}{'wall s':>8s}")
    view, sums = View(pinn), {"in place": 0.0, "probes": 0.0}
    _ = view.losses
    stages: list[tuple[Callable[[View], Any], float, str]] = [
        (analyzers.work, here, "in place"),
        (analyzers.kernel, here, "in place"),
        (analyzers.pointwise, here, "in place"),
        (analyzers.held_out, here, ""),
        (analyzers.precision, there, ""),
        (analyzers.derivative_check, there, ""),
        (analyzers.start, here, ""),
        (analyzers.descent_probe, there, "probes"),
        (analyzers.term_probes, there, "probes"),
    ]
    for run, unit, budget in stages:
        found, wall, cpu = timed(partial(run, view))
        print(f"{run.__name__:18s}{cpu / unit:10.1f}{cpu:8.2f}{wall:8.2f}", end="")
        probes = {"total": found} if run is analyzers.descent_probe else found if run is analyzers.term_probes else {}
        for name, probe in probes.items():
            print(f"  {name}: factor {probe.factor:.3g}, {probe.evaluations} evaluations {probe.subset or ''}", end="")
        print()
        if budget:
            sums[budget] += wall
    print(f"pointwise, kernel, work {sums['in place']:.2f} s; probes {sums['probes']:.2f} s of wall time")
    if arguments.points > _probes.POINTS and not arguments.closures:
        _probes.POINTS = arguments.points
        print(f"descent probe on all {arguments.points} points: factor {analyzers.descent_probe(view).factor:.3g}")


if __name__ == "__main__":
    main()
