"""Kill a watched training at fifty random moments: each run may lose one record at most, and must stay readable.

python benchmarks/killed.py [--times 50]
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pinndiag._store import read_run

TRAINING = """
import sys, torch, pinndiag
torch.set_num_threads(1)
net = torch.nn.Sequential(torch.nn.Linear(2, 20), torch.nn.Tanh(), torch.nn.Linear(20, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
watch = pinndiag.watch(net, optimizer, to=sys.argv[1], every=1, histograms=20, curvature=50)
x, step = torch.rand(50, 2), 0
while True:
    optimizer.zero_grad()
    watch({"a": net(x) - 1, "b": net(x[:3])}).backward()
    optimizer.step()
    step += 1
    print(step, flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=50)
    times = parser.parse_args().times
    lost, torn = [], 0
    for seed in range(times):
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            command = [sys.executable, "-W", "ignore", "-c", TRAINING, str(run)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                process.stdout.readline()
                time.sleep(random.Random(seed).uniform(0.0, 1.0))
                process.send_signal(signal.SIGKILL)
                told = [int(line) for line in process.stdout.read().split() if line.isdigit()]
            found = read_run(run)
            for line in found.histograms:
                found.gradients(line)
            lost.append(max(0, (told[-1] if told else 1) - len(found.steps)))
            torn += any("is not whole" in note for note in found.notes)
    print(
        f"{times} kills: at most {max(lost)} records lost, {sum(n > 0 for n in lost)} runs lost one, {torn} torn lines"
    )
    if max(lost) > 1:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
