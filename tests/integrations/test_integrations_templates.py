"""What `pinndiag init --framework` writes and what docs/frameworks.md shows runs, where the framework is installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from pinndiag.integrations import FRAMEWORKS
from pinndiag_cli._init import TEMPLATES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "frameworks.md"
TEMPLATED = sorted(entry.name.removesuffix(".py.txt") for entry in TEMPLATES.iterdir())
EXAMPLE = re.compile(r"<!-- example: ([\w-]+)(?: needs ([\w.]+))? -->\n```(diff|python)\n(.*?)```", re.DOTALL)


def python(*arguments: str, folder: Path, fine: tuple[int, ...] = (0,)) -> str:
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "cli", "reports"))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode in fine, done.stderr[-3000:]
    return done.stdout


def after(diff: str) -> str:
    """What a diff leads to."""
    return "\n".join(line[1:] for line in diff.splitlines() if not line.startswith("-")) + "\n"


def examples() -> list[tuple[str, str, str]]:
    """Name, package that is needed, code."""
    found = []
    for name, package, kind, text in EXAMPLE.findall(PAGE.read_text(encoding="utf-8")):
        found.append((name, package, after(text) if kind == "diff" else text))
    return found


@pytest.mark.parametrize("key", TEMPLATED)
def test_a_template_trains_and_its_checkpoint_and_run_are_read(key: str, tmp_path: Path) -> None:
    package = FRAMEWORKS[key].about.package if key in FRAMEWORKS else key
    if find_spec(package) is None:
        pytest.skip(f"{key} is not installed")
    python("-m", "pinndiag_cli", "init", "heat.py", "--framework", key, folder=tmp_path)
    code = (tmp_path / "heat.py").read_text(encoding="utf-8").replace("300", "30")
    (tmp_path / "heat.py").write_text(code, encoding="utf-8")
    python("heat.py", folder=tmp_path)
    if key == "torch":  # a factory alone
        return
    (file,) = re.findall(r"pinndiag analyze (\S+) --factory heat.py:make", code)
    asked = ("analyze", file, "--factory", "heat.py:make", "--quick", "--json")
    diagnosis = json.loads(python("-m", "pinndiag_cli", *asked, folder=tmp_path, fine=(0, 1)))
    assert diagnosis["terms"]
    assert (tmp_path / f"{file}.report.html").exists()
    shown = python("-m", "pinndiag_cli", "watch", "runs/heat", folder=tmp_path, fine=(0, 1))  # it has ended
    assert all(name in shown for name in diagnosis["terms"])


@pytest.mark.parametrize(("name", "package", "code"), examples(), ids=[name for name, *_ in examples()])
def test_an_example_of_the_page_runs(name: str, package: str, code: str, tmp_path: Path) -> None:
    package = package or FRAMEWORKS[name].about.package
    try:
        there = find_spec(package) is not None
    except ModuleNotFoundError:
        there = False
    if not there:
        pytest.skip(f"{package} is not installed")
    (tmp_path / "script.py").write_text(re.sub(r"\b\d?0_?000\b", "20", code))
    python("script.py", folder=tmp_path)
    assert (tmp_path / "runs").is_dir()


def test_every_framework_has_its_example() -> None:
    named = {name for name, *_ in examples()}
    assert named >= {*FRAMEWORKS, "torch", "physics-informer"} - {"physicsnemo-sym"}
    page = PAGE.read_text(encoding="utf-8")
    for framework in FRAMEWORKS.values():
        for version in framework.about.tested:
            assert f"{framework.about.distribution} {version}" in page
