"""The tests of every framework, each in an environment of its own.

    python benchmarks/frameworks.py [NAME ...] [--to DIR]

Frameworks cannot share one: TorchPhysics needs numpy < 2, neurodiffeq makes float64 the default of the process,
NeuroMancer takes half a minute to import. An environment that is there already is used again. Each takes one to
ten minutes, that of TorchPhysics up to twenty. Prints what was installed and what the tests said; the exit status is
1 if any failed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests" / "integrations"
PINS = ROOT / "constraints.txt"
TORCH = re.search(r"^torch==\S+", PINS.read_text(encoding="utf-8"), re.MULTILINE)

# what is installed, by one call of pip each
PACKAGES: dict[str, list[list[str]]] = {
    "deepxde": [["deepxde==1.15.0"]],
    "pina": [["pina-mathlab==0.3.2.post2610"]],
    "lightning": [["lightning==2.6.6", "pytorch-lightning==2.6.6"]],
    "torchphysics": [["torchphysics==1.1.2", "numpy<2"]],
    "neurodiffeq": [["neurodiffeq==0.7.0"]],
    "neuromancer": [["neuromancer==1.5.6", "wandb"]],
    # its requirements name torchvision, which pulls another torch, and s3fs without a version, for which pip tries
    # releases for an hour: here is what `physicsnemo.sym` imports, as it was tried
    "physicsnemo": [
        ["--no-deps", "nvidia-physicsnemo==2.2.2", "s3fs==2026.9.0", "aiobotocore==3.10.0", "botocore==1.43.117"],
        ["--no-deps", "aioitertools==0.13.0", "jmespath==1.1.0", "wrapt==2.5.2", "warp-lang==1.19.0"],
        ["aiohttp", "importlib-metadata", "python-dateutil<3", "requests", "setuptools", "tqdm"],
    ],
}
# a framework may pin these
FREE = ("numpy", "scipy", "matplotlib", "contourpy", "pandas", "fonttools", "python-dateutil")


def loose(folder: Path) -> Path:
    """The project's constraints without what frameworks must choose for themselves."""
    lines = PINS.read_text(encoding="utf-8").splitlines()
    file = folder / "constraints.txt"
    file.write_text("\n".join(line for line in lines if line.partition("==")[0].lower() not in FREE) + "\n")
    return file


def built(name: str, folder: Path) -> Path:
    """The interpreter of an environment with a framework and this project."""
    place = folder / name
    python = place / "bin" / "python"
    if (place / "complete").exists():
        return python
    venv.create(place, with_pip=True, clear=True)
    assert TORCH is not None
    pip = [str(python), "-m", "pip", "install", "--quiet", "-c", str(loose(folder))]
    for wanted in ([TORCH.group()], *PACKAGES[name], ["-e", f"{ROOT}[test]"]):  # torch first: no range pulls another
        subprocess.run([*pip, *wanted], check=True)
    (place / "complete").touch()
    return python


def files(name: str) -> list[str]:
    own = TESTS / f"test_integrations_{name}.py"
    return [str(file) for file in (own, TESTS / "test_integrations_templates.py") if file.exists()]


def main() -> int:
    """Build, test, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*PACKAGES, []], help="default: all")
    parser.add_argument("--to", type=Path, default=Path(tempfile.gettempdir()) / "pinndiag-frameworks")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in given.names or PACKAGES:
        began = time.perf_counter()
        python = built(name, given.to)
        ready = time.perf_counter()
        done = subprocess.run(
            [str(python), "-m", "pytest", "-q", *files(name)], cwd=ROOT, capture_output=True, text=True
        )
        tested = time.perf_counter()
        last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-500:]
        what = next(package for package in PACKAGES[name][0] if "==" in package)
        print(f"{what:32} installed in {ready - began:5.0f} s, tested in {tested - ready:4.0f} s: {last}", flush=True)
        if done.returncode:
            failed.append(name)
            print(done.stdout[-4000:])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
