"""What watching a training costs, beside the ways people do it today, on the Helmholtz PINN (4x50, 1000 + 400 points).

    python benchmarks/watch.py [--blocks 12] [--steps 40]

Each way trains the same network with Adam, one thread; blocks of steps alternate between the ways in an order that
changes from round to round, so that a busy moment of the machine hits all alike. Figures are process CPU time: the
median over rounds of the ratio to the plain loop's block of the same round, with quartiles. "Today" is a loop of
`autograd.grad` before the usual backward pass, at every step, or with weights refreshed at every 10th (as in the
authors' codes of gradient-based balancing, which report 21 to 34 % more training time).
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

import pinndiag

Terms = dict[str, Tensor]
LAYERS = [2, 50, 50, 50, 50, 1]


class Helmholtz:
    """A training of its own: network, points, optimizer, and a way to put the losses together."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        parts: list[nn.Module] = []
        for a, b in itertools.pairwise(LAYERS):
            linear = nn.Linear(a, b)
            nn.init.xavier_normal_(linear.weight)
            nn.init.zeros_(linear.bias)
            parts += [linear, nn.Tanh()]
        self.net = nn.Sequential(*parts[:-1])
        self.x = (2 * torch.rand(1000, 2) - 1).requires_grad_()
        self.edge = 2 * torch.rand(400, 2) - 1
        self.edge[torch.arange(400), torch.arange(400) % 2] = (torch.arange(400) // 2 % 2 * 2 - 1).float()
        x, y = self.x.detach().unbind(1)
        wave = torch.sin(math.pi * x) * torch.sin(4 * math.pi * y)
        self.source = wave * (1 - 17 * math.pi**2)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3)
        self.parameters = list(self.net.parameters())

    def terms(self) -> Terms:
        u = self.net(self.x)
        (slope,) = torch.autograd.grad(u.sum(), self.x, create_graph=True)
        second = [torch.autograd.grad(slope[:, i].sum(), self.x, create_graph=True)[0][:, i] for i in range(2)]
        return {"pde": second[0] + second[1] + u[:, 0] - self.source, "bc": self.net(self.edge)[:, 0]}


def plain(problem: Helmholtz) -> Callable[[int], None]:
    def step(_: int) -> None:
        problem.optimizer.zero_grad()
        sum(r.square().mean() for r in problem.terms().values()).backward()
        problem.optimizer.step()

    return step


def watched(problem: Helmholtz, folder: Path, every: int) -> Callable[[int], None]:
    watch = pinndiag.watch(problem.net, problem.optimizer, to=folder, every=every, histograms=0, curvature=0)

    def step(_: int) -> None:
        problem.optimizer.zero_grad()
        watch(problem.terms()).backward()
        problem.optimizer.step()

    return step


def by_hand(problem: Helmholtz, every: int) -> Callable[[int], None]:
    """Statistics by a loop of `autograd.grad`, then the usual backward pass."""
    seen: list[dict[str, list[float]]] = []

    def step(n: int) -> None:
        problem.optimizer.zero_grad()
        losses = {name: r.square().mean() for name, r in problem.terms().items()}
        if n % every == 0:
            row = {}
            for name, loss in losses.items():
                pulled = torch.autograd.grad(loss, problem.parameters, retain_graph=True, allow_unused=True)
                flat = torch.cat([g.reshape(-1) for g in pulled if g is not None])
                row[name] = [float(f) for f in (flat.norm(), flat.abs().max(), flat.abs().mean(), flat.std())]
            seen.append(row)
        sum(losses.values()).backward()
        problem.optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "plain loop": plain(Helmholtz()),
            "plain loop again": plain(Helmholtz()),  # shows the noise
            "watch, every step": watched(Helmholtz(), Path(folder) / "each", 1),
            "watch, every 10th step": watched(Helmholtz(), Path(folder) / "tenth", 10),
            "by hand, every step": by_hand(Helmholtz(), 1),
            "by hand, every 10th step": by_hand(Helmholtz(), 10),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        order = list(ways)
        for block in range(arguments.blocks + 1):
            random.Random(block).shuffle(order)
            for name in order:
                began = time.process_time()
                for step in range(arguments.steps):
                    ways[name](step)
                if block:  # the first block warms up
                    times[name].append((time.process_time() - began) / arguments.steps)
    print(f"Helmholtz, {LAYERS}, 1000 + 400 points, one thread, {arguments.blocks} blocks of {arguments.steps} steps")
    for name, values in times.items():
        ratios = [value / base for value, base in zip(values, times["plain loop"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"{name:26s} {1e3 * statistics.median(values):6.2f} ms a step, {100 * (middle - 1):+6.1f} % "
            f"({100 * (low - 1):+.1f} to {100 * (high - 1):+.1f})"
        )


if __name__ == "__main__":
    main()
