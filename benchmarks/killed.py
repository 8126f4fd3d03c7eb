"""Kill a watched training at fifty random moments: each run may lose one record at most, and must stay readable.

python benchmarks/killed.py [--times 50]
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
import warnings
from pathlib import Path

import torch

import pinndiag
from pinndiag._store import read_run


def train(run: Path, told: int) -> None:
    """Train without end; the number of steps taken goes into a pipe."""
    net = torch.nn.Sequential(torch.nn.Linear(2, 20), torch.nn.Tanh(), torch.nn.Linear(20, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    watch = pinndiag.watch(net, optimizer, to=run, every=1, histograms=20, curvature=50, scheme="dynamic_norm")
    x, step = torch.rand(50, 2), 0
    while True:
        optimizer.zero_grad()
        watch({"a": net(x) - 1, "b": net(x[:3])}).backward()
        optimizer.step()
        step += 1
        os.write(told, f"{step}\n".encode())


def killed(run: Path, after: float) -> int:
    """Kill a training `after` seconds behind its first step; returns the steps that it took."""
    reading, writing = os.pipe()
    child = os.fork()  # torch is imported once
    if child == 0:
        train(run, writing)
    os.close(writing)
    with os.fdopen(reading) as told:
        told.readline()
        deadline = time.monotonic() + after
        last = "1"
        while time.monotonic() < deadline:
            last = told.readline()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        rest = told.read().split("\n")[:-1]
    return int(rest[-1] if rest else last)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=50)
    times = parser.parse_args().times
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    lost, torn, steps = [], 0, 0
    for seed in range(times):
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            taken = killed(run, random.Random(seed).uniform(0.0, 1.0))
            found = read_run(run)
            for histogram in found.histograms:
                found.gradients(histogram)
            for curvature in found.curvature:
                found.lanczos(curvature)
            lost.append(max(0, taken - len(found.steps)))
            torn += any("is not whole" in note for note in found.notes)
            steps += taken
            assert found.alive is False
            assert torch.load(run / "state.pt", weights_only=True)["step"] <= taken + 1
    print(
        f"{times} kills in {steps} steps: at most {max(lost)} records lost, {sum(n > 0 for n in lost)} runs lost one, "
        f"{torn} torn lines"
    )
    if max(lost) > 1:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
