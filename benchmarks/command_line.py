"""What the commands cost from the shell: `--help`, import, `analyze --quick`, `analyze` on the Poisson PINN.

    python benchmarks/command_line.py [--steps 1500] [--repeat 3]

Trains the Poisson PINN of examples/poisson.py first. Figures are medians of wall time and of processor time, which a
busy machine disturbs less; `import torch` stands beside them in the same run, since machines differ and are shared.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def seconds(command: list[str], allowed: tuple[int, ...] = (0,)) -> tuple[float, float]:
    """Seconds of wall time and of processor time."""
    began, spent = time.perf_counter(), sum(os.times()[2:4])
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in allowed:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - began, sum(os.times()[2:4]) - spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = str(Path(folder) / "poisson.pt")
        seconds(
            [sys.executable, str(ROOT / "examples/poisson.py"), "--steps", str(arguments.steps), "--out", checkpoint]
        )
        pinndiag = [sys.executable, "-m", "pinndiag_cli"]
        commands = {
            "python -c 'import torch'": ([sys.executable, "-c", "import torch"], (0,)),
            "import of what analyze needs": (
                [sys.executable, "-c", "import pinndiag, pinndiag_reports; pinndiag.analyze; pinndiag.load"],
                (0,),
            ),
            "pinndiag --help": ([*pinndiag, "--help"], (0,)),
            "pinndiag analyze --quick": ([*pinndiag, "analyze", checkpoint, "--quick"], (0, 1)),
            "pinndiag analyze": ([*pinndiag, "analyze", checkpoint], (0, 1)),
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(arguments.repeat):  # alternating, so that a busy moment of the machine hits all alike
            for name, (command, allowed) in commands.items():
                times[name].append(seconds(command, allowed))
        for name, values in times.items():
            wall, processor = zip(*values, strict=True)
            print(
                f"{name:32s} wall {statistics.median(wall):6.2f} s, {min(wall):.2f} to {max(wall):.2f}; "
                f"processor {statistics.median(processor):6.2f} s"
            )


if __name__ == "__main__":
    main()
