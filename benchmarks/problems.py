"""Every problem trained as its source trains it, without any balancing: steps, seconds, relative L2 error.

    python benchmarks/problems.py [NAME ...] [--seeds 1] [--arch mlp] [--size reduced] [--steps N]

One thread and CPU time. A problem with several formulations has a row for each. One column a seed: the error at the
last step, and in brackets the median of ten evaluations over the last tenth of the steps, since Adam's errors have
spikes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

from pinndiag import problems

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "helmholtz": [{"a2": 1.0}, {"a2": 4.0}],
    "cavity": [{"formulation": "velocity"}, {"formulation": "stream"}],
    "poisson_1d": [{"C": 1.0}, {"C": 4.0}, {"C": 16.0}],
    "kirchhoff": [{"units": "physical"}, {"units": "scaled"}],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=problems.names())
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--arch", choices=["mlp", "modified"], default="mlp")
    parser.add_argument("--size", choices=["reduced", "full"], default="reduced")
    parser.add_argument("--steps", type=int, help="instead of the problem's own")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'problem':40s}{'steps':>8s}{'seconds':>9s}  error of seed 0, 1, ...")
    for name in arguments.names:
        for options in VARIANTS.get(name, [{}]):
            setups = [
                {"size": arguments.size, "arch": arguments.arch, "seed": s, **options} for s in range(arguments.seeds)
            ]
            made = [problems.make(name, **setup) for setup in setups]
            steps = arguments.steps or made[0].steps
            seconds, errors = zip(*(trained(problem, steps) for problem in made), strict=True)
            shown = " ".join([name, *(f"{key}={value}" for key, value in options.items())])
            found = "".join(f"  {late[-1]:.2e} ({statistics.median(late):.2e})" for late in errors)
            print(f"{shown:40s}{steps:8d}{statistics.mean(seconds):9.1f}{found}", flush=True)


def trained(problem: problems.Problem, steps: int) -> tuple[float, list[float]]:
    """CPU seconds, and the errors at ten steps of the last tenth, the last one included."""
    late = {steps - 1 - k * max(1, steps // 100) for k in range(10)}
    errors: list[float] = []
    began = time.process_time()
    problems.train(
        problem, steps, progress=lambda step, residuals: errors.append(problem.error()) if step in late else None
    )
    return time.process_time() - began, errors


if __name__ == "__main__":
    main()
