"""analyze, report, compare and watch on run folders: whole, half-way, torn, empty, foreign and hostile."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from pinndiag import Diagnosis
from pinndiag._records import to_plain
from pinndiag_cli import _watch
from tests.cli.diagnoses import diagnosis
from tests.store.runs import CLOSED, curvature, edited, falling, header, put, step

Run = Callable[..., Result]


def healthy(folder: str = "run") -> Path:
    """Everything falls, and little work is left."""
    return put(Path(folder), [*falling(60), CLOSED])


def sick(folder: str = "run") -> Path:
    """NaN from step 30 on."""
    bad = {"pde": float("nan"), "bc": 1.0}
    return put(Path(folder), [*falling(30), *(step(i, bad, bad) for i in range(30, 60)), CLOSED])


def test_analyze_writes_into_the_folder(run: Run) -> None:
    sick()
    done = run("analyze", "run")
    assert done.exit_code == 1, done.stderr
    assert "report: run/report.html\n  data: run/diagnosis.json" in done.stdout
    assert "  next: pinndiag explain PD001" in done.stdout
    found = Diagnosis.read("run/diagnosis.json").record
    assert [finding.code for finding in found.findings] == ["PD001"]
    assert (found.findings[0].held[0].first, found.findings[0].held[-1].last) == (30, 59)
    assert "held in steps 30 to 59" in done.stdout
    assert "<title>heat" in Path("run/report.html").read_text()
    assert run("analyze", "run", "--exit-zero").exit_code == 0


def test_analyze_takes_codes_and_another_place(run: Run) -> None:
    sick()
    done = run("analyze", "run", "--ignore", "pd001", "-o", "elsewhere")
    assert done.exit_code == 0, done.stdout
    assert sorted(os.listdir("elsewhere")) == ["run.diagnosis.json", "run.report.html"]
    assert "PD001" not in [f.code for f in Diagnosis.read("elsewhere/run.diagnosis.json").findings]
    assert run("analyze", "run", "--select", "PD001", "-q").exit_code == 1
    assert run("analyze", "run", "--select", "PD7").exit_code == 2


def test_a_run_is_judged_again_by_other_thresholds(run: Run) -> None:
    put(Path("run"), [*falling(60), curvature(40), CLOSED])

    def finished(*options: str) -> bool:
        assert run("analyze", "run", "--exit-zero", "-q", *options).exit_code == 0
        return "(finished)" in Diagnosis.read("run/diagnosis.json").record.verdict.text

    assert not finished()
    assert finished("--threshold", "work=1")
    Path("pyproject.toml").write_text("[tool.pinndiag]\nthresholds = { work = 1 }\n")
    assert finished()
    assert "'wrk'" in run("analyze", "run", "--threshold", "wrk=1").stderr


def test_analyze_prints_the_diagnosis_alone(run: Run) -> None:
    healthy()
    done = run("analyze", "run", "--json", "--exit-zero")
    assert done.stdout == Path("run/diagnosis.json").read_text()
    assert json.loads(done.stdout)["history"]["records"] == 60


@pytest.mark.parametrize("command", ["analyze", "report"])
@pytest.mark.parametrize(
    ("lines", "words"), [([], "holds no step that could be judged"), ([CLOSED], "holds no step that could be judged")]
)
def test_nothing_recorded_is_said(run: Run, command: str, lines: list[object], words: str) -> None:
    put(Path("run"), lines)  # type: ignore[arg-type]
    done = run(command, "run")
    assert done.exit_code == 2
    assert words in done.stderr
    assert [part for part in ("where", "cause", "fix") if f"\n  {part}: " not in done.stderr] == []


def test_report_tells_of_what_was_recorded_since(run: Run) -> None:
    lines = falling(60)
    put(Path("run"), lines[:20])
    assert run("report", "run").exit_code in (0, 1)
    assert "step 19, 20 records" in Path("run/report.html").read_text()
    assert not Path("run/diagnosis.json").exists()  # half-way: the page alone
    run("analyze", "run", "-q")
    with Path("run/records.jsonl").open("ab") as file:
        for line in lines[20:]:
            file.write(json.dumps(to_plain(line)).encode() + b"\n")
    os.utime("run/diagnosis.json", (0, 0))
    assert "step 59, 60 records" in run("report", "run", "--format", "text").stdout
    assert Diagnosis.read("run/diagnosis.json").record.history.records == 20  # type: ignore[union-attr]


def test_report_shows_the_stored_diagnosis_where_it_is_the_newer(run: Run) -> None:
    put(Path("run"), falling(20))
    Diagnosis(diagnosis()).save("run/diagnosis.json")
    now = time.time() + 10
    os.utime("run/diagnosis.json", (now, now))
    assert run("report", "run", "-q").exit_code == 0
    assert "checkpoint.pt" in Path("run/report.html").read_text()


@pytest.mark.parametrize("kind", ["html", "json", "md", "text"])
def test_every_format_tells_of_the_run(run: Run, kind: str) -> None:
    put(Path("run"), [*falling(60), curvature(40), CLOSED])
    done = run("report", "run", "--format", kind, "-o", "out", "--exit-zero")
    assert done.exit_code == 0, done.stderr
    text = Path("out").read_text()
    if kind == "json":
        assert json.loads(text)["history"]["last"] == 59
    else:
        assert "step 59, 60 records" in text
        assert "falls" in text or kind == "html"


def test_a_torn_record_is_said_on_the_page(run: Run) -> None:
    edited(put(Path("run"), falling(20)), lambda data: data[:-20])
    run("report", "run")
    assert "the last record is not whole" in Path("run/report.html").read_text()


def test_hostile_folders_do_no_harm(run: Run) -> None:
    evil = "<script>alert(1)</script>"
    head = header((evil, "bc"), name=evil)
    put(Path("run"), falling(40, (evil, "bc")), head)
    done = run("analyze", "run", "--exit-zero")
    assert done.exit_code == 0, done.stderr
    assert "<script>alert" not in Path("run/report.html").read_text()
    assert "<script>alert" not in run("report", "run", "--format", "md").stdout


def test_compare_takes_runs_and_a_run_with_something_else(run: Run) -> None:
    healthy("a")
    put(Path("b"), [*falling(80), CLOSED])
    Diagnosis(diagnosis()).save("c.json")
    done = run("compare", "a", "b", "--exit-zero")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("A  a: ")
    assert "lowest point of" in " ".join(done.stdout.split())
    assert "pde | bc" in done.stdout
    plain = json.loads(run("compare", "a", "b", "--json", "--exit-zero").stdout)
    (front,) = plain["fronts"]
    assert [item["run"] for item in front["runs"]] == ["A", "B"]
    # one term falls while the other rises, so that every point is on the front; the longer run adds its last 20
    assert [len(item["joint"]) for item in front["runs"]] == [60, 20]
    assert sorted(front["runs"][1]["joint"]) == list(range(60, 80))
    mixed = run("compare", "a", "c.json", "-o", "mixed.html", "--exit-zero")
    assert mixed.exit_code == 0, mixed.stderr
    assert "both sides must be runs" in Path("mixed.html").read_text()


def test_watch_once(run: Run) -> None:
    sick()
    done = run("watch", "run", "--once")
    assert done.exit_code == 1
    assert "step 59, 60 records" in done.stdout
    assert "so far: 1 problem" in done.stdout
    assert run("watch", "run", "--once", "--exit-zero").exit_code == 0
    put(Path("empty"), [])
    done = run("watch", "empty", "--once")
    assert (done.exit_code, done.stdout) == (0, "0 records so far; the run holds no step that could be judged\n")


def test_watch_writes_lines_until_the_run_ends(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    put(Path("run"), [])
    lines = [*falling(30), CLOSED]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        with Path("run/records.jsonl").open("ab") as file:
            for line in lines[10 * (len(slept) - 1) : 10 * len(slept)] or lines[-1:]:
                file.write(json.dumps(to_plain(line)).encode() + b"\n")

    monkeypatch.setattr(_watch.time, "sleep", sleep)
    done = run("watch", "run", "--interval", "3", "--exit-zero")
    assert done.exit_code == 0, done.stderr
    shown = done.stdout.splitlines()
    assert len(shown) == 5
    assert shown[0].startswith("0 records so far")
    assert [line.split(",")[0] for line in shown[1:]] == ["step 9", "step 19", "step 29", "step 29"]
    assert ["ended" in line and "not ended" not in line for line in shown[1:]] == [False, False, False, True]
    assert "pde" in shown[-1]
    assert "bc" in shown[-1]
    assert min(slept) >= 3


def killed(folder: Path) -> None:
    """The run is locked by a process that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    (folder / "writer.lock").write_text(json.dumps({"pid": ended.pid, "host": socket.gethostname()}))


def test_watch_ends_where_the_training_was_killed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_watch.time, "sleep", lambda seconds: pytest.fail("it waits for a process that is gone"))
    killed(put(Path("run"), falling(5)))
    done = run("watch", "run", "--exit-zero")
    assert done.exit_code == 0, done.stderr
    assert "step 4, 5 records" in done.stdout
    assert "killed" in done.stdout
    killed(put(Path("empty"), []))
    assert run("watch", "empty").stdout.endswith("; the training was killed\n")


def test_watch_shows_what_was_written_before_the_training_was_killed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(Path("run"), falling(5))

    def sleep(seconds: float) -> None:
        killed(folder)
        with (folder / "records.jsonl").open("ab") as file:
            file.write(json.dumps(to_plain(falling(6)[-1])).encode() + b"\n")

    monkeypatch.setattr(_watch.time, "sleep", sleep)
    shown = run("watch", "run", "--exit-zero").stdout.splitlines()
    assert [line.split(",")[0] for line in shown] == ["step 4", "step 5"]


def test_watch_leaves_the_training_most_of_the_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    put(Path("run"), falling(3))
    clock = iter(range(0, 1000, 2))  # each look takes two seconds

    def sleep(seconds: float) -> None:
        assert seconds == 18
        raise KeyboardInterrupt

    monkeypatch.setattr(_watch.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(_watch.time, "sleep", sleep)
    assert run("watch", "run").exit_code == 130


def test_watch_says_that_nothing_comes_any_more(run: Run) -> None:
    path = put(Path("run"), falling(5)) / "records.jsonl"
    os.utime(path, (time.time() - 500, time.time() - 500))
    assert "no record for 500 s" in run("watch", "run", "--once").stdout
    healthy("over")
    os.utime("over/records.jsonl", (0, 0))
    assert "no record for" not in run("watch", "over", "--once").stdout


@pytest.mark.parametrize(
    ("typed", "words"),
    [("absent", "there is no file absent"), ("file.pt", "is not the folder of a run"), ("folder", "without run.json")],
)
def test_watch_refuses_what_is_no_run(run: Run, typed: str, words: str) -> None:
    Path("file.pt").write_bytes(b"")
    Path("folder").mkdir()
    done = run("watch", typed)
    assert done.exit_code == 2
    assert words in done.stderr
    assert [part for part in ("where", "cause", "fix") if f"\n  {part}: " not in done.stderr] == []


def test_watch_on_a_terminal_ends_with_the_run_and_with_ctrl_c(tmp_path: Path) -> None:
    import pty

    put(tmp_path / "done", [*falling(30), CLOSED])
    put(tmp_path / "open", falling(30))
    for name, status in (("done", 0), ("open", 130)):
        reader, writer = pty.openpty()
        command = [sys.executable, "-m", "pinndiag_cli", "watch", name, "--exit-zero", "--interval", "30"]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=writer,
            stderr=subprocess.DEVNULL,
            env=environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as process:
            os.close(writer)
            seen, asked = b"", name == "done"
            try:
                while chunk := os.read(reader, 65536):
                    seen += chunk
                    if b"so far:" in seen and not asked:
                        asked = True  # once: a second one would meet a process that is on its way out
                        process.send_signal(signal.SIGINT)
            except OSError:  # Linux says so when the other end is closed
                pass
            os.close(reader)
            assert process.wait(60) == status
        assert "█".encode() in seen
        assert b"so far:" in seen
