"""Progress: a bar on a terminal that leaves nothing behind, sparse lines elsewhere, nothing when quiet."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from pinndiag_cli import _progress
from pinndiag_cli._progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def event(index: int, words: str = "neural tangent kernel") -> SimpleNamespace:
    return SimpleNamespace(stage=words, index=index, count=3, cost="about 20 gradients")


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(quiet=True) as shown:
        shown.begin("loading")
        shown.state("it costs this much")
        shown.stage(event(0))
    assert capsys.readouterr() == ("", "")


def test_lines_are_sparse(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    with progress(quiet=False) as shown:
        shown.begin("loading")
        shown.state("it costs this much")
        shown.stage(event(0))
        now[0] = 2.5
        shown.stage(event(1))
        now[0] = 3.0
        shown.stage(event(2))
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "it costs this much\n[2/3] neural tangent kernel (about 20 gradients)\n"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress(quiet=False) as shown:
        shown.begin("loading [red]heat\x07.pt")
        shown.state("heat[0]\x1b[2J.pt: it costs this much")
        shown.stage(event(1))
    written = terminal.getvalue()
    assert "heat[0]\\x1b[2J.pt: it costs this much\n" in written.replace("\r", "")
    assert "2/3 neural tangent kernel (about 20 gradients)" in written
    assert "\x07" not in written
    assert "\x1b[2J" not in written
    assert written.endswith("\x1b[2K")  # the bar's line is erased


def test_what_a_factory_prints_does_not_reach_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import contextlib

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with contextlib.redirect_stdout(sys.stderr), progress(quiet=False):
        print("a factory that talks")
    assert capsys.readouterr().out == ""
    assert "a factory that talks" in terminal.getvalue()
