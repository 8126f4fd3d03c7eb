"""Which checks and thresholds judge: from the call, and from the nearest [tool.pinndiag]."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pinndiag import Diagnosis, PinndiagError
from pinndiag._diagnosis._judge import judge
from pinndiag._diagnosis._rules import rules
from pinndiag.checks import DEFAULT, Threshold, Thresholds
from tests.checks.records import record, unfinished, with_terms, work


def file(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text)
    return folder


def dominated():
    return with_terms(unfinished(), bc={"work": work(1e-1)}, pde={"loss": 1e-5, "work": work(1e-3)})


def test_without_a_file_everything_is_judged_by_default(tmp_path):
    assert rules(folder=tmp_path) == {"select": (), "ignore": (), "thresholds": DEFAULT}
    file(tmp_path, "[tool.ruff]\nline-length = 120\n")
    assert rules(folder=tmp_path)["thresholds"] == DEFAULT


def test_the_nearest_file_that_has_the_table_counts(tmp_path):
    file(tmp_path, '[tool.pinndiag]\nselect = ["PD2"]\nignore = ["PD202"]\n')
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    file(inner, "[project]\nname = 'heat'\n")
    found = rules(folder=inner)
    assert (found["select"], found["ignore"]) == (("PD2",), ("PD202",))
    file(inner, '[tool.pinndiag]\nignore = ["PD3"]\n')
    assert rules(folder=inner)["select"] == ()


def test_what_the_caller_says_wins(tmp_path):
    file(tmp_path, '[tool.pinndiag]\nselect = ["PD2"]\n[tool.pinndiag.thresholds]\nwork = 1e-4\nprobe = 20\n')
    found = rules(["PD5"], thresholds={"work": 1e-3}, folder=tmp_path)
    assert found["select"] == ("PD5",)
    assert {name: bound.value for name, bound in found["thresholds"].changed().items()} == {"work": 1e-3, "probe": 20}
    assert rules(thresholds=Thresholds(), folder=tmp_path)["thresholds"] == DEFAULT


@pytest.mark.parametrize(
    ("name", "value", "grave"),
    [
        ("work_ratio", 50, 150),  # three times
        ("stuck", 1.1, 1.1 / 3),  # a third
        ("top_share", 0.7, 0.9),  # a third of the way to one is left
        ("alignment", -0.2, -0.6),
        ("start_sharpness", 2.0, 2.5),  # the default's own factor, 1.25
    ],
)
def test_a_number_moves_both_places(name, value, grave):
    bound = getattr(rules(thresholds={name: value})["thresholds"], name)
    assert (bound.value, bound.grave) == (value, pytest.approx(grave))
    usual = getattr(DEFAULT, name)
    assert bound.source == f"given with the call; by default {usual.value:.3g}, {usual.source}"
    assert (bound.falling, bound.of_one) == (usual.falling, usual.of_one)


def test_both_places_can_be_given(tmp_path):
    file(tmp_path, "[tool.pinndiag.thresholds]\ntop_share = { value = 0.7, grave = 0.95 }\nprobe = { grave = 200 }\n")
    found = rules(folder=tmp_path)["thresholds"]
    assert (found.top_share.value, found.top_share.grave) == (0.7, 0.95)
    assert (found.probe.value, found.probe.grave) == (DEFAULT.probe.value, 200)


def test_the_default_value_is_no_change(tmp_path):
    assert rules(thresholds={"work": DEFAULT.work.value})["thresholds"] == DEFAULT


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("[tool.pinndiag]\nthreshold = 1", "there is no setting 'threshold'", "did you mean thresholds?"),
        ("[tool.pinndiag.thresholds]\nwork_rato = 1", "there is no threshold 'work_rato'", "did you mean work_ratio?"),
        ("[tool.pinndiag.thresholds.probe]\nvalu = 1", "there is no key 'valu' of probe", "did you mean value?"),
        ('[tool.pinndiag]\nignore = ["PD20l"]', "there is no check 'PD20l'", "did you mean PD20"),
        ('[tool.pinndiag]\nselect = "PD2"', "select is 'PD2'", "a list of codes"),
        ("[tool.pinndiag]\nselect = [2]", "select is [2]", "a list of codes"),
        ("[tool.pinndiag]\nthresholds = 3", "thresholds is 3", "names with numbers"),
        ('[tool.pinndiag.thresholds]\nwork = "1"', "work is '1'", "a positive number, such as 2e-05"),
        ("[tool.pinndiag.thresholds]\nwork = true", "work is True", "a positive number"),
        ("[tool.pinndiag.thresholds]\nwork = nan", "work is nan", "a positive number"),
        ("[tool.pinndiag.thresholds]\nwork = -1", "work is -1", "a positive number"),
        ("[tool.pinndiag.thresholds]\nalignment = 0.3", "alignment is 0.3", "a negative number, such as -0.3"),
        ("[tool.pinndiag.thresholds]\ntop_share = 60", "top_share is 60", "a number between 0 and 1, such as 0.6"),
        ("[tool.pinndiag.thresholds]\nprobe = {value = 9, grave = 3}", "probe.grave is 3", "graver side of 9"),
        ("[tool.pinndiag.thresholds]\nstuck = {value = 1, grave = 2}", "stuck.grave is 2", "graver side of 1"),
        ("[tool]\npinndiag = 3", "tool.pinndiag is 3", "a table"),
        ("[tool.pinndiag", "cannot be read", "mend the file"),
    ],
)
def test_mistakes_are_told_with_the_place_and_the_nearest_name(tmp_path, text, what, fix):
    with pytest.raises(PinndiagError) as caught:
        rules(folder=file(tmp_path, text))
    error = caught.value
    assert what in error.what
    assert fix in error.fix
    assert "pyproject.toml" in error.where + error.what


def test_a_mistake_of_the_caller_is_not_blamed_on_the_file():
    with pytest.raises(PinndiagError, match="--threshold"):
        rules(thresholds={"wrk": 1.0}, where="--threshold")
    with pytest.raises(PinndiagError, match="known: PD001"):
        rules(["PD999"])


def test_findings_and_verdict_say_that_a_threshold_is_not_the_default():
    [usual] = [f for f in judge(dominated()).findings if f.code == "PD201"]
    assert "your own" not in usual.sure
    own = judge(dominated(), thresholds=rules(thresholds={"work_ratio": 50.0})["thresholds"])
    [found] = [f for f in own.findings if f.code == "PD201"]
    assert found.sure.endswith("Judged by thresholds of your own: work_ratio is 50 (default 30).")
    assert found.evidence[0].threshold == 50 or found.evidence[1].threshold == 50
    assert own.verdict.text.endswith(" Thresholds of your own: work_ratio.")
    assert own.criteria.thresholds == {"work_ratio": {"value": 50.0, "grave": 150.0}}


def test_stored_measurements_are_judged_again():
    stored = Diagnosis.of(Diagnosis(judge(dominated())).to_dict())
    again = stored.judged(thresholds={"work_ratio": 1e4}, ignore=["PD503"])
    assert {f.code for f in stored.findings} - {f.code for f in again.findings} == {"PD201"}
    assert again.record.criteria.ignore == ["PD503"]
    assert again.record.terms == stored.record.terms
    assert again.judged().to_dict() == stored.to_dict()


def test_what_was_finished_is_not_where_less_work_is_asked_for():
    assert judge(record()).verdict.severity == "none"
    strict = judge(record(), thresholds=msgspec.structs.replace(DEFAULT, work=Threshold.above(1e-9, "strict")))
    assert strict.verdict.severity == "warning"
