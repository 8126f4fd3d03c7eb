"""What watching a training costs, beside the ways people do it today, on the Helmholtz PINN (4x50, 1000 + 400 points).

    python benchmarks/watch.py [--blocks 60] [--steps 10]

Figures as `helmholtz.race` describes. "Today" is a loop of `autograd.grad` before the usual backward pass, at every
step, or with weights refreshed at every 10th (as in the authors' codes of gradient-based balancing, which report 21 to
34 % more training time).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from helmholtz import BLOCKS, STEPS, Helmholtz, plain, race

import pinndiag


def watched(problem: Helmholtz, folder: Path, every: int, open_: ExitStack) -> Callable[[int], None]:
    watch = pinndiag.watch(problem.net, problem.optimizer, to=folder, every=every, histograms=0, curvature=0)
    open_.enter_context(watch)

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
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_:
        ways = {
            "plain loop": plain(Helmholtz()),
            "plain loop again": plain(Helmholtz()),  # shows the noise
            "watch, every step": watched(Helmholtz(), Path(folder) / "each", 1, open_),
            "watch, every 10th step": watched(Helmholtz(), Path(folder) / "tenth", 10, open_),
            "by hand, every step": by_hand(Helmholtz(), 1),
            "by hand, every 10th step": by_hand(Helmholtz(), 10),
        }
        race(ways, arguments.blocks, arguments.steps)


if __name__ == "__main__":
    main()
