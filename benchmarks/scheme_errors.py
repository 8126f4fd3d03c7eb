"""What schemes make of a problem of the literature: the relative L2 error after training, beside the published one.

    python benchmarks/scheme_errors.py [KEY[:PRESET] ...] [--steps 3000] [--seeds 1]

The Poisson problem of Deguchi & Asai with w = 2 pi, 625 + 200 fixed points (about half a minute an arm). Runs made by
hand before these schemes were written reached: no balancing 5.7e-1; dynamic norm with keep 0.9 3.9e-3, 0.99 5.7e-3,
0.99 bias-corrected 3.8e-3; inverse Dirichlet 4e-3 with spikes; LR annealing 1.3e-2, its mean form 3.5e-3, its ratio
form 1.0; global gradient norm 4.6e-3 with spikes to 7e-2. One seed each: an order of magnitude, not a ranking.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from typing import Any

import torch

from pinndiag import problems, schemes

ARMS = ["fixed", "dynamic_norm", "dynamic_norm:paper", "lra", "lra:mean", "inverse_dirichlet", "global_grad_norm"]


def error(arm: str, seed: int, steps: int) -> tuple[float, dict[str, Any]]:
    key, _, preset = arm.partition(":")
    problem = problems.make("poisson_2d", omega=2 * math.pi, interior=625, seed=seed)
    scheme = schemes.make(key, preset=preset or None)
    problems.train(problem, steps=steps, loss=scheme)
    return problem.error(), dict(scheme.weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("arms", nargs="*", default=ARMS, metavar="KEY[:PRESET]")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for arm in arguments.arms:
        began = time.perf_counter()
        found = [error(arm, seed, arguments.steps) for seed in range(arguments.seeds)]
        each = ", ".join(f"{value:.1e}" for value, _ in found)
        seconds = (time.perf_counter() - began) / arguments.seeds
        weights = {name: f"{w:.3g}" if isinstance(w, float) else "by point" for name, w in found[0][1].items()}
        print(
            f"{arm:22s} {statistics.median(e for e, _ in found):8.1e}  ({each})  {weights}  {seconds:.0f} s", flush=True
        )


if __name__ == "__main__":
    main()
