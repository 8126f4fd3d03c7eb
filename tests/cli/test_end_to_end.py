"""The command line with everything behind it, on networks of a few dozen parameters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

import pinndiag
from pinndiag import Diagnosis
from pinndiag_cli import main

Run = Callable[..., Result]
HOSTILE = "[red]b\x1b[31mc\u202e<script>"


def _save(path: Path, target: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x = torch.linspace(0, 1, 12, dtype=torch.float64)[:, None]
    terms = {"fit": lambda x: model(x) - target * torch.sin(3 * x), HOSTILE: lambda x: model(x[:2])}
    pinndiag.wrap(model, terms, points={"fit": x, HOSTILE: x}).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    _save(folder / "a.pt", 1.0)
    _save(folder / "b.pt", float("inf"))
    torch.save({"model_state_dict": nn.Linear(2, 1).state_dict()}, folder / "w.pt")
    return folder


@pytest.fixture
def run(folder: Path) -> Iterator[Run]:
    here = Path.cwd()
    os.chdir(folder)
    yield lambda *args: CliRunner().invoke(main, args, prog_name="pinndiag")
    os.chdir(here)


@pytest.fixture(scope="module")
def analyzed(folder: Path) -> dict[str, Result]:
    return {
        name: CliRunner().invoke(main, ["analyze", str(folder / f"{name}.pt"), "--quick"], prog_name="pinndiag")
        for name in ("a", "b", "w")
    }


def test_statuses(analyzed: dict[str, Result], folder: Path) -> None:
    a, b = (Diagnosis.read(folder / f"{name}.pt.diagnosis.json").record for name in ("a", "b"))
    assert analyzed["a"].exit_code == bool(a.problems), analyzed["a"].output
    assert analyzed["b"].exit_code == 1, analyzed["b"].output
    assert analyzed["w"].exit_code == 2
    assert b.findings[0].code == "PD001"
    assert "pinndiag explain PD001" in analyzed["b"].stdout
    assert "holds weights (2 tensors, 3 numbers, float32) but no loss terms" in analyzed["w"].stderr
    assert (folder / "w.pt.report.html").exists()


def test_the_last_lines(analyzed: dict[str, Result], folder: Path) -> None:
    verdict, page, plain, after = analyzed["a"].stdout.splitlines()[-4:]
    record = Diagnosis.read(folder / "a.pt.diagnosis.json").record
    shown = analyzed["a"].stdout.splitlines()[0]
    assert record.findings[0].code in verdict if record.findings else verdict in shown
    assert page == f"report: {folder}/a.pt.report.html"
    assert plain == f"  data: {folder}/a.pt.diagnosis.json"
    assert after.startswith("  next: pinndiag ")


def test_names_are_shown_and_not_obeyed(analyzed: dict[str, Result]) -> None:
    for result in analyzed.values():
        assert not {"\x1b", "\u202e"} & set(result.stdout + result.stderr)
    assert "[red]b" in analyzed["a"].stdout


def test_json_is_the_diagnosis(run: Run, folder: Path) -> None:
    done = run("analyze", "a.pt", "--quick", "--json", "-q")
    assert done.stdout.encode() == (folder / "a.pt.diagnosis.json").read_bytes()
    assert set(json.loads(done.stdout)["terms"]) == {"fit", HOSTILE}
    assert done.stderr == ""


def test_another_dtype(run: Run, analyzed: dict[str, Result], folder: Path) -> None:
    done = run("analyze", "a.pt", "--quick", "--json", "--dtype", "float32", "-o", str(folder / "single.html"))
    assert done.exit_code in (0, 1), done.stderr
    plain = json.loads(done.stdout)
    assert plain["run"]["dtype"] == "float32"
    expected = Diagnosis.read(folder / "a.pt.diagnosis.json").record.terms["fit"].loss
    assert plain["terms"]["fit"]["loss"] == pytest.approx(expected, rel=1e-5)
    assert plain["terms"]["fit"]["loss"] != expected


def test_selection(run: Run, analyzed: dict[str, Result], folder: Path) -> None:
    done = run("analyze", "b.pt", "--quick", "--json", "--ignore", "pd0", "-o", str(folder / "ignored.html"))
    judged = json.loads(done.stdout)
    assert not any(finding["code"].startswith("PD0") for finding in judged["findings"])
    assert not any(code.startswith("PD0") for code in judged["passed"])


def test_compare(run: Run, analyzed: dict[str, Result]) -> None:
    assert run("compare", "a.pt", "a.pt").exit_code == 0
    done = run("compare", "a.pt", "b.pt")
    assert done.exit_code == 1
    assert "new  problem  PD001" in done.stdout
    assert run("compare", "b.pt", "a.pt").exit_code == 0


@pytest.mark.parametrize("kind", ["html", "md", "text", "json"])
def test_report(run: Run, analyzed: dict[str, Result], folder: Path, kind: str) -> None:
    done = run("report", "b.pt", "--format", kind, "-o", "again")
    assert done.exit_code == 1, done.stderr
    text = (folder / "again").read_text()
    assert "PD001" in text
    assert "<script>alert" not in text
    if kind == "html":
        assert text == (folder / "b.pt.report.html").read_text()


def test_the_report_is_in_colour_on_a_terminal_only(analyzed: dict[str, Result], folder: Path) -> None:
    import pty

    command = [sys.executable, "-m", "pinndiag_cli", "report", "b.pt", "--format", "text"]
    plain = subprocess.run(command, cwd=folder, capture_output=True, check=False).stdout
    assert b"\x1b" not in plain
    shown = {}
    for extra in ({}, {"NO_COLOR": "1"}):
        reader, writer = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **extra}
        with subprocess.Popen(command, cwd=folder, stdout=writer, env=environment):
            os.close(writer)
            shown[bool(extra)] = _drain(reader)
    assert b"\x1b[1;31m" in shown[False]
    assert b"\x1b[31mc" not in shown[False]  # the name's own
    assert b"\x1b" not in shown[True]


def _drain(reader: int) -> bytes:
    received = b""
    try:
        while chunk := os.read(reader, 65536):
            received += chunk
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(reader)
    return received


def test_ctrl_c(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "def make():\n    import time\n    print('begun', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "pinndiag_cli", "analyze", "w.pt", "--factory", f"{tmp_path}/slow.py:make"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell in the background ignores it
    ) as process:
        assert process.stderr is not None
        assert "begun\n" in iter(process.stderr.readline, "")  # lines about a slow start may come before
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=50)
    assert process.returncode == 130
    assert out == ""
    assert err.strip() == "interrupted"
