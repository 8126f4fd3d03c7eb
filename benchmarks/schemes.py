"""What each balancing scheme costs over the plain loop, on the Helmholtz PINN (4x50, 1000 + 400 points).

    python benchmarks/schemes.py [KEY ...] [--every 1] [--blocks 60] [--steps 10]

Schemes refresh at every step here (or every N), whatever their default, but for the two that differentiate single
residuals: every 100 and every 1000 steps. Goals: 5 % for gradients at every step, 2 % for losses. Figures as
`helmholtz.race` describes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from helmholtz import BLOCKS, STEPS, Helmholtz, plain, race

from pinndiag.schemes import SCHEMES, AbstractScheme

SETTINGS: dict[str, dict[str, Any]] = {"ntk": {}, "point_grad_norm": {"every": 1000}}


def balanced(problem: Helmholtz, scheme: AbstractScheme) -> Callable[[int], None]:
    def step(_: int) -> None:
        problem.optimizer.zero_grad()
        scheme(problem.terms()).backward()
        problem.optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("keys", nargs="*", default=list(SCHEMES), metavar="KEY")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ways = {"plain loop": plain(Helmholtz()), "plain loop again": plain(Helmholtz())}  # the second shows the noise
    for key in arguments.keys:
        problem = Helmholtz()
        settings = SETTINGS.get(key, {"every": arguments.every})
        if key == "causal":
            settings = {**settings, "time": {"pde": problem.x[:, 0]}}
        scheme = SCHEMES[key](**settings)
        ways[f"{key}, {scheme.about.needs}, every {scheme.every}"] = balanced(problem, scheme)
    race(ways, arguments.blocks, arguments.steps)


if __name__ == "__main__":
    main()
