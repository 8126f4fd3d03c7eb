"""A run on the page and in text: every claim with its number, every oddity visible, small whatever its length."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from html import unescape
from typing import Any

import msgspec
import numpy as np
import pytest

from pinndiag._history import diagnose_run
from pinndiag._records import (
    Band,
    CurvatureSeries,
    DiagnosisRecord,
    EventLine,
    Histogram,
    History,
    Interval,
    LayerHistograms,
    Line,
    ParetoPath,
    Schedules,
    Snapshot,
    from_plain,
    to_plain,
)
from pinndiag._store import MemorySink
from pinndiag_reports import to_html, to_markdown, to_text
from pinndiag_reports._embedded import embed
from pinndiag_reports._names import clean
from pinndiag_reports._run import BLOCKS, sparkline
from pinndiag_reports.figures._scene import Scene
from pinndiag_reports.figures.run._course import Course
from tests.reports.conftest import HOSTILE, ruined
from tests.reports.test_reports_html import Page
from tests.store.runs import curvature, falling, header, step


def judged(lines: Sequence[Line], names: Sequence[str] = ("pde", "bc"), **fields: Any) -> DiagnosisRecord:
    sink = MemorySink(header(names, **fields))
    for line in lines:
        sink.write(line)
    return diagnose_run(sink.run())


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)).split())


def timelines(page: str) -> dict[str, dict[str, str]]:
    found = re.findall(r'<svg[^>]*data-timeline="([^"]*)"([^>]*)>', page)
    return {key: dict(re.findall(r'data-([a-z]+)="([^"]*)"', rest)) for key, rest in found}


def test_the_run_comes_first_and_its_claims_have_numbers(trained: DiagnosisRecord) -> None:
    page = to_html(trained)
    order = re.findall(r'<section id="([^"]*)"', page)
    assert order[:4] == ["over-time", "glance", "findings", "trajectories"]
    said = text_of(page)
    assert "Over 101 steps the weighted loss fell 99-fold" in said  # 100.01 / (0.01 + 1)
    assert "Losses: pde fell 10000-fold, bc rose 100-fold" in said
    assert "Relative L2 error 0.25 at last, 0.25 at best (step 0)" in said
    assert "largest / smallest 10 at last, 100 at worst (step 0)" in said
    assert "Cosines: no pair is opposed" in said
    assert "at most 0.5 times the largest stable one (step 0)" in said
    assert "Scaled sigma_max of the total: 1.9e4 against a limit of 3.8e4 at last" in said
    assert "Remaining work: bc had the most left at step 100, 0.002" in said
    assert "pde fell while bc rose: 10000-fold down and 100-fold up at last" in said
    assert "All along every weight is 1, the learning rate is 0.001." in said
    assert "Watching took 2 % of the time." in said
    assert "Recorded: figures every step, histograms never, curvature every 10 steps" in said


def test_all_timelines_share_one_axis(trained: DiagnosisRecord) -> None:
    found = timelines(to_html(trained))
    assert set(found) >= {"losses", "rel_l2", "gradients", "cosine", "stationarity", "sigma", "limit", "work"}
    assert {(item["first"], item["last"]) for item in found.values()} == {("0", "100")}
    assert len({(item["box"].split()[0], item["box"].split()[2]) for item in found.values()}) == 1


def test_what_does_not_change_and_what_was_not_measured_is_a_sentence() -> None:
    page = to_html(judged(falling(30, ("pde",)), ("pde",)))
    assert set(timelines(page)) == {"losses", "gradients"}  # no weights, no rate, no cosines of one term
    missing = re.search(r'id="missing">.*?</section>', page, re.DOTALL)
    assert missing is not None
    reasons = re.findall(r"<dd>(.*?)</dd>", missing[0])
    assert len(reasons) == len(set(reasons)), "a reason is said once"
    assert "Curvature over the run</dt><dd>schedule of curvature: every 10 steps" in missing[0]
    assert '<p class="absent"><strong>' not in page[: page.index('id="run"')]


def test_weights_and_rates_that_change_are_drawn() -> None:
    lines = [
        step(i, {"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 1.0}, weights={"b": 1.1**i}, lr=0.1 / (1 + i)) for i in range(50)
    ]
    found = timelines(to_html(judged(lines, ("a", "b"), scheme="relobralo")))
    assert {"weights", "lr", "applied"} <= set(found)
    said = text_of(to_html(judged(lines, ("a", "b"), scheme="relobralo")))
    assert f"Weights: that of b rose {1.1**49:.0f}-fold, to {1.1**49:.0f} (relobralo)" in said.replace(
        "110-fold", "107-fold"
    )
    assert "Learning rate from 0.1 to 0.002" in said


def test_nan_is_seen_everywhere() -> None:
    bad = {"pde": math.nan, "bc": math.inf}
    record = judged([*falling(50), *(step(i, bad, bad) for i in range(50, 100))])
    page = to_html(record)
    said = text_of(page)
    assert "the loss became NaN or infinite, first by step 50" in said
    assert "Losses: NaN or infinite in pde, bc" in said
    assert "The gradient of pde, bc became NaN or infinite" in said
    assert said.count("NaN or ∞") >= 2  # in the drawings
    assert "PD001 held from step 50 to 99" in said or re.search(r"PD001 held from step 5\d to 99", said)
    text = to_text(record, width=100)
    assert "!" in next(line for line in text.splitlines() if line.startswith("pde ") and "not finite" in line)


def test_terms_that_come_and_go_are_said() -> None:
    early = falling(40, ("pde", "bc", "gone"))
    late = falling(80, ("pde", "bc", "late"))[40:]
    said = text_of(to_html(judged([*early, *late], ("pde", "bc", "gone", "late"))))
    assert "gone was last seen by step 39" in said
    assert "late came by step 40" in said


def test_events_and_stalled_stretches_are_listed(trained: DiagnosisRecord) -> None:
    history = trained.history
    assert history is not None
    events = [EventLine(step=7, event="analyzer_failed", text="the curvature failed: out of memory")]
    changed = msgspec.structs.replace(history, events=events, stalled=[Interval(first=20, last=60)], skipped=3)
    said = text_of(to_html(msgspec.structs.replace(trained, history=changed)))
    assert "7 analyzer_failed the curvature failed: out of memory" in said
    assert "20 to 60 stalled" in said
    assert "3 steps not taken" in said
    assert "The terms hold each other from step 20 to 60" in said


def test_text_and_markdown_tell_the_course(trained: DiagnosisRecord) -> None:
    text = to_text(trained, width=100)
    assert "The run: step 100, 101 records" in text
    line = next(line for line in text.splitlines() if line.startswith("pde ") and "falls" in line)
    assert set(line) & set(BLOCKS)
    assert "| pde | 100 | 0.01 |" in to_markdown(trained)
    assert "relative L2 error 0.25 at first, 0.25 at last" in text
    for width in (40, 60, 80, 120):
        assert max(map(len, to_text(trained, width=width, color=False).splitlines())) <= width


def test_where_blocks_cannot_be_written_the_trend_is_a_word(
    trained: DiagnosisRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pinndiag_reports._text.can_write", lambda text: False)
    text = to_text(trained, width=100)
    assert not set(text) & set(BLOCKS)
    assert "falls" in text


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([3.0], "▄"),
        ([1.0, 10.0, 100.0], "▁▅█"),
        ([-1.0, 0.0, 1.0], "▁▅█"),
        ([math.nan, 1.0, -math.inf], "!▄!"),
        ([1.0] * 39 + [math.inf], "▄" * 19 + "!"),
    ],
)
def test_sparklines(values: list[float], line: str) -> None:
    assert sparkline(values) == line


def test_a_single_measurement_is_called_by_its_step() -> None:
    lines: list[Line] = [step(i, {"pde": 1.0, "bc": 1.0}, {"pde": 4.0, "bc": 1.0}) for i in range(20)]
    said = text_of(to_html(judged([*lines, curvature(0)])))
    assert "largest stable one at step 0" in said
    assert "is the steepest at step 0" in said
    assert "had the most left at step 0" in said
    assert "1 measurement by Lanczos" in said


def test_single_measurements_keep_their_ends_when_they_are_many() -> None:
    values: list[float | None] = [1.0] * 5000
    values[1234], values[3000] = 1e6, math.nan
    course = Course.single(list(range(5000)), values)
    assert len(course) <= 200
    assert course.highest[0] == 1e6
    assert course.odd.sum() == 1
    assert course.lowest[0] == 1.0
    assert Course.single([1, 2, 9], [None, 5.0, None]).steps.tolist() == [2]


def test_a_line_is_not_drawn_where_nothing_was_measured() -> None:
    steps = [*range(0, 100, 10), *range(900, 1000, 10)]
    x, y = Course.single(steps, [1.0] * 20).with_gaps()
    assert np.isnan(x).sum() == np.isnan(y).sum() == 1
    assert np.isnan(x[10])


def test_hostile_names_stay_text() -> None:
    names = HOSTILE[:3]
    record = judged([*falling(30, names), curvature(10, names)], names, name=HOSTILE[0])
    page = to_html(record)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert {tag for tag, attributes in Page(page).tags if "onmouseover" in attributes} == set()
    assert json.loads(unescape(timelines(page)["losses"]["names"]))[:3] == [clean(name) for name in names]
    assert "\x1b" not in to_text(record)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -1.0], ids=str)
def test_odd_numbers_are_shown(trained: DiagnosisRecord, value: float) -> None:
    plain = to_plain(trained)
    plain["history"] = to_plain(ruined(plain["history"], value))
    record = from_plain(plain, DiagnosisRecord)
    page = to_html(record)
    assert 'id="over-time"' in page
    to_text(record)
    to_markdown(record)


def test_a_history_without_records_has_no_section(trained: DiagnosisRecord) -> None:
    assert trained.history is not None
    empty = msgspec.structs.replace(trained.history, columns=[], time=[], records=0)
    page = to_html(msgspec.structs.replace(trained, history=empty))
    assert 'id="over-time"' not in page
    assert timelines(page) == {}


def test_same_bytes_each_time(trained: DiagnosisRecord) -> None:
    assert to_html(trained) == to_html(from_plain(to_plain(trained), DiagnosisRecord))


@pytest.fixture(scope="module")
def longest(make: Callable[..., DiagnosisRecord]) -> DiagnosisRecord:
    """10 terms, every column full of noise, a thousand measurements of curvature, thousands of events."""
    rng = np.random.default_rng(0)
    names = [f"term_number_{index}" for index in range(10)]
    pairs = [f"{a}|{b}" for k, a in enumerate(names) for b in names[k + 1 :]]

    def noise(count: int) -> list[float]:
        return [float(f"{value:.6g}") for value in np.exp(rng.normal(0, 3, count))]

    def band(scale: Callable[[float], float] = float) -> Band:
        low, more = noise(400), rng.random(400)
        ends = [(scale(a), scale(a * (1 + b))) for a, b in zip(low, more, strict=True)]
        return Band(low=[min(pair) for pair in ends], high=[max(pair) for pair in ends])

    def histogram() -> Histogram:
        return Histogram(low=-1.2345e-3, high=1.2345e-3, counts=rng.integers(0, 9999, 100).tolist())

    history = History(
        name="long",
        first=0,
        last=999_999,
        records=1_000_000,
        columns=[2500 * (index + 1) - 1 for index in range(400)],
        time=[25.0 * index for index in range(400)],
        losses={name: band() for name in names},
        weights={name: band() for name in names},
        gradients={name: band() for name in names},
        applied={name: band() for name in names},
        total=band(),
        cosine={pair: band(math.cos) for pair in pairs},
        alignment=band(math.cos),
        lr=band(),
        rel_l2=band(),
        share=0.02,
        curvature=CurvatureSeries(
            steps=list(range(0, 1_000_000, 1000)),
            terms={name: noise(1000) for name in names},
            total=noise(1000),
            residuals=noise(1000),
            sharpness=noise(1000),
            bound=noise(1000),
            preconditioned=noise(1000),
            rule="lr < 2 / sigma",
            work={name: noise(1000) for name in names},
        ),
        snapshots=[
            Snapshot(
                step=at,
                which=which,
                ratio=30.0,
                layers=[
                    LayerHistograms(layer=layer, weighted={name: histogram() for name in names})
                    for layer in ("", *(f"net.{k}" for k in range(60)))
                ],
            )
            for at, which in ((0, "first"), (5000, "worst"), (999_000, "last"))
        ],
        pareto=[
            ParetoPath(a=a, b=b, steps=list(range(250)), x=noise(250), y=noise(250), lowest=3, front=list(range(50)))
            for a, b in (pair.split("|") for pair in pairs[:6])
        ],
        stationarity=band(),
        stalled=[Interval(first=300 * k, last=300 * k + 100) for k in range(3000)],
        weight_growth=dict.fromkeys(names, 20.0),
        skipped=5,
        events=[EventLine(step=300 * k, event="resumed", text="goes on" * 20) for k in range(3000)],
        schedules=Schedules(every="every step", histograms="every 1000 steps", curvature="every 1000 steps"),
    )
    return msgspec.structs.replace(make(names, layers=60, points=(2500,) * 10), history=history)


def test_a_page_stays_below_two_megabytes(longest: DiagnosisRecord) -> None:
    page = to_html(longest)
    assert len(page.encode()) < 2_000_000
    assert "left out" in page[page.index("<footer>") :]
    assert "8 of 45 pairs drawn, those most opposed" in page
    assert "8 of 10 terms drawn" in page


def test_the_reduced_record_still_reads_and_keeps_the_extremes(longest: DiagnosisRecord) -> None:
    assert longest.history is not None
    found = json.loads(str(embed(to_plain(longest)).json))
    history = from_plain(found, DiagnosisRecord).history
    assert history is not None
    assert len(history.columns) == 100
    assert history.columns[-1] == 999_999
    for name, band in history.losses.items():
        before = longest.history.losses[name]
        assert max(v for v in band.high if v is not None) == pytest.approx(
            max(v for v in before.high if v is not None), 1e-4
        )
        assert min(v for v in band.low if v is not None) == pytest.approx(
            min(v for v in before.low if v is not None), 1e-4
        )


def test_terms_that_are_gone_have_a_look_of_their_own() -> None:
    record = judged([*falling(40, ("pde", "bc", "gone")), *falling(80)[40:]], ("pde", "bc", "gone"))
    scene = Scene(record)
    assert scene.over_time == ("pde", "bc", "gone")
    assert len({scene.style(name) for name in scene.over_time}) == 3
