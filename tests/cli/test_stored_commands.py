"""report and compare: what is stored is shown again; nothing is measured, torch is not loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from pinndiag import Diagnosis
from pinndiag._diagnosis._judge import judge
from pinndiag._records import DiagnosisRecord
from tests.cli.conftest import StandIn
from tests.cli.diagnoses import card, diagnosis, finding

Run = Callable[..., Result]


def put(name: str, record: DiagnosisRecord) -> Path:
    return Diagnosis(record).save(Path(name))


@pytest.mark.parametrize(
    ("typed", "file", "page"),
    [
        ("a.pt.diagnosis.json", "a.pt.diagnosis.json", "a.pt.report.html"),
        ("a.pt", "a.pt.diagnosis.json", "a.pt.report.html"),
        ("diagnosis.json", "diagnosis.json", "report.html"),
        ("other.json", "other.json", "other.report.html"),
        ("run", "run/diagnosis.json", "run/report.html"),
    ],
)
def test_report_finds_the_diagnosis_and_puts_the_page_beside_it(
    run: Run, library: StandIn, tmp_path: Path, typed: str, file: str, page: str
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "a.pt").write_bytes(b"")
    put(str(tmp_path / file), diagnosis())
    done = run("report", typed)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"No problem was found.\nreport: {page}\n"
    assert (tmp_path / page).read_text() == "<p>No problem was found.</p>"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--format", "text"], "TABLE No problem was found.\n"),
        (["--format", "md"], "# No problem was found.\n"),
        (["--format", "json"], None),
        (["--json"], None),
    ],
)
def test_report_prints_or_writes_every_format(
    run: Run, library: StandIn, options: list[str], expected: str | None
) -> None:
    file = put("d.json", diagnosis())
    expected = expected or file.read_text()
    assert run("report", "d.json", *options).stdout == expected
    done = run("report", "d.json", *options, "-o", "out")
    assert done.stdout == ""
    assert Path("out").read_text() == expected


@pytest.mark.parametrize(
    ("name", "start"), [("out.json", "{"), ("out.md", "# "), ("out.txt", "TABLE"), ("out.html", "<p>")]
)
def test_report_guesses_the_format_from_the_name(run: Run, library: StandIn, name: str, start: str) -> None:
    put("d.json", diagnosis())
    assert run("report", "d.json", "-o", name).exit_code == 0
    assert Path(name).read_text().startswith(start)


def test_report_exits_as_analyze_does(run: Run, library: StandIn) -> None:
    put("sick.json", diagnosis(finding()))
    assert run("report", "sick.json").exit_code == 1
    assert run("report", "sick.json", "--exit-zero", "-q").exit_code == 0
    assert run("report", "sick.json", "-q").stdout == ""


def test_report_judges_again_and_leaves_the_file(run: Run) -> None:
    from tests.diagnosis.test_rules import dominated

    file = put("d.json", judge(dominated()))
    kept = file.read_text()

    def codes(*options: str) -> list[str]:
        return [f["code"] for f in json.loads(run("report", "d.json", "--json", *options).stdout)["findings"]]

    assert "PD201" in codes()
    assert "PD201" not in codes("--threshold", "work_ratio=1000")
    assert codes("--select", "PD201") == ["PD201"]
    Path("pyproject.toml").write_text("[tool.pinndiag.thresholds]\nwork_ratio = 1000\n")
    assert "PD201" in codes()
    assert "PD201" not in codes("--judge")
    assert file.read_text() == kept
    done = run("report", "d.json", "--threshold", "wrk=3")
    assert (done.exit_code, "did you mean work?" in done.stderr) == (2, True)
    assert "give NAME=NUMBER" in run("report", "d.json", "--threshold", "work").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "absent.json"], "there is no file absent.json"),
        (["report", "a.pt"], "there is no diagnosis of a.pt yet"),
        (["report", "folder"], "without run.json"),
        (["report", "run"], "is not the folder of a run"),
        (["report", "broken.json"], "cannot read broken.json"),
        (["report", "other.json"], "is not a diagnosis of this version"),
        (["report", "d.json", "--json", "--format", "md"], "exclude each other"),
        (["report", "d.json", "--open", "--format", "md"], "--open is for --format html"),
        (["report", "d.json", "-o", "absent/x.html"], "cannot write absent/x.html"),
        (["report", "d.json", "-o", "absent/x.md"], "cannot write absent/x.md"),
        (["compare", "d.json", "a.pt"], "there is no diagnosis of a.pt yet"),
        (["compare", "d.json"], "Missing argument 'B'"),
        (["compare", "d.json", "d.json", "--json", "--format", "md"], "exclude each other"),
        (["compare", "d.json", "d.json", "-o", "absent/x.md"], "cannot write absent/x.md"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, library: StandIn, arguments: list[str], words: str) -> None:
    put("d.json", diagnosis())
    for name, text in (("a.pt", ""), ("broken.json", "{"), ("other.json", "{}")):
        Path(name).write_text(text)
    Path("folder").mkdir()
    Path("run").mkdir()
    Path("run/run.json").write_text("{}")
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert [part for part in ("where", "cause", "fix") if f"\n  {part}: " not in done.stderr] == []


def test_compare(run: Run) -> None:
    put("a.json", diagnosis(run=card("before.pt")))
    put("b.json", diagnosis(finding("PD401"), run=card("after.pt")))
    done = run("compare", "a.json", "b.json")
    assert done.exit_code == 1
    assert done.stdout.startswith("A  a.json: No problem was found.")
    assert done.stdout.splitlines()[-1].startswith("B has 1 problem that A has not")
    assert run("compare", "a.json", "b.json", "--exit-zero").exit_code == 0
    back = run("compare", "b.json", "a.json")
    assert back.exit_code == 0
    assert run("compare", "b.json", "b.json").exit_code == 0


@pytest.mark.parametrize(("age", "said"), [(10, True), (-10, False), (0, False)])
def test_compare_says_that_a_diagnosis_is_older_than_its_checkpoint(run: Run, age: int, said: bool) -> None:
    for name in ("a.pt", "b.pt"):
        Path(name).write_bytes(b"")
        moment = put(f"{name}.diagnosis.json", diagnosis()).stat().st_mtime_ns // 10**9
        os.utime(f"{name}.diagnosis.json", (moment, moment))
        os.utime(name, (moment - 10, moment - 10))
    moment = Path("b.pt.diagnosis.json").stat().st_mtime
    os.utime("b.pt", (moment + age, moment + age))
    done = run("compare", "a.pt", "b.pt")
    warning = "warning: b.pt is newer than its diagnosis, which may be of other weights; analyze it again: "
    assert done.stderr == (f"{warning}pinndiag analyze b.pt\n" if said else "")
    assert [line[:7] for line in done.stdout.splitlines()[:2]] == ["A  a.pt", "B  b.pt"]


def test_compare_as_json_markdown_and_nothing(run: Run) -> None:
    put("a.json", diagnosis())
    put("b.json", diagnosis(finding("PD401")))
    plain = json.loads(run("compare", "a.json", "b.json", "--json").stdout)
    assert plain["schema"] == "pinndiag.comparison/1"
    assert [f["code"] for f in plain["problems_new"]] == ["PD401"]
    assert run("compare", "a.json", "b.json", "--format", "md").stdout.startswith("# a.json → b.json")
    assert run("compare", "a.json", "b.json", "-q").stdout == ""
    assert run("compare", "a.json", "b.json", "-o", "c.md").stdout == ""
    assert Path("c.md").read_text().startswith("# a.json → b.json")
    run("compare", "a.json", "b.json", "-o", "c.json")
    assert json.loads(Path("c.json").read_text()) == plain
