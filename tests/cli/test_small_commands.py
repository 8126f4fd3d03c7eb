"""checks, explain, schemes, env."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from pinndiag import __version__, schemes
from pinndiag.checks import CHECKS, Check, explain

Run = Callable[..., Result]


def test_checks(run: Run) -> None:
    done = run("checks")
    assert done.exit_code == 0
    listed = json.loads(run("checks", "--json").stdout)
    assert [row["code"] for row in listed] == sorted(check.code for check in CHECKS)
    for row, check in zip(listed, sorted(CHECKS, key=lambda check: check.code), strict=True):
        assert row == {
            "code": check.code,
            "pathology": check.pathology,
            "title": check.title,
            "needs": list(check.needs),
        }
        assert f"\n{check.code}  {check.title.split()[0]}" in done.stdout
        assert check.pathology in done.stdout
    assert "remaining work" in done.stdout
    assert "pinndiag explain" in done.stdout


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_explain_takes_every_code(run: Run, check: Check) -> None:
    assert run("explain", check.code).stdout == explain(check.code)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("pd201", "PD201"),
        (" PD201 ", "PD201"),
        ("pde_dominates", "PD201"),
        ("PDE-dominates", "PD201"),
        ("pde dominates", "PD201"),
        ("condition_dominates", "PD201"),
        ("causality_violation", "PD302"),
    ],
)
def test_explain_takes_a_pathology(run: Run, typed: str, code: str) -> None:
    assert run("explain", typed).stdout == explain(code)


@pytest.mark.parametrize(("typed", "meant"), [("PD2O1", "PD201"), ("pde_dominate", "pde_dominates")])
def test_explain_asks_what_was_meant(run: Run, typed: str, meant: str) -> None:
    done = run("explain", typed)
    assert done.exit_code == 2
    assert f"there is no check '{typed}'" in done.stderr
    assert f"did you mean {meant}?" in done.stderr


@pytest.mark.parametrize(("typed", "near"), [("lr_anealing", "lra"), ("dynamic", "dynamic_norm"), ("the", None)])
def test_a_scheme_by_a_name_that_is_near(run: Run, typed: str, near: str | None) -> None:
    done = run("schemes", typed)
    assert done.exit_code == 2
    assert (f"did you mean '{near}'?" in done.stderr) == (near is not None)
    assert run("schemes", "lr_annealing").stdout.startswith("## lra (LRAnnealing)")


@pytest.mark.parametrize("typed", ["\x1b[31m", "", "the"])
def test_explain_nothing_near(run: Run, typed: str) -> None:
    done = run("explain", typed)
    assert done.exit_code == 2
    assert "did you mean" not in done.stderr
    assert "\x1b" not in done.stderr


def test_schemes(run: Run) -> None:
    done = run("schemes")
    assert done.exit_code == 0
    assert "pinndiag schemes KEY" in done.stdout
    assert "\n\n" not in done.stdout  # a row is a row: no blank line between them
    listed = json.loads(run("schemes", "--json").stdout)
    assert [row["key"] for row in listed] == list(schemes.SCHEMES)
    for row in listed:
        scheme = schemes.by_key(row["key"])
        assert row["class"] == scheme.__name__
        assert row["presets"] == list(scheme.presets)
        assert f"\n{row['key']} " in done.stdout
        assert row["title"].split()[0] in done.stdout
        in_full = run("schemes", row["key"]).stdout
        assert row["source"].split()[0] in in_full


@pytest.mark.parametrize("key", schemes.SCHEMES)
def test_schemes_explains_every_key(run: Run, key: str) -> None:
    said = run("schemes", key).stdout
    assert said == schemes.explain(key)
    scheme = schemes.by_key(key)
    assert said.startswith(f"## {key} ({scheme.__name__})")
    for words in ("**Arguments of every scheme**", "`max_growth`", "Cost", "Source", scheme.about.failure):
        assert words in said
    assert all(f"- `{preset}`: " in said for preset in scheme.presets)
    assert json.loads(run("schemes", scheme.__name__, "--json").stdout)[0]["key"] == key


def test_schemes_asks_what_was_meant(run: Run) -> None:
    done = run("schemes", "dynamic_nrom")
    assert done.exit_code == 2
    assert "did you mean 'dynamic_norm'?" in done.stderr


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
def test_env_without_a_torch_that_works(tmp_path: Path, missing: str, words: str) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libcudart is missing')")
    code = f"import sys; {missing}; from pinndiag_cli import main; main(['env'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
    assert "numpy" in done.stdout
