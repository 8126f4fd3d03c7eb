"""What a terminal and an issue show."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from rich.cells import cell_len

from pinndiag._records import DiagnosisRecord, EstimatedError
from pinndiag.checks._remedies import gradient_norm_weights
from pinndiag_reports import to_html, to_markdown, to_text
from pinndiag_reports._names import shorten, shorten_all, slug
from pinndiag_reports._numbers import estimate, number, percent, seconds, times

ESCAPE = re.compile("\x1b\\[[0-9;]*m")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_every_line_fits(sick: DiagnosisRecord, hostile: DiagnosisRecord, width: int) -> None:
    for record in (sick, hostile):
        for line in to_text(record, width=width, color=False).splitlines():
            assert cell_len(line) <= width


def test_it_says_verdict_terms_findings_and_the_first_remedy(sick: DiagnosisRecord) -> None:
    text = to_text(sick, width=100, color=False)
    words = " ".join(text.split())
    assert text.splitlines()[0].endswith(sick.verdict.text)
    for name, term in sick.terms.items():
        [line] = [line for line in text.splitlines() if re.match(rf"[✖▲● ] {name} ", line)]
        assert number(term.loss) in line
        assert number(abs(term.weight) * term.grad_l2) in line
        assert number(term.sigma_max.value if term.sigma_max else None) in line
    for found in sick.findings[:3]:
        assert f"{found.severity} {found.code} {found.title}" in words
    assert "try: Balance the gradient norms of the terms" in words
    assert "loss = scheme(losses)" in words
    assert "Or give the condition" not in words
    assert "1 measurement not made, 1 check not applicable (reasons in the report)" in words


def test_more_than_three_findings_are_folded(sick: DiagnosisRecord) -> None:
    folded = " ".join(to_text(sick, width=100, color=False).split())
    whole = " ".join(to_text(sick, width=100, color=False, everything=True).split())
    for found in sick.findings[3:]:
        assert found.title in whole
        assert found.title not in folded
        assert f"{found.severity} {found.code} {found.pathology}" in folded
    assert f"and {len(sick.findings) - 3} more: " in folded
    assert "more: " not in whole
    assert to_html(sick).count('<details class="finding') == len(sick.findings)
    assert len(re.findall('<details class="finding[^>]* open>', to_html(sick))) == 3


def test_work_known_only_from_a_loss_is_an_upper_figure(sick: DiagnosisRecord) -> None:
    name, term = next((name, term) for name, term in sick.terms.items() if term.work is not None)
    assert term.work is not None
    for how, cell in (("scalar", "≤ 1.38e-4"), ("residuals", "1.38e-4")):
        work = msgspec.structs.replace(term.work, value=1.38e-4, how=how)
        record = msgspec.structs.replace(sick, terms={name: msgspec.structs.replace(term, work=work)})
        for text in (to_text(record, width=140, color=False), to_markdown(record), to_html(record)):
            assert "1.38e-4" in text
            assert ("≤ 1.38e-4" in text) == cell.startswith("≤")


def test_figures_from_other_problems_are_called_so(sick: DiagnosisRecord) -> None:
    for text in (to_markdown(sick), to_html(sick)):
        assert "Seen elsewhere:" in text
        assert "Expected:" not in text


def test_it_is_short(sick: DiagnosisRecord) -> None:
    assert len(to_text(sick, width=100, color=False).splitlines()) < 45


def test_a_narrow_terminal_loses_columns_and_says_which(sick: DiagnosisRecord) -> None:
    wide, narrow = to_text(sick, width=100, color=False), to_text(sick, width=56, color=False)
    assert "held-out" in wide
    assert "not shown at this width" not in wide
    assert "not shown at this width" in narrow
    assert "reached" in narrow.split("not shown at this width")[1]
    for name in ("loss", "|w g|", "work"):
        assert name in narrow.split("not shown at this width")[0]


def test_colour_only_when_asked_or_on_a_terminal(sick: DiagnosisRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = to_text(sick, width=100, color=False)
    assert "\x1b" not in plain
    coloured = to_text(sick, width=100, color=True)
    assert "\x1b[" in coloured
    assert ESCAPE.sub("", coloured) == plain
    assert to_text(sick, width=100) == plain  # under pytest stdout is no terminal

    class Terminal:
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert to_text(sick, width=100) == coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert to_text(sick, width=100) == plain


def test_names_cannot_steer_the_terminal(hostile: DiagnosisRecord) -> None:
    text = to_text(hostile, width=120, color=True)
    assert not re.search(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert set(re.findall("\x1b(?!\\[[0-9;]*m)", text)) == set()
    assert "\x1b[31mred" not in text
    text.encode("utf-8")


def test_rich_markup_in_names_is_text(make: Callable[..., DiagnosisRecord]) -> None:
    text = to_text(make(["[bold red]pde[/]", ":smile:"], points=(20,)), width=120, color=False)
    assert "[bold red]pde[/]" in text
    assert ":smile:" in text


def test_the_error_and_what_the_columns_mean(sick: DiagnosisRecord) -> None:
    text = to_text(sick, width=120, color=False)
    assert sick.solution is not None
    assert f"error against the reference solution: {sick.solution.rel_l2:.3g}" in text
    assert "work: what is left to be solved" in text


@pytest.mark.parametrize(("moved", "room"), [(1.05, False), (3.0, True), (None, True)])
def test_without_a_solution_the_estimated_error_is_shown(
    sick: DiagnosisRecord, moved: float | None, room: bool
) -> None:
    guessed = msgspec.structs.replace(sick, solution=None, estimated_error=EstimatedError(value=0.21, moved=moved))
    words = " ".join(to_text(guessed, width=120, color=False).split())
    assert "Relative L2 error as estimated from the residuals (no solution is known): 0.21" in words
    assert ("may be far off" in words) == room
    assert '<a href="#glossary">Relative L2 error as estimated' in to_html(guessed)


def test_weights_only_says_so(bare: DiagnosisRecord) -> None:
    text = " ".join(to_text(bare, width=80, color=False).split())
    assert "Only the weights could be judged" in text
    assert "No terms" not in text  # the verdict says it


def test_markdown_tables_are_whole(sick: DiagnosisRecord, hostile: DiagnosisRecord) -> None:
    for record in (sick, hostile):
        text = to_markdown(record)
        fenced = re.sub(r"(`{3,}).*?\n\1", "", text, flags=re.DOTALL)
        tables = re.findall(r"(?:^\|.*\n)+", fenced, flags=re.MULTILINE)
        assert len(tables) >= 1 + len(record.findings)
        for table in tables:
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_markdown_holds_the_same_facts(sick: DiagnosisRecord) -> None:
    text = to_markdown(sick)
    for found in sick.findings:
        assert f"### {found.severity}: {found.code} {found.title}" in text
        for fix in found.prescriptions:
            assert fix.code in text
            assert fix.command in text
    assert "912" in text
    assert "snake_case" in to_markdown(sick.__class__(**{**_fields(sick), "passed": ["snake_case"]}))


def _fields(record: DiagnosisRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def test_markdown_of_hostile_names_is_inert(hostile: DiagnosisRecord) -> None:
    outside = re.sub(r"(`{3,}).*?\n\1", "", to_markdown(hostile), flags=re.DOTALL)
    assert "<script" not in outside
    assert "<img" not in outside
    assert "@someone" not in outside
    assert not re.search(r"(?<!\\)\*bold", outside)


def test_a_fence_is_longer_than_any_in_the_code(make: Callable[..., DiagnosisRecord], sick: DiagnosisRecord) -> None:
    from pinndiag._records import Prescription, to_plain

    plain = to_plain(sick)
    plain["findings"][0]["prescriptions"] = [to_plain(Prescription(title="x", code="````\ncode"))]
    assert "`````python\n````\ncode\n`````" in to_markdown(plain)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (0.0, "0"), (1.0, "1"), (0.0123456, "0.0123"), (1.23e-5, "1.23e-5"), (1e4, "1e4"), (999.9, "1000"),
        (9999.6, "1e4"), (-0.5, "-0.5"), (float("nan"), "NaN"), (float("inf"), "∞"), (float("-inf"), "-∞"),
        (12345, "12345"), ("word", "word"), (5e-324, "4.94e-324"), (1.7976931348623157e308, "1.8e308"), (100.0, "100"),
    ],
)  # fmt: skip
def test_numbers(value: float | str | None, text: str) -> None:
    assert number(value) == text


def test_factors_shares_and_durations() -> None:
    assert [times(v) for v in (1.34, 912.4, 4321.0, 2.6e7, None)] == ["1.3", "910", "4300", "2.6e7", "–"]
    assert [percent(v) for v in (0.0, 0.0042, 0.61, 1.0, float("nan"))] == ["0 %", "0.42 %", "61 %", "100 %", "NaN"]
    assert [percent(v) for v in (0.994, 0.997, 0.99987, 1 - 1e-6)] == ["99 %", "99.7 %", "99.9 %", "99.9 %"]
    assert estimate(1.3e7, 2.94e6) == "1.30e7 ± 0.29e7"
    assert estimate(12.345, 1.44) == "12.3 ± 1.4"
    assert estimate(-0.5, 2.0e-5) == "-0.500000 ± 0.000020"
    assert estimate(3.0, 0.0) == "3 ± 0"
    assert [seconds(v) for v in (0.0123, 14.2, 600.0)] == ["12 ms", "14.2 s", "10.0 min"]


def test_short_names_and_slugs() -> None:
    assert shorten("a" * 50, 11) == "aaaaaaa…aaa"
    assert shorten("a\nb", 10) == "a b"
    assert slug("term-", "bc_left") == "term-bc_left"
    assert slug("term-", "a b") != slug("term-", "a-b")
    assert slug("term-", "<>") != slug("term-", "><")


def test_long_names_that_differ_at_one_place_are_told_apart() -> None:
    names = [f"momentum equation in the {axis}-direction of the channel" for axis in "xyz"]
    short = shorten_all([*names, "bc"], 20)
    assert short[-1] == "bc"
    assert len(set(short)) == 4
    assert all(len(name) <= 20 and f"{axis}-" in name for name, axis in zip(short, "xyz", strict=False))
    assert shorten_all(["a" * 30, "b" * 30], 20) == [shorten("a" * 30, 20), shorten("b" * 30, 20)]


def test_terms_with_long_names_stay_apart_in_the_table(make: Callable[..., DiagnosisRecord]) -> None:
    names = tuple(f"momentum equation in the {axis}-direction of the channel" for axis in "xy")
    table = to_text(make(names=names), width=80).split("\n\n")[1]
    assert all(f"{axis}-" in table for axis in "xy")


def test_the_readme_shows_the_remedy_as_the_terminal_does(sick: DiagnosisRecord) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```text\n(.*?)```", readme, re.DOTALL)
    found = msgspec.structs.replace(sick.findings[0], prescriptions=[gradient_norm_weights("pde", ["bc"], sick)])
    text = to_text(msgspec.structs.replace(sick, findings=[found]), width=120, color=False)
    assert shown[shown.index("  try: ") :] in text
