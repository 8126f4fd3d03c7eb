"""checks, explain, env."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import Result

from pinndiag import __version__
from tests.cli.conftest import StandIn

Run = Callable[..., Result]


def test_checks(run: Run, library: StandIn) -> None:
    done = run("checks")
    assert done.exit_code == 0
    for words in ("PD101", "pde_dominates", "one term drowns [the] rest", "two loss terms or more", "pinndiag explain"):
        assert words in done.stdout
    assert json.loads(run("checks", "--json").stdout)[1] == {
        "code": "PD201",
        "pathology": "pde_dominates",
        "title": "one term drowns [the] rest",
        "needs": ["pair"],
    }


@pytest.mark.parametrize("typed", ["PD201", "pd201", "pde_dominates", "PDE-dominates", "pde dominates"])
def test_explain_takes_a_code_or_a_pathology(run: Run, library: StandIn, typed: str) -> None:
    done = run("explain", typed)
    assert done.exit_code == 0
    assert done.stdout == "# PD201\n\nHow *it* is.\n"


@pytest.mark.parametrize(("typed", "meant"), [("PD210", "PD201"), ("pde_dominate", "pde_dominates")])
def test_explain_asks_what_was_meant(run: Run, library: StandIn, typed: str, meant: str) -> None:
    done = run("explain", typed)
    assert done.exit_code == 2
    assert f"there is no check '{typed}'" in done.stderr
    assert f"did you mean {meant}?" in done.stderr


def test_explain_nothing_near(run: Run, library: StandIn) -> None:
    done = run("explain", "\x1b[31m")
    assert done.exit_code == 2
    assert "did you mean" not in done.stderr
    assert "\x1b" not in done.stderr


def test_env(run: Run) -> None:
    done = run("env")
    assert done.exit_code == 0
    for words in (f"pinndiag    {__version__}", "python ", "torch ", "device      cpu", "threads", "OMP_NUM_THREADS"):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("sys.modules['torch'] = None", "not installed"),
        ("sys.path.insert(0, '.')", "cannot be imported: OSError: libc"),
    ],
)
def test_env_without_a_torch_that_works(tmp_path, missing: str, words: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "torch.py").write_text("raise OSError('libcudart is missing')")
    code = f"import sys; {missing}; from pinndiag_cli import main; main(['env'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
    assert "numpy" in done.stdout
