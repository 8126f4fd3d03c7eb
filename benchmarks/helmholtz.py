"""The Helmholtz PINN as a training of its own, and a race between ways to train it."""

from __future__ import annotations

import itertools
import math
import random
import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Terms = dict[str, Tensor]
LAYERS = [2, 50, 50, 50, 50, 1]
BLOCKS, STEPS = 60, 10  # many short blocks: the sides of a ratio lie close together in time
WARM_UP = 3  # blocks


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


def race(ways: Mapping[str, Callable[[int], None]], blocks: int, steps: int) -> None:
    """Print what each way costs; the first one is what the others are measured against.

    Each way trains a network of its own, one thread; short blocks of steps alternate between the ways in an order that
    changes from round to round, so that a busy moment of the machine hits all alike. Figures are process CPU time: the
    median over rounds of the ratio to the first way's block of the same round, with quartiles.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    order, count = list(ways), dict.fromkeys(ways, 0)
    for block in range(WARM_UP + blocks):
        random.Random(block).shuffle(order)
        for name in order:
            began = time.process_time()
            for _ in range(steps):
                ways[name](count[name])
                count[name] += 1
            if block >= WARM_UP:
                times[name].append((time.process_time() - began) / steps)
    print(f"Helmholtz, {LAYERS}, 1000 + 400 points, one thread, {blocks} blocks of {steps} steps")
    base = times[next(iter(ways))]
    for name, values in times.items():
        low, middle, high = statistics.quantiles([value / b for value, b in zip(values, base, strict=True)], n=4)
        print(
            f"{name:38s} {1e3 * statistics.median(values):6.2f} ms a step, {100 * (middle - 1):+6.1f} % "
            f"({100 * (low - 1):+.1f} to {100 * (high - 1):+.1f})"
        )
