"""Before and after as page, text and Markdown: whole, honest, small, and harmless whatever the names in it."""

from __future__ import annotations

import importlib
import json
import math
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pinndiag import PinndiagError
from pinndiag._records import RemedyRecord, Trial, from_plain, to_plain
from pinndiag_reports._numbers import number
from pinndiag_reports._remedy import remedy_view
from pinndiag_reports.remedy import remedy_to_markdown, remedy_to_text
from pinndiag_reports.remedy_page import remedy_to_html
from tests.reports.remedies import HOSTILE, hostile_remedy, remedy, without_solution
from tests.reports.test_reports_html import Page

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def plain_page() -> Page:
    return Page(remedy_to_html(remedy()))


@pytest.fixture(scope="module")
def hostile_page() -> Page:
    return Page(remedy_to_html(hostile_remedy()))


def with_outcomes(record: RemedyRecord, outcome: Any, factor: float, text: str = "") -> RemedyRecord:
    arms = [replace(record.arms[0], outcome=outcome, factor=factor), *record.arms[1:]]
    return replace(record, arms=arms, chosen=0, severity=outcome, text=text or record.text)


def test_page_text_and_markdown_say_the_same(plain_page: Page) -> None:
    record, page = remedy(), plain_page
    text, md = remedy_to_text(record, width=200, color=False), remedy_to_markdown(record)
    assert record.text in page.words
    assert record.text in " ".join(text.split())
    for arm in record.arms:
        for loss in arm.runs[0].losses.values():
            assert number(loss) in page.words
            assert number(loss) in text
            assert number(loss) in md
        assert number(arm.mean) in page.words
        assert arm.title in page.words
    assert "One seed is not evidence: --from initial --seeds 3" in page.words
    assert record.reason in page.words
    assert "fig-fields" in page.attributes("id")
    assert {
        "fig-seeds",
        "fig-errors",
        "fig-balance",
        "fig-histograms",
        "fig-courses",
        "fig-weights",
        "fig-fronts",
    } <= set(page.attributes("id"))


def test_gone_new_and_unjudged_findings_are_told_apart() -> None:
    record = remedy()
    assert record.comparison is not None
    known = [pair for pair in (*record.comparison.gone, *record.comparison.new) if pair.judged]
    other = [pair for pair in (*record.comparison.gone, *record.comparison.new) if not pair.judged]
    text = remedy_to_text(record, width=400, color=False)
    assert len(re.findall(r"^  (gone|new ) ", text, flags=re.M)) == len(known)
    assert len(re.findall(r"^  open ", text, flags=re.M)) == len(other)


@pytest.mark.parametrize(
    ("outcome", "factor", "sign", "words_", "badge"),
    [
        ("better", 12.5, "✔", "12 times better", "none"),
        ("worse", 0.25, "✖", "4 times worse", "problem"),
        ("diverged", 0.0, "✖", "diverged", "problem"),
        ("alike", 1.0, "=", "no clear difference", "note"),
    ],
)
def test_outcomes_in_words_and_sign(outcome: str, factor: float, sign: str, words_: str, badge: str) -> None:
    record = with_outcomes(remedy(), outcome, factor)
    text = remedy_to_text(record, width=200, color=False)
    assert " ".join(text.split()).startswith(f"{sign} {record.text}")
    assert re.search(rf"^{sign} DynamicNorm \(dynamic_norm\) +{words_}", text, flags=re.M)
    html = remedy_to_html(record)
    assert f'verdict sev-{badge}"' in html
    assert f'sev-{badge}"><span aria-hidden="true">{sign}</span> {words_}</span>' in html


def test_several_seeds_give_mean_and_error_and_every_run(hostile_page: Page) -> None:
    record = hostile_remedy()
    (arm,) = record.arms
    assert arm.error is not None
    view = remedy_view(record)
    assert len(view.runs) == 4
    for run in arm.runs:
        assert number(run.rel_l2) in hostile_page.words
    assert " ± " in view.arms[-1].figure
    assert "Mean ± standard error over 2 seeds" in remedy_to_text(record, width=100, color=False)


def test_the_figure_of_a_run_is_its_error_or_the_geometric_mean_of_its_losses() -> None:
    run = replace(remedy().arms[0].runs[0], losses={"a": 4.0, "b": 9.0}, held_out={"b": 0.25}, rel_l2=0.5, finite=True)
    assert run.figure("rel_l2") == 0.5
    assert run.figure("losses") == pytest.approx(1.0)  # sqrt(4 * 0.25)
    assert replace(run, finite=False).figure("losses") == math.inf
    assert replace(run, rel_l2=math.nan).figure("rel_l2") == math.inf


def test_without_a_solution_losses_are_compared() -> None:
    page = Page(remedy_to_html(without_solution(remedy())))
    assert "No reference solution is known" in page.words
    assert "Solution and error: no reference solution" in page.words
    assert "fig-errors" not in page.attributes("id")


def test_one_dimension_is_drawn_as_lines(plain_page: Page, hostile_page: Page) -> None:
    assert "networks and solution" in hostile_page.words
    assert "fig-errors" not in hostile_page.attributes("id")
    assert "fig-errors" in plain_page.attributes("id")


def test_weights_of_points_are_drawn_where_there_are_some(plain_page: Page, hostile_page: Page) -> None:
    assert "fig-masks" in plain_page.attributes("id")
    assert "fig-masks" not in hostile_page.attributes("id")


def test_nothing_treated_says_why() -> None:
    record = replace(
        replace(remedy(), baseline=None, arms=[], chosen=None, comparison=None, severity="alike"),
        text="Nothing was treated: no problem was found.",
        reason="the diagnosis names nothing that a scheme could cure",
    )
    for shown in (remedy_to_text(record, width=100, color=False), Page(remedy_to_html(record)).words):
        assert "Nothing was treated: no problem was found." in shown
        assert "the diagnosis names nothing that a scheme could cure" in shown
        assert "One seed" not in shown
    assert "A healthy network is not treated unless a scheme is named" in Page(remedy_to_html(record)).words


def test_an_interrupted_one_says_so() -> None:
    record = replace(remedy(), interrupted=True, arms=[], chosen=None, comparison=None, severity="unknown",
                     text="Interrupted before an arm was trained to its end.")  # fmt: skip
    for shown in (remedy_to_text(record, width=100, color=False), Page(remedy_to_html(record)).words):
        assert "Interrupted: shown is what was done by then (1 arm trained to the end)" in " ".join(shown.split())
        assert record.reason not in shown
        assert "not treated" not in shown


def test_what_auto_tried() -> None:
    trials = [
        Trial(
            key=key,
            why=f"PD201 {key}",
            score=score,
            losses={"fit": score, "bc": 2.0},
            kept=kept,
            steps=6,
            evaluations=7,
            seconds=1.5,
        )
        for key, score, kept in (("ntk", 0.5, False), ("dynamic_norm", 0.125, True))
    ]
    record = replace(remedy(), trials=trials)
    page = Page(remedy_to_html(record)).words
    explained = remedy_to_text(record, width=160, color=False, explain=True)
    assert "ntk" not in remedy_to_text(record, width=140, color=False)
    for shown in (page, " ".join(explained.split())):
        assert re.search(
            r"dynamic_norm\s?PD201 dynamic_norm\s?0\.125\s?0\.125\s?2\s?6\s?7\s?1\.50? s\s?trained to the end, chosen",
            shown,
        )
        assert re.search(r"ntk\s?PD201 ntk\s?0\.5\s?0\.5\s?2\s?6\s?7\s?1\.50? s\s?left behind", shown)


def test_the_reference_is_named_and_an_estimate_that_still_moves_is_told() -> None:
    record = remedy()
    text = " ".join(remedy_to_text(record, width=200, color=False).split())
    assert "reference term 'fit'" in text
    run = record.arms[0].runs[0]
    for moved, told in ((1.1, False), (1.83, True), (None, False)):
        arm = replace(record.arms[0], runs=[replace(run, estimate=0.1, estimate_moved=moved)])
        trial = Trial(key="lra", why="asked for", score=1.0, losses=run.losses, kept=True, estimate=0.1)
        shown = replace(record, arms=[arm], chosen_by="estimate", trials=[trial])
        words = " ".join(remedy_to_text(shown, width=200, color=False, explain=True).split())
        assert ("doubling the points looked at still moved it, by a factor of up to 1.8" in words) == told


def test_runs_are_counted_that_were_made() -> None:
    """From the checkpoint nothing is drawn at random: two seeds were asked for, one run was made."""
    assert "1 seed of 2 asked for, the same points" in remedy_view(replace(remedy(), seeds=2)).setting
    assert "2 seeds, the same points" in remedy_view(hostile_remedy()).setting
    fresh = remedy_view(replace(remedy(), resample=5)).setting
    assert "the same fresh points every 5 steps" in fresh


def test_hostile_names_are_text(hostile_page: Page) -> None:
    record = hostile_remedy()
    html = remedy_to_html(record)
    assert not [attrs for tag, attrs in hostile_page.tags if tag == "img" or "onerror" in attrs]
    assert html.count("<script") == 2
    assert HOSTILE[:37] in hostile_page.text
    for shown in (remedy_to_text(record, width=120, color=False), remedy_to_markdown(record), html):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert "<img" not in remedy_to_markdown(record)


def test_nan_and_infinity_are_shown() -> None:
    record = remedy()
    run = replace(record.arms[0].runs[0], losses={"fit": math.nan, "bc": math.inf}, finite=False, rel_l2=math.inf)
    arm = replace(record.arms[0], runs=[run], mean=math.inf, factor=0.0, outcome="diverged", diagnosis=None)
    broken = replace(record, arms=[arm, *record.arms[1:]], comparison=None)
    page = Page(remedy_to_html(broken)).words
    assert "NaN" in page
    assert "1 diverged" in page
    plain = json.loads(json.dumps(to_plain(broken), allow_nan=False))
    assert remedy_to_html(plain) == remedy_to_html(broken)
    assert remedy_to_text(plain, width=100, color=False) == remedy_to_text(broken, width=100, color=False)


def test_the_page_is_small_whatever_the_record_holds() -> None:
    record = remedy()
    field = record.diagnosis.solution.field  # type: ignore[union-attr]
    assert field is not None
    many = 2500
    wide = replace(
        field,
        coordinates=[[math.sin(i * k) for i in range(many)] for k in (1, 2)],
        values={key: [math.cos(i) / 3 for i in range(many)] for key in field.values},
        of=many,
    )
    solved = replace(record.diagnosis.solution, field=wide)  # type: ignore[type-var]
    arms = [replace(arm, diagnosis=replace(record.diagnosis, solution=solved)) for arm in record.arms * 4]
    html = remedy_to_html(replace(record, diagnosis=replace(record.diagnosis, solution=solved), arms=arms))
    assert len(html) < 1_500_000
    assert "8 of 9 arms drawn" in html
    found = json.loads(re.search(r'id="diagnosis">(.*?)</script>', html, flags=re.S)[1])  # type: ignore[index]
    assert from_plain(found, RemedyRecord).text == record.text  # what is left is a record of the same shape


def test_two_renderings_are_equal() -> None:
    assert remedy_to_html(remedy()) == remedy_to_html(remedy())


def test_another_dictionary_is_refused() -> None:
    with pytest.raises(PinndiagError, match="not a before/after record"):
        remedy_to_html({"schema": "pinndiag.remedy/1"})


def test_rendering_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps(to_plain(remedy()), allow_nan=False))
    code = (
        "import json, sys; from pinndiag_reports.remedy_page import remedy_to_html; "
        f"remedy_to_html(json.load(open({str(tmp_path / 'r.json')!r}))); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "False"


def test_the_renderers_are_the_entry_points_that_the_library_looks_for() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    found = project["entry-points"]["pinndiag.renderers"]
    for name, function in (("remedy_html", remedy_to_html), ("remedy_text", remedy_to_text)):
        module, _, attribute = found[name].partition(":")
        assert getattr(importlib.import_module(module), attribute) is function
