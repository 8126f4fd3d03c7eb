"""Progress: a bar on a terminal that leaves nothing behind, sparse lines elsewhere, nothing when quiet."""

from __future__ import annotations

import io
import sys
import threading
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


def test_lines_tell_of_what_takes_long(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    lines = _progress._Lines()
    lines.begin("loading")
    lines.look()
    lines.state("it costs this much")
    lines.stage(event(0))
    now[0] = 0.9  # short
    lines.look()
    lines.stage(event(1))
    for now[0] in (1.8, 2.0, 2.2, 11.0, 12.0, 13.0):
        lines.look()
    out, err = capsys.readouterr()
    assert out == ""
    tells = "[2/3] neural tangent kernel (about 20 gradients)"
    assert err == f"it costs this much\n{tells}\n{tells}, 11 s so far\n"


def test_lines_are_written_while_the_work_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_progress, "SHORT", 0.01)
    told = threading.Event()
    monkeypatch.setattr(_progress, "note", lambda text: (print(text, file=sys.stderr), told.set()))
    with progress(quiet=False) as shown:
        shown.begin("loading heat.pt")
        assert told.wait(30)
    assert capsys.readouterr().err.startswith("loading heat.pt\n")


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


def test_equal_steps_tell_how_long_the_rest_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("pinndiag_cli._progress.time.monotonic", lambda: now[0])
    with progress(quiet=False) as shown:
        for done in range(0, 1001, 10):
            shown.steps("training", done, 1000)
            now[0] += 1.0
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["training: 20 of 1000, about 98 s left", "training: 100 of 1000, about 90 s left"]
    assert lines[-1] == "training: 1000 of 1000"
    assert len(lines) == 11


def test_slow_steps_are_heard_of_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("pinndiag_cli._progress.time.monotonic", lambda: now[0])
    with progress(quiet=False) as shown:
        for done in range(40):
            shown.steps("training", done, 100_000)
            now[0] += 10.0
    assert len(capsys.readouterr().err.splitlines()) == 13  # after 10 s, then every 30 s
