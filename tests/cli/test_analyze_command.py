"""pinndiag analyze: what it prints, what it writes, and how it exits."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result

from pinndiag import CheckpointError, Diagnosis
from pinndiag._records import NotApplicable
from tests.cli.conftest import StandIn
from tests.cli.diagnoses import card, diagnosis, finding

Run = Callable[..., Result]


def test_no_problem(run: Run, library: StandIn, checkpoint: Path) -> None:
    done = run("analyze", "checkpoint.pt")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "TABLE No problem was found.",
        "",
        "No problem was found.",
        "report: checkpoint.pt.report.html",
        "  data: checkpoint.pt.diagnosis.json",
        "  next: pinndiag analyze checkpoint.pt --thorough",
    ]
    assert Path("checkpoint.pt.report.html").read_text() == "<p>No problem was found.</p>"
    assert Diagnosis.read("checkpoint.pt.diagnosis.json").record == library.found


@pytest.mark.parametrize(
    ("severity", "options", "status"),
    [
        ("problem", [], 1),
        ("problem", ["--exit-zero"], 0),
        ("problem", ["--json"], 1),
        ("problem", ["-q"], 1),
        ("warning", [], 0),
        ("note", [], 0),
    ],
)
def test_exit_status_is_that_of_the_worst_finding(
    run: Run, library: StandIn, checkpoint: Path, severity: Any, options: list[str], status: int
) -> None:
    library.found = diagnosis(finding("PD101", "note"), finding("PD201", severity))
    assert run("analyze", "checkpoint.pt", *options).exit_code == status


def test_what_to_type_next(run: Run, library: StandIn, checkpoint: Path) -> None:
    library.found = diagnosis(finding("PD201"), finding("PD101"))
    assert run("analyze", "checkpoint.pt").stdout.splitlines()[-1].endswith("pinndiag explain PD201")
    library.found = diagnosis()
    assert "next: pinndiag analyze checkpoint.pt " in run("analyze", "checkpoint.pt", "--quick").stdout
    assert "next: open checkpoint.pt.report.html" in run("analyze", "checkpoint.pt", "--thorough").stdout
    done = run("analyze", "checkpoint.pt", "--select", "PD2", "--factory", "a b.py:make")
    assert done.stdout.endswith("  next: pinndiag analyze checkpoint.pt --factory 'a b.py:make'   (all checks)\n")


def test_below_the_table_the_verdict_is_short(run: Run, library: StandIn, checkpoint: Path) -> None:
    library.found = diagnosis(finding("PD201"), finding("PD103"), finding("PD301", "warning"), finding("PD101", "note"))
    whole, short = "4 findings", "2 problems (PD201, PD103), 1 warning (PD301)"
    assert run("analyze", "checkpoint.pt").stdout.splitlines()[:3] == [f"TABLE {whole}", "", short]
    assert run("analyze", "checkpoint.pt", "-q").stdout.splitlines()[0] == whole


@pytest.mark.parametrize(
    ("mode", "passed", "options", "said"),
    [
        ("standard", ["PD101"], ["--quick"], True),
        ("thorough", ["PD101"], [], True),
        ("standard", ["PD101", "PD201"], ["--select", "PD2"], True),
        ("standard", ["PD101"], ["--ignore", "PD1"], True),
        ("standard", ["PD201"], ["--select", "PD2"], False),
        ("standard", ["PD101"], [], False),
        ("quick", ["PD101"], ["--quick"], False),
        ("chosen", ["PD101"], ["--quick"], False),
        ("standard", ["PD101"], ["--quick", "-o", "elsewhere"], False),
    ],
)
def test_a_fuller_diagnosis_is_not_replaced_without_a_word(
    run: Run, library: StandIn, checkpoint: Path, mode: str, passed: list[str], options: list[str], said: bool
) -> None:
    Diagnosis(diagnosis(run=card(mode=mode), passed=passed)).save("checkpoint.pt.diagnosis.json")
    seen: list[str] = []
    library.during = lambda: seen.append(sys.stderr.buffer.getvalue().decode())  # type: ignore[attr-defined]
    assert run("analyze", "checkpoint.pt", "-q", *options).exit_code == 0
    line = f"checkpoint.pt.diagnosis.json: replaces the {mode} diagnosis of 2026-01-02 03:04 UTC (-o to keep it)\n"
    assert seen == [line if said else ""]


def test_one_of_mere_weights_replaces_none_without_a_word(run: Run, library: StandIn, checkpoint: Path) -> None:
    Diagnosis(diagnosis(run=card(mode="quick"))).save("checkpoint.pt.diagnosis.json")
    library.weights = True
    assert run("analyze", "checkpoint.pt", "--quick", "-q").stderr.startswith("checkpoint.pt.diagnosis.json: replaces ")
    Path("checkpoint.pt.diagnosis.json").write_text("damaged")
    assert "replaces" not in run("analyze", "checkpoint.pt").stderr


def test_json_is_the_file_and_nothing_else(run: Run, library: StandIn, checkpoint: Path) -> None:
    library.found = diagnosis(finding(terms=("\x1b[31mσ\u202e\udc80",)), cosine={"a|b": 1 / 3, "c|d": float("nan")})
    library.on_load = library.during = lambda: print("a factory that talks")
    done = run("analyze", "checkpoint.pt", "--json")
    assert done.stdout.encode() == Path("checkpoint.pt.diagnosis.json").read_bytes()
    assert Diagnosis.of(json.loads(done.stdout)).to_dict() == Diagnosis(library.found).to_dict()
    assert json.loads(done.stdout)["cosine"] == {"a|b": 1 / 3, "c|d": "NaN"}
    assert done.stderr.count("a factory that talks") == 2


def test_quiet_prints_the_verdict_only(run: Run, library: StandIn, checkpoint: Path) -> None:
    done = run("analyze", "checkpoint.pt", "-q")
    assert "TABLE" not in done.stdout
    assert done.stdout.startswith("No problem was found.\nreport: ")
    assert done.stderr == ""


def test_verbose_says_what_each_part_took_and_what_failed(run: Run, library: StandIn, checkpoint: Path) -> None:
    skipped = NotApplicable(code="PD302", reason="no time")
    library.found = diagnosis(reasons={"kernel": "the analyzer failed"}, not_applicable=[skipped])
    shown = run("analyze", "checkpoint.pt", "-v").stderr
    assert shown.endswith("not applicable: PD302: no time\n")
    assert "1.25 s  curvature\n    0.25 s  gradients\nnot measured: kernel: the analyzer failed\n" in shown
    assert "not measured" not in run("analyze", "checkpoint.pt").stderr
    library.found = diagnosis(reasons={"curvature.stability": "not applicable: no optimizer"})
    assert "not measured: curvature.stability: no optimizer\n" in run("analyze", "checkpoint.pt", "-v").stderr


def test_the_cost_is_stated_beforehand_on_stderr(run: Run, library: StandIn, checkpoint: Path) -> None:
    seen: list[str] = []
    library.during = lambda: seen.append(sys.stderr.buffer.getvalue().decode())  # type: ignore[attr-defined]
    run("analyze", "checkpoint.pt")
    assert seen[0].splitlines() == [
        "checkpoint.pt: 2 terms, 81 trainable parameters, float64 on cpu",
        "measuring in 2 steps, at a cost of about 21 gradients of the total loss (--quick: fewer)",
    ]


def test_options_reach_the_library(run: Run, library: StandIn, checkpoint: Path) -> None:
    done = run(
        *("analyze", "checkpoint.pt", "--factory", "heat.py:make", "--quick", "--select", "pd2", "--ignore", "PD201"),
        *("--unsafe-load", "--device", "cpu", "--dtype", "float32", "--seed", "5", "--threshold", "work_ratio=50"),
    )
    assert done.exit_code == 0, done.stderr
    assert library.loaded == {
        "path": Path("checkpoint.pt"),
        "factory": "heat.py:make",
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "unsafe": True,
    }
    assert library.analyzed == {
        "quick": True,
        "thorough": False,
        "seed": 5,
        "select": ("PD2",),
        "ignore": ("PD201",),
        "thresholds": {"work_ratio": 50.0},
        "name": "checkpoint.pt",
        "source": "checkpoint.pt",
    }


def test_weights_without_terms(run: Run, library: StandIn, checkpoint: Path) -> None:
    library.weights = True
    library.found = diagnosis(run=card(mode="weights"))
    done = run("analyze", "checkpoint.pt")
    assert done.exit_code == 2
    assert "TABLE" in done.stdout
    assert "next:" not in done.stdout  # the error says it
    assert "pinndiag init heat.py" in done.stderr
    assert done.stderr.splitlines()[-3:] == [
        "error: holds weights only",
        "  where: key 'model'",
        "  fix: `pinndiag init heat.py` writes a template; put your terms in it, then: "
        "pinndiag analyze checkpoint.pt --factory heat.py:make",
    ]
    assert Path("checkpoint.pt.report.html").exists()
    assert Path("checkpoint.pt.diagnosis.json").exists()
    assert list(library.analyzed["tensors"]) == ["w"]
    assert library.analyzed["notes"] == ["weights taken from key 'model'"]


def test_weights_without_terms_as_json(run: Run, library: StandIn, checkpoint: Path) -> None:
    library.weights = True
    done = run("analyze", "checkpoint.pt", "--json", "--exit-zero")
    assert done.exit_code == 2
    assert json.loads(done.stdout) == Diagnosis(library.found).to_dict()


@pytest.mark.parametrize(
    ("place", "page", "data"),
    [
        ("out", "out/checkpoint.pt.report.html", "out/checkpoint.pt.diagnosis.json"),
        ("new/folder", "new/folder/checkpoint.pt.report.html", "new/folder/checkpoint.pt.diagnosis.json"),
        ("new/page.html", "new/page.html", "new/page.diagnosis.json"),
        ("page.html", "page.html", "page.diagnosis.json"),
        ("page.report.html", "page.report.html", "page.diagnosis.json"),
    ],
)
def test_output(run: Run, library: StandIn, checkpoint: Path, place: str, page: str, data: str) -> None:
    Path("out").mkdir()
    done = run("analyze", "checkpoint.pt", "-o", place)
    assert done.exit_code == 0
    assert Path(page).exists()
    assert Path(data).exists()
    assert not Path("checkpoint.pt.report.html").exists()
    assert f"report: {page}" in done.stdout


@pytest.mark.parametrize("place", ["page.pdf", "checkpoint.pt", "file", "file/below", "file/page.html"])
def test_a_place_that_cannot_be_is_refused_before_the_work(
    run: Run, library: StandIn, checkpoint: Path, place: str
) -> None:
    Path("file").write_text("mine")
    done = run("analyze", "checkpoint.pt", "-o", place)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "error: cannot " in done.stderr
    assert Path("file").read_text() == "mine"
    assert not library.loaded


@pytest.mark.parametrize("suffix", ["report.html", "diagnosis.json"])
def test_a_place_that_cannot_be_written_costs_the_file_but_not_the_verdict(
    run: Run, library: StandIn, checkpoint: Path, suffix: str
) -> None:
    Path(f"checkpoint.pt.{suffix}").mkdir()
    done = run("analyze", "checkpoint.pt")
    assert done.exit_code == 2
    assert done.stdout == "TABLE No problem was found.\n\n"
    assert f"error: cannot write checkpoint.pt.{suffix}" in done.stderr
    assert "-o PATH" in done.stderr
    assert not [p for p in Path().iterdir() if p.name.endswith(".part")]


def test_a_file_that_is_not_there(run: Run, library: StandIn, checkpoint: Path) -> None:
    done = run("analyze", "chekpoint.pt")
    assert done.exit_code == 2
    assert "error: there is no file chekpoint.pt" in done.stderr
    assert "did you mean checkpoint.pt?" in done.stderr


def test_folders(run: Run, library: StandIn, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    done = run("analyze", "run")
    assert done.exit_code == 2
    assert "without run.json" in done.stderr
    (tmp_path / "run" / "run.json").write_text("{}")
    done = run("analyze", "run")
    assert done.exit_code == 2
    assert "run is not the folder of a run" in done.stderr
    done = run("analyze", "run", "--quick", "--dtype", "float64")
    assert done.exit_code == 2
    assert "--quick, --dtype: only for checkpoints" in done.stderr


def test_a_diagnosis_is_not_a_checkpoint(run: Run, library: StandIn, tmp_path: Path) -> None:
    (tmp_path / "a b.diagnosis.json").write_text("{}")
    done = run("analyze", "a b.diagnosis.json")
    assert done.exit_code == 2
    assert "pinndiag report 'a b.diagnosis.json'" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--quick", "--thorough"], "exclude each other"),
        (["--dtype", "int8"], "'int8' is not one of"),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--device", "warp:9"], "there is no device 'warp:9' here"),
        (["--device", "cuda:77"], "there is no device 'cuda:77' here"),
        (["--select", "PD20X"], "there is no check 'PD20X'"),
        (["--ignore", ""], "there is no check ''"),
        (["--watch"], "No such option '--watch'"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Run, library: StandIn, checkpoint: Path, options: list[str], words: str
) -> None:
    done = run("analyze", "checkpoint.pt", *options)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert [part for part in ("where", "cause", "fix") if f"\n  {part}: " not in done.stderr] == []
    assert not library.analyzed


def _raises(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def test_errors_of_the_library_come_in_their_four_parts(run: Run, library: StandIn, checkpoint: Path) -> None:
    library.on_load = _raises(CheckpointError("torn", where="\x1b[2Jbyte 7", cause="a full disk", fix="save again"))
    done = run("analyze", "checkpoint.pt")
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr == "error: torn\n  where: \\x1b[2Jbyte 7\n  cause: a full disk\n  fix: save again\n"
    assert not Path("checkpoint.pt.diagnosis.json").exists()


@pytest.mark.parametrize("error", [ZeroDivisionError("by [red]zero\nsecond line"), EOFError(), RecursionError("deep")])
def test_the_unforeseen_is_one_message_and_a_traceback_only_when_asked(
    run: Run, library: StandIn, checkpoint: Path, error: Exception
) -> None:
    library.during = _raises(error)
    done = run("analyze", "checkpoint.pt")
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr
    assert type(error).__name__ in done.stderr
    assert "pinndiag env" in done.stderr
    assert "\n  fix: " in done.stderr
    assert "Traceback" in run("analyze", "checkpoint.pt", "-v").stderr


def test_memory(run: Run, library: StandIn, checkpoint: Path) -> None:
    library.during = _raises(torch.OutOfMemoryError("tried to allocate 9 TiB"))
    done = run("analyze", "checkpoint.pt")
    assert done.exit_code == 2
    assert "not enough memory" in done.stderr
    assert "--quick" in done.stderr


def test_verbose_shows_what_stood_behind_an_error(run: Run, library: StandIn, checkpoint: Path) -> None:
    error = CheckpointError("the factory failed")
    error.__cause__ = ZeroDivisionError("in its third line")
    library.on_load = _raises(error)
    assert "third line" not in run("analyze", "checkpoint.pt").stderr
    shown = run("analyze", "checkpoint.pt", "-v").stderr
    assert shown.startswith("ZeroDivisionError: in its third line\nerror: the factory failed")


@pytest.mark.parametrize("where", ["on_load", "during"])
def test_interrupted(run: Run, library: StandIn, checkpoint: Path, where: str) -> None:
    setattr(library, where, _raises(KeyboardInterrupt()))
    done = run("analyze", "checkpoint.pt")
    assert done.exit_code == 130
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in Path().iterdir()) == ["checkpoint.pt"]


def test_open(run: Run, library: StandIn, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: not opened.append(url))  # type: ignore[func-returns-value]
    assert run("analyze", "checkpoint.pt", "--open").exit_code == 0
    assert opened == [Path("checkpoint.pt.report.html").resolve().as_uri()]
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    assert "no browser" in run("analyze", "checkpoint.pt", "--open").stderr


def test_a_file_name_cannot_steer_the_terminal(run: Run, library: StandIn, tmp_path: Path) -> None:
    name = "[red]\x1b[2J\u202e.pt"
    (tmp_path / name).write_bytes(b"")
    done = run("analyze", name)
    assert done.exit_code == 0
    assert "[red]\\x1b[2J\\u202e.pt.report.html" in done.stdout
    assert not {"\x1b", "\u202e"} & set(done.stdout + done.stderr)
