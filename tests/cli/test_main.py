"""What all commands share: help, usage errors, start-up, streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from pinndiag import Diagnosis, __version__
from pinndiag_cli import main
from pinndiag_cli._main import COMMANDS
from tests.cli.diagnoses import diagnosis, finding

Run = Callable[..., Result]
PYTHON = [sys.executable, "-m", "pinndiag_cli"]


def shell(*args: str, cwd: Path | None = None, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PYTHON, *args], cwd=cwd, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_screen_and_has_two_examples(run: Run, command: str) -> None:
    done = run(*command.split(), "--help")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert len(lines) <= 34
    assert max(map(len, lines)) <= 80
    examples = [line for line in lines if line.startswith("    pinndiag ")]
    assert len(examples) >= 2
    for example in examples:
        assert example.split()[1] in COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_short_help_is_not_cut(run: Run, command: str) -> None:
    assert f"  {command} " in (shown := run("--help").stdout)
    assert "..." not in shown


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_loads_nothing_heavy(command: str) -> None:
    code = (
        "import sys, pinndiag_cli\n"
        f"pinndiag_cli.main([*{command.split()!r}, '--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'numpy', 'scipy', 'matplotlib', 'jinja2', 'rich'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: " in done.stdout


def test_every_option_does_something() -> None:
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        for parameter in command.params:
            assert isinstance(parameter, click.Argument) or parameter.help, parameter.name


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"pinndiag {__version__}\n"


def test_no_command_is_a_usage_error_with_the_help(run: Run) -> None:
    done = run()
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "analyze" in done.stderr


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["anlyze"], "there is no command 'anlyze'; did you mean 'analyze'?"),
        (["xyzzy"], "there is no command 'xyzzy'\n"),
        (["--nope"], "No such option '--nope'"),
        (["analyze"], "Missing argument 'TARGET'"),
        (["checks", "extra"], "unexpected extra argument"),
        (["cure", "x.pt"], "there is no command 'cure'"),
    ],
)
def test_usage_errors(run: Run, typed: list[str], words: str) -> None:
    done = run(*typed)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert "--help" in done.stderr


def test_a_control_character_on_the_command_line_is_shown(run: Run) -> None:
    done = run("\x1b[2J")
    assert "\x1b" not in done.stderr
    assert "x1b[2J" in done.stderr


def test_statuses_of_the_process(tmp_path: Path) -> None:
    Diagnosis(diagnosis()).save(tmp_path / "a.json")
    Diagnosis(diagnosis(finding())).save(tmp_path / "b.json")
    assert shell("compare", "b.json", "a.json", cwd=tmp_path).returncode == 0
    done = shell("compare", "a.json", "b.json", "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["problems_new"]
    assert done.stderr == ""
    done = shell("compare", "a.json", "c.json", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no file c.json")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_left_is_no_error(tmp_path: Path, stream: str) -> None:
    Diagnosis(diagnosis(finding())).save(tmp_path / "sick.json")
    arguments = ["report", "sick.json", "--format", "json"] if stream == "stdout" else ["report", "absent.json"]
    read, write = os.pipe()
    os.close(read)
    others = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {stream: write}
    done = subprocess.run([*PYTHON, *arguments], cwd=tmp_path, text=True, check=False, **others)  # type: ignore[call-overload]
    os.close(write)
    assert done.returncode == (1 if stream == "stdout" else 2)
    assert not done.stdout
    assert not done.stderr


def test_names_that_the_terminal_cannot_write(tmp_path: Path) -> None:
    Diagnosis(diagnosis(finding(terms=("σ→\udc80",)))).save(tmp_path / "a.json")
    done = shell("compare", "a.json", "a.json", cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "\\u03c3" in done.stdout
