"""remediate, and report and compare on what it writes: files, words, exit statuses, interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import Result

import pinndiag
from pinndiag import Comparison
from pinndiag._records import RemedyRecord, from_plain, to_plain
from pinndiag_cli import _progress
from tests.reports.remedies import remedy, sick_pinn

Run = Callable[..., Result]
FEW = ("--steps", "12")


@pytest.fixture
def pt(tmp_path: Path) -> Path:
    return sick_pinn().save(tmp_path / "p.pt")


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Sets what the library will come to; the page is a line."""
    (tmp_path / "p.pt").write_bytes(b"a checkpoint")
    pinn = sick_pinn()
    monkeypatch.setattr(pinndiag, "load", lambda *_, **__: pinn, raising=False)
    monkeypatch.setattr(pinn, "save", lambda path: path.write_bytes(b"treated"))
    monkeypatch.setattr("pinndiag_reports.remedy_page.remedy_to_html", lambda record: f"<p>{record.text}</p>")

    def set_to(**fields: object) -> None:
        record = msgspec.structs.replace(remedy(), **fields)
        treated = pinn if record.chosen is not None else None
        monkeypatch.setattr(pinndiag, "remediate", lambda *_, **__: Comparison(record, treated), raising=False)

    return set_to


def read(path: str) -> RemedyRecord:
    return from_plain(json.loads(Path(path).read_text()), RemedyRecord)


def test_it_writes_three_files_and_leaves_the_target_alone(run: Run, pt: Path) -> None:
    before = pt.read_bytes()
    done = run("remediate", "p.pt", "--scheme", "dynamic_norm", *FEW)
    record = read("p.pt.remedy.json")
    assert done.exit_code == (1 if record.severity in ("worse", "diverged") else 0), done.stderr
    assert pt.read_bytes() == before
    assert sorted(os.listdir()) == ["p.pt", "p.pt.remedy.html", "p.pt.remedy.json", "p.pt.treated.pt"]
    assert (
        "report: p.pt.remedy.html\n  data: p.pt.remedy.json\ntreated: p.pt.treated.pt\n  next: pinndiag " in done.stdout
    )
    assert record.text.split(";")[0] in " ".join(done.stdout.split())
    assert "24 gradients of the total loss" in done.stderr  # said beforehand: two arms of 12 steps
    assert record.evaluations == 24
    assert pinndiag.load("p.pt.treated.pt").names == ["fit", "bc"]
    assert "<title>p.pt - before and after" in Path("p.pt.remedy.html").read_text()


def test_what_is_replaced_is_said_and_o_keeps_it(run: Run, given: Callable[..., None]) -> None:
    given()
    run("remediate", "p.pt")
    kept = Path("p.pt.remedy.json").read_bytes()
    given(steps=99)
    away = run("remediate", "p.pt", "-o", "other")
    assert "replaces" not in away.stderr
    assert sorted(os.listdir("other")) == ["p.pt.remedy.html", "p.pt.remedy.json", "p.pt.treated.pt"]
    assert Path("p.pt.remedy.json").read_bytes() == kept
    again = run("remediate", "p.pt")
    assert "p.pt.remedy.json: replaces that of 20" in again.stderr
    assert "(dynamic_norm, sa; 12 steps) (-o to keep it)" in again.stderr


def test_the_input_is_never_overwritten(run: Run, pt: Path) -> None:
    pt.rename("x.treated.pt")
    done = run("remediate", "x.treated.pt", "--scheme", "lra", *FEW, "-o", "x.html")
    assert done.exit_code == 2
    assert "x.treated.pt would be overwritten" in done.stderr
    assert os.listdir() == ["x.treated.pt"]


@pytest.mark.parametrize(
    ("severity", "status"), [("better", 0), ("alike", 0), ("worse", 1), ("diverged", 1), ("unknown", 0)]
)
def test_statuses(run: Run, given: Callable[..., None], severity: str, status: int) -> None:
    given(severity=severity, chosen=0)
    assert run("remediate", "p.pt", "-q").exit_code == status
    assert run("remediate", "p.pt", "-q", "--exit-zero").exit_code == 0
    assert run("report", "p.pt.remedy.json", "-q").exit_code == status
    assert run("report", "p.pt.remedy.json", "-q", "--exit-zero").exit_code == 0


def test_a_healthy_network_is_not_treated(run: Run, given: Callable[..., None]) -> None:
    Path("p.pt.treated.pt").write_bytes(b"of yesterday")
    given(
        baseline=None, arms=[], chosen=None, comparison=None, severity="alike",
        text="Nothing was treated: no problem was found.", reason="the diagnosis names nothing",
    )  # fmt: skip
    done = run("remediate", "p.pt")
    assert done.exit_code == 0
    assert done.stdout.startswith("= Nothing was treated: no problem was found.")
    assert "\ntreated:" not in done.stdout
    assert "next: pinndiag remediate p.pt --scheme KEY" in done.stdout
    assert "p.pt.treated.pt: from an earlier remediation, left as it was" in done.stderr
    assert Path("p.pt.treated.pt").read_bytes() == b"of yesterday"


@pytest.mark.parametrize(("severity", "asks"), [("worse", True), ("alike", True), ("better", False)])
def test_the_next_step_keeps_what_was_asked_for(
    run: Run, given: Callable[..., None], severity: str, asks: bool
) -> None:
    given(severity=severity)
    asked = ("--scheme", "lra", "--scheme", "rba", "--from", "initial", "--seeds", "2", "--resample", "5")
    done = run("remediate", "p.pt", *asked, "--steps", "1500", "--exit-zero")
    again = "pinndiag remediate p.pt --scheme lra --scheme rba --from initial --steps 3000 --seeds 2 --resample 5"
    assert (f"next: {again}" in done.stdout) == asks
    few = run("remediate", "p.pt", "--steps", "500", "-o", "a b", "--dtype", "float64", "--exit-zero")
    again = "pinndiag remediate p.pt --steps 2000 --dtype float64 --output 'a b'"
    assert (f"next: {again}   (longer: schemes need time)" in few.stdout) == asks


def test_auto_may_be_named(run: Run, given: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    given()
    inner = pinndiag.remediate
    monkeypatch.setattr(pinndiag, "remediate", lambda pinn, schemes, **rest: asked.append(schemes) or inner(pinn))
    run("remediate", "p.pt")
    named = run("remediate", "p.pt", "--scheme", "auto")
    assert asked == ["auto", "auto"]
    assert "under the schemes that it speaks for" in named.stderr
    both = run("remediate", "p.pt", "--scheme", "auto", "--scheme", "lra")
    assert both.exit_code == 2
    assert "'auto' is asked for beside other schemes" in both.stderr
    assert "replaces" not in both.stderr  # nothing was, and nothing is read
    assert "loading p.pt" not in both.stderr


def test_json_is_exactly_the_file(run: Run, given: Callable[..., None]) -> None:
    given()
    done = run("remediate", "p.pt", "--json", "--exit-zero")
    assert done.stdout == Path("p.pt.remedy.json").read_text()
    assert json.loads(done.stdout) == to_plain(remedy())


def test_explain_tells_more(run: Run, given: Callable[..., None]) -> None:
    given()
    short, long = run("remediate", "p.pt").stdout, run("remediate", "p.pt", "--explain").stdout
    verdict = remedy().diagnosis.verdict.text
    assert verdict not in " ".join(short.split())
    assert f"as it was given: {verdict}" in " ".join(long.split())


def test_an_interrupt_keeps_what_is_done(run: Run, pt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(self: object, what: str, done: int, total: int) -> None:
        if done == 18:  # in the second of two arms of 12 steps
            raise KeyboardInterrupt

    monkeypatch.setattr(_progress._Lines, "steps", steps)
    done = run("remediate", "p.pt", "--scheme", "lra", *FEW)
    assert done.exit_code == 130, done.stderr
    record = read("p.pt.remedy.json")
    assert record.interrupted
    assert record.baseline is not None
    assert record.arms == []
    assert "Interrupted: shown is what was done by then (1 arm trained to the end)" in " ".join(done.stdout.split())
    assert "interrupted: what was done by then is kept" in done.stderr
    assert "trained on as it is" in Path("p.pt.remedy.html").read_text()


def test_an_interrupt_before_anything_is_done_leaves_what_was_found_before(
    run: Run, given: Callable[..., None]
) -> None:
    given()
    run("remediate", "p.pt")
    before = Path("p.pt.remedy.json").read_bytes()
    nothing = {"baseline": None, "arms": [], "chosen": None, "comparison": None, "interrupted": True}
    given(**nothing, text="Interrupted before an arm was trained to its end.")
    done = run("remediate", "p.pt")
    assert done.exit_code == 130
    assert Path("p.pt.remedy.json").read_bytes() == before
    assert "interrupted before an arm was trained: p.pt.remedy.json stays as it was" in done.stderr
    assert "report:" not in done.stdout
    assert run("remediate", "p.pt", "-o", "new").exit_code == 130
    assert Path("new/p.pt.remedy.json").exists()


def test_a_real_interrupt(pt: Path) -> None:
    command = [sys.executable, "-m", "pinndiag_cli", "remediate", str(pt), "--scheme", "lra", "--steps", "1000000"]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.default_int_handler
        ),  # tests in the background ignore it
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("training every arm"):
                break
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert "Interrupted before an arm was trained to its end." in out
    assert read(f"{pt}.remedy.json").interrupted


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("p.pt", "--scheme", "dynamic_nrom"), "dynamic_norm"),
        (("nothing.pt",), "there is no file nothing.pt"),
        (("folder",), "folder is not a checkpoint"),
        (("p.pt.diagnosis.json",), "is not a checkpoint"),
        (("p.pt", "--steps", "1"), "--steps"),
        (("p.pt", "--from", "elsewhere"), "elsewhere"),
        (("p.pt", "-o", "page.pdf"), "cannot write to page.pdf"),
        (("p.pt", "--device", "cuda:99"), "there is no device 'cuda:99' here"),
    ],
)
def test_what_cannot_be_done(run: Run, pt: Path, arguments: tuple[str, ...], words: str) -> None:
    Path("folder").mkdir()
    Path("p.pt.diagnosis.json").write_text("{}")
    done = run("remediate", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert not Path("p.pt.remedy.json").exists()


@pytest.mark.parametrize("kind", ["html", "json", "md", "text"])
def test_report_renders_it_again(run: Run, tmp_path: Path, kind: str) -> None:
    Path("p.pt.remedy.json").write_text(json.dumps(to_plain(remedy()), allow_nan=False))
    done = run("report", "p.pt.remedy.json", "--format", kind, "--exit-zero")
    assert done.exit_code == 0, done.stderr
    shown = Path("p.pt.remedy.html").read_text() if kind == "html" else done.stdout
    if kind == "json":
        assert json.loads(shown) == to_plain(remedy())
    else:
        assert "DynamicNorm" in shown
    assert Path("p.pt.remedy.html").exists() is (kind == "html")


def test_report_of_a_damaged_one_or_of_another_version(run: Run, tmp_path: Path) -> None:
    plain = to_plain(remedy())
    Path("a.json").write_text(json.dumps({**plain, "schema": "pinndiag.remedy/99"}))
    Path("b.json").write_text(json.dumps({**plain, "arms": 3}))
    assert "schema is 'pinndiag.remedy/99'" in run("report", "a.json").stderr
    assert "b.json is damaged" in run("report", "b.json").stderr


def test_compare_teaches(run: Run, pt: Path) -> None:
    Path("p.pt.remedy.json").write_text(json.dumps(to_plain(remedy()), allow_nan=False))
    done = run("compare", "p.pt.remedy.json", "p.pt")
    assert done.exit_code == 2
    assert "p.pt.remedy.json is before and after already" in done.stderr
    assert "pinndiag report p.pt.remedy.json" in done.stderr
