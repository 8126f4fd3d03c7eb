"""What schemes make of a problem of the literature: the relative L2 error, beside that of earlier runs.

    python benchmarks/scheme_errors.py [KEY[:PRESET][@KEEP] ...] [--steps 3000] [--seeds 1]

The Poisson problem of Deguchi & Asai with w = 2 pi, 625 + 200 fixed points (about half a minute an arm). One column a
seed: the median of ten evaluations over the last tenth of the steps (Adam's errors have spikes), and in brackets the
smallest and the largest of them. Runs made by hand before these schemes were written reached: no balancing 5.7e-1;
dynamic norm with keep 0.9 3.9e-3, with 0.99 5.7e-3, corrected 3.8e-3; LR annealing 1.3e-2, its mean form 3.5e-3, its
ratio form 1.0; global gradient norm 4.6e-3, with spikes to 7e-2.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Mapping
from typing import Any

import torch

from pinndiag import problems, schemes

ARMS = ["fixed", "dynamic_norm", "dynamic_norm:paper", "dynamic_norm:paper@0.9", "lra", "lra:mean", "global_grad_norm"]


def errors(arm: str, seed: int, steps: int) -> tuple[list[float], Mapping[str, Any]]:
    """Ten errors over the last tenth of the steps, and the last weights."""
    name, _, keep = arm.partition("@")
    key, _, preset = name.partition(":")
    problem = problems.make("poisson_2d", omega=2 * math.pi, interior=625, seed=seed)
    scheme = schemes.make(key, preset=preset or None, **({"keep": float(keep)} if keep else {}))
    found = []

    def look(step: int, _: object) -> None:
        if step >= steps - steps // 10 and (steps - 1 - step) % max(1, steps // 100) == 0:
            found.append(problem.error())

    problems.train(problem, steps=steps, loss=scheme, progress=look)
    return found, scheme.weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("arms", nargs="*", default=ARMS, metavar="KEY[:PRESET]")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for arm in arguments.arms:
        began, columns = time.perf_counter(), []
        for seed in range(arguments.seeds):
            found, weights = errors(arm, seed, arguments.steps)
            columns.append(f"{statistics.median(found):.1e} ({min(found):.1e} to {max(found):.1e})")
        seconds = (time.perf_counter() - began) / arguments.seeds
        shown = ", ".join(f"{name} {w:.3g}" for name, w in weights.items() if isinstance(w, float))
        print(f"{arm:24s} {'  '.join(columns)}   weights {shown}   {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
