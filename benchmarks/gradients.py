"""What per-term gradients cost against one backward pass of the weighted sum, on a Poisson PINN.

    python benchmarks/gradients.py [--width 50] [--depth 4] [--points 2500] [--repeat 30]

Terms on points of their own have graphs of their own, so that one `autograd.grad` for each term should cost what one
backward of the sum costs. Beside it: "measure, then step as usual", which pays twice; and the whole gradient analyzer
(figures, histograms, cosines), whose arithmetic comes on top of the gradients. The kinds alternate, so that a busy
moment of the machine hits all alike; figures are medians and quartiles in milliseconds, and the median over rounds of
the ratio to the plain step of the same round.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN
from pinndiag._terms._view import View
from pinndiag.analyzers import gradients

OMEGA = 4 * math.pi


def poisson(width: int, depth: int, points: int) -> PINN:
    torch.manual_seed(0)
    sizes = [2] + [width] * depth
    body = [m for a, b in itertools.pairwise(sizes) for m in (nn.Linear(a, b), nn.Tanh())]
    model = nn.Sequential(*body, nn.Linear(width, 1))

    def exact(x: Tensor) -> Tensor:
        return torch.cos(OMEGA * x[:, :1]) * torch.sin(OMEGA * x[:, 1:])

    def pde(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        (first,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        second = [torch.autograd.grad(first[:, i].sum(), x, create_graph=True)[0][:, i : i + 1] for i in range(2)]
        return second[0] + second[1] + 2 * OMEGA**2 * exact(x)

    edge = torch.rand(400, 2)
    edge[torch.arange(400), torch.arange(400) % 2] = (torch.arange(400) // 2 % 2).float()
    return pinndiag.wrap(
        model,
        {"pde": pde, "bc": lambda x: model(x) - exact(x)},
        points={"pde": torch.rand(points, 2), "bc": edge},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("width", 50), ("depth", 4), ("points", 2500), ("repeat", 30)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    pinn = poisson(arguments.width, arguments.depth, arguments.points)

    def plain() -> None:
        loss = sum(pinn.losses().values())
        assert isinstance(loss, Tensor)
        torch.autograd.grad(loss, pinn.tensors)

    def per_term() -> None:
        for loss in pinn.losses().values():
            torch.autograd.grad(loss, pinn.tensors, allow_unused=True)

    def twice() -> None:
        per_term()
        plain()

    kinds: dict[str, Callable[[], object]] = {
        "one backward of the sum": plain,
        "one gradient for each term": per_term,
        "measured, then as usual": twice,
        "View.gradients": lambda: View(pinn).gradients,
        "analyzers.gradients": lambda: gradients(pinn),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for round_ in range(arguments.repeat + 2):
        for name, run in kinds.items():
            began = time.perf_counter()
            run()
            if round_ >= 2:  # the first rounds warm up
                times[name].append(1e3 * (time.perf_counter() - began))
    print(f"{pinn}, {torch.get_num_threads()} threads, {arguments.repeat} rounds")
    base = times["one backward of the sum"]
    for name, values in times.items():
        low, middle, high = statistics.quantiles(values, n=4)
        ratio = statistics.median(value / b for value, b in zip(values, base, strict=True))
        print(f"{name:28s} median {middle:7.2f} ms ({low:.2f} to {high:.2f}), {ratio:.2f} x the plain step")


if __name__ == "__main__":
    main()
