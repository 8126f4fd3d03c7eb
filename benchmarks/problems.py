"""Every problem trained as its source trains it, without any balancing: steps, seconds, relative L2 error.

    python benchmarks/problems.py [NAME ...] [--seeds 1] [--arch mlp] [--size reduced] [--steps N]

One thread and CPU time. A problem with several formulations has a row for each. Errors are those of the last step, one
column a seed.
"""

from __future__ import annotations

import argparse
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
            errors, seconds, steps = [], [], 0
            for seed in range(arguments.seeds):
                problem = problems.make(name, size=arguments.size, arch=arguments.arch, seed=seed, **options)
                steps = arguments.steps or problem.steps
                began = time.process_time()
                problems.train(problem, steps)
                seconds.append(time.process_time() - began)
                errors.append(problem.error())
            shown = " ".join([name, *(f"{key}={value}" for key, value in options.items())])
            found = "".join(f"  {error:.2e}" for error in errors)
            print(f"{shown:40s}{steps:8d}{sum(seconds) / len(seconds):9.1f}{found}", flush=True)


if __name__ == "__main__":
    main()
