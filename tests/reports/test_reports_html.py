"""The page: whole, self-contained, the same each time, and harmless whatever the names in it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from pinndiag import PinndiagError
from pinndiag._records import DiagnosisRecord, Prescription, from_plain, to_plain
from pinndiag_reports import to_html, to_markdown, to_text
from pinndiag_reports._names import clean
from pinndiag_reports._numbers import number
from pinndiag_reports._theme import COLORS

VOID = {"meta", "link", "br", "img", "input", "hr"}
RAW = {"script", "style"}


class Page(HTMLParser):
    """What a browser would make of the page: elements, attributes, text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.text = ""
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(html)
        self.close()
        self.words = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in RAW:
            self.raw[tag].append("")
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] in RAW:
            self.raw[self.stack[-1]][-1] += data
        else:
            self.text += data

    def attributes(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.tags if name in attrs]


@pytest.fixture(scope="session")
def sick_page(sick: DiagnosisRecord) -> Page:
    return Page(to_html(sick))


def shows(page: Page, text: str) -> bool:
    return " ".join(text.split()) in page.words


def test_every_finding_number_and_remedy_is_in_the_static_text(sick: DiagnosisRecord, sick_page: Page) -> None:
    assert sick.verdict.text in sick_page.words
    assert "1 problem, 2 warnings, 2 notes; 4 checks passed, 1 not applicable" in sick_page.words
    for found in sick.findings:
        for text in (found.code, found.pathology, found.title, found.why, found.overturned_by, found.reference):
            assert shows(sick_page, text)
        for item in found.evidence:
            assert shows(sick_page, item.name)
            assert shows(sick_page, number(item.value))
            assert shows(sick_page, number(item.threshold))
            assert shows(sick_page, item.source)
        for fix in found.prescriptions:
            for text in (fix.title, fix.why, fix.expect, fix.code, fix.command):
                assert shows(sick_page, text)
    for name, term in sick.terms.items():
        for value in (term.loss, term.grad_l2, abs(term.weight) * term.grad_l2, term.grad_kurtosis):
            assert shows(sick_page, f"{number(value)}"), name
    for item in sick.not_applicable:
        assert shows(sick_page, item.reason)


def test_three_findings_are_open_and_the_rest_folded(sick: DiagnosisRecord, sick_page: Page) -> None:
    findings = [attrs for tag, attrs in sick_page.tags if tag == "details" and "finding" in (attrs.get("class") or "")]
    assert ["open" in attrs for attrs in findings] == [True, True, True, False, False]
    assert [attrs["id"] for attrs in findings] == ["PD101", "PD203", "PD301", "PD404", "PD101-2"]


def test_sections_come_in_the_order_a_reader_needs(sick_page: Page) -> None:
    sections = [attrs["id"] for tag, attrs in sick_page.tags if tag == "section"]
    assert sections == [
        "glance", "findings", "gradients", "curvature", "kernel", "points", "tests", "solution", "start", "network",
        "run", "glossary",
    ]  # fmt: skip


def test_every_figure_has_words_for_those_who_do_not_see_it_and_its_numbers(sick_page: Page) -> None:
    images = [attrs for _, attrs in sick_page.tags if attrs.get("role") == "img"]
    assert len(images) > 20
    assert all(len(attrs["aria-label"] or "") > 30 for attrs in images)
    figures = [attrs["id"] for _, attrs in sick_page.tags if (attrs.get("id") or "").startswith("fig-")]
    assert {
        "fig-distributions", "fig-layers", "fig-heat", "fig-conflicts", "fig-sigma-max", "fig-density", "fig-kernel",
        "fig-residuals", "fig-concentration", "fig-probes", "fig-solution", "fig-start", "fig-activations",
    } == set(figures)  # fmt: skip


def test_ids_are_unique_and_links_lead_somewhere(sick_page: Page) -> None:
    ids = sick_page.attributes("id")
    assert len(ids) == len(set(ids))
    for target in sick_page.attributes("href"):
        assert target.startswith(("#", "data:"))
        if target.startswith("#"):
            assert target[1:] in ids
    for style in sick_page.attributes("clip-path"):
        assert style.removeprefix("url(#").removesuffix(")") in ids


def test_the_page_asks_for_nothing(sick_page: Page) -> None:
    assert not {"iframe", "object", "embed", "base", "form", "audio", "video"} & {tag for tag, _ in sick_page.tags}
    assert sick_page.attributes("src") == []
    for _, attrs in sick_page.tags:
        for name, value in attrs.items():
            if "://" in (value or ""):
                pytest.fail(f"{name} holds an address: {value}")
    assert "@import" not in sick_page.raw["style"][0]
    assert "url(" not in sick_page.raw["style"][0]
    [policy] = [attrs["content"] for _, attrs in sick_page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    digest = base64.b64encode(hashlib.sha256(sick_page.raw["script"][-1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_no_stand_in_colour_is_left_and_every_variable_is_known(sick: DiagnosisRecord) -> None:
    html = to_html(sick)
    assert "#0a10" not in html
    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", html)) <= set(COLORS)


def test_same_bytes_each_time_and_in_another_process(sick: DiagnosisRecord) -> None:
    html = to_html(sick)
    assert to_html(to_plain(sick)) == html
    code = (
        "import json, sys, hashlib; import pinndiag_reports as r; d = json.load(sys.stdin);"
        "h = r.to_html(d); r.to_text(d); r.to_markdown(d);"
        "assert not [m for m in ('torch', 'scipy', 'matplotlib.pyplot') if m in sys.modules], 'too much was imported';"
        "print(hashlib.sha256(h.encode()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(to_plain(sick)),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == hashlib.sha256(html.encode()).hexdigest()


def test_rendering_leaves_matplotlibs_settings_alone(sick: DiagnosisRecord) -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 31, "svg.fonttype": "path", "lines.linewidth": 9}):
        before = dict(matplotlib.rcParams)
        html = to_html(sick)
        assert dict(matplotlib.rcParams) == before
    assert html == to_html(sick)


def test_the_embedded_record_is_the_record_while_it_is_small(make: Callable[..., DiagnosisRecord]) -> None:
    record = make(layers=2, points=(40, 20))
    record = from_plain({**to_plain(record), "solution": None}, DiagnosisRecord)
    embedded = json.loads(Page(to_html(record)).raw["script"][0])
    assert embedded == to_plain(record)


def test_a_large_embedded_record_still_reads_as_a_record(large: DiagnosisRecord) -> None:
    page = Page(to_html(large))
    embedded = json.loads(page.raw["script"][0])
    again = from_plain(embedded, DiagnosisRecord)
    assert again.terms["term_3"].grad_l2 == large.terms["term_3"].grad_l2
    assert "left out" in page.words


def test_hostile_names_stay_text(hostile: DiagnosisRecord) -> None:
    html = to_html(hostile)
    page = Page(html)
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not {"img", "b", "bdo"} & {tag for tag, _ in page.tags}
    handlers = [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert handlers == []
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", found) for found in page.attributes("id"))
    assert all(target.startswith(("#", "data:")) for target in page.attributes("href"))
    assert "<script>alert(1)</script> dominates" in page.words
    assert "{{ 7*7 }}" in page.words
    assert "\\x1b[31mred" in page.words
    assert "\\u202ereversed" in page.words
    for char in "\x00\x1b\u202e\ud800":
        assert char not in html
    html.encode("utf-8")
    embedded = json.loads(page.raw["script"][0])
    assert list(embedded["terms"]) == list(hostile.terms)


def test_anchors_of_different_hostile_names_differ(hostile: DiagnosisRecord) -> None:
    anchors = [name for name in Page(to_html(hostile)).attributes("id") if name.startswith("term-")]
    assert len(set(anchors)) == len(hostile.terms)


def test_a_plain_name_is_its_own_anchor(sick_page: Page) -> None:
    assert {"term-pde", "term-bc"} <= set(sick_page.attributes("id"))


def test_what_is_not_a_number_is_shown_and_nothing_crashes(odd: DiagnosisRecord) -> None:
    page = Page(to_html(odd))
    assert "At a glance" in page.words
    assert not page.stack
    assert to_text(odd, width=80)
    assert to_markdown(odd)


def test_nothing_to_draw_is_said(make: Callable[..., DiagnosisRecord]) -> None:
    plain = to_plain(make(points=(30,)))
    for name in plain["terms"]:
        plain["pointwise"][name]["field"] = {"coordinates": [], "values": {}, "of": 0}
        plain["terms"][name] |= {"histogram": None, "histogram_weighted": None, "magnitudes": None}
    plain["ntk"]["terms"]["pde"]["eigenvalues"] = []
    plain["ntk"]["terms"]["bc"]["eigenvalues"] = [0.0, -1.0]
    plain["spectrum"]["density"] = {"nodes": [[]], "weights": [[]], "steps": 0}
    plain["solution"]["field"] = {"coordinates": [[], []], "values": {"network_0": [], "solution_0": []}, "of": 0}
    plain["layers"] = []
    page = Page(to_html(plain))
    assert page.words.lower().count("nothing to draw: ") >= 5


def test_weights_only(bare: DiagnosisRecord) -> None:
    page = Page(to_html(bare))
    assert "Only the weights could be judged" in page.words
    assert "needs the loss terms" in page.words
    assert "Weights" in page.words
    assert "net.0" in page.words


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_fields_of_any_dimension_are_drawn(make: Callable[..., DiagnosisRecord], dimensions: int) -> None:
    plain = to_plain(make(points=(300,)))
    for item in [*plain["pointwise"].values(), plain["solution"]]:
        axes = item["field"]["coordinates"]
        item["field"]["coordinates"] = [*axes, axes[0]][:dimensions]
    html = to_html(plain)
    assert ("data:image/png" in html) == (dimensions > 1)
    assert ("(up) of 3" in html) == (dimensions == 3)


def test_points_on_a_line_in_the_plane_are_drawn_as_a_line(make: Callable[..., DiagnosisRecord]) -> None:
    plain = to_plain(make(points=(300,)))
    x, y = plain["pointwise"]["bc"]["field"]["coordinates"]
    plain["pointwise"]["bc"]["field"]["coordinates"] = [[0.5] * len(x), y]
    assert "coordinate 2" in Page(to_html(plain)).words


def test_points_that_are_not_finite_are_counted(make: Callable[..., DiagnosisRecord]) -> None:
    plain = to_plain(make(points=(100,)))
    plain["pointwise"]["pde"]["field"]["values"]["residual"][:7] = ["NaN"] * 7
    labels = Page(to_html(plain)).attributes("aria-label")
    assert any("7 not finite" in label for label in labels)


def test_a_field_with_lists_of_different_lengths_does_not_crash(make: Callable[..., DiagnosisRecord]) -> None:
    plain = to_plain(make(points=(100,)))
    del plain["pointwise"]["pde"]["field"]["coordinates"][0][50:]
    del plain["solution"]["field"]["values"]["network_0"][100:]
    assert "fig-residuals" in to_html(plain)


def test_many_layers_and_terms_stay_small_and_say_what_is_left_out(
    large: DiagnosisRecord, make: Callable[..., DiagnosisRecord]
) -> None:
    html = to_html(large)
    assert len(html.encode()) < 800_000
    page = Page(html)
    assert "12 of 60 layers drawn" in page.words
    assert "40 of 60 layers in colour" in page.words
    for layer in large.layers:
        assert shows(page, layer.name)
    many = Page(to_html(make([f"term_{k}" for k in range(14)], layers=90, width=4, points=(60,))))
    assert "8 of 14 terms drawn" in many.words
    assert "12 of 14 terms in colour" in many.words
    assert all(f"term_{k}" in many.words for k in range(14))


def test_the_ceiling_of_two_megabytes(make: Callable[..., DiagnosisRecord]) -> None:
    record = make([f"a long name for the term with number {k}" for k in range(20)], layers=40, width=4, points=(900,))
    assert len(to_html(record).encode()) < 2_000_000


def test_long_texts_are_escaped_in_attributes_too(sick: DiagnosisRecord) -> None:
    plain = to_plain(sick)
    evil = 'x" onfocus="alert(1)" y="'
    plain["findings"][0]["prescriptions"] = [to_plain(Prescription(title=evil, code="```\n" + evil))]
    page = Page(to_html(plain))
    assert "onfocus" not in {name for _, attrs in page.tags for name in attrs}
    assert any(evil in (text or "") for text in page.attributes("data-copy"))


def test_another_dictionary_gets_a_clear_error(sick: DiagnosisRecord) -> None:
    with pytest.raises(PinndiagError, match="not a diagnosis that can be shown"):
        to_html({"schema": "something else"})
    plain = to_plain(sick)
    plain["terms"]["pde"]["loss"] = "much"
    with pytest.raises(PinndiagError, match=r"terms\[\.\.\.\]\.loss"):
        to_text(plain)


def luminance(color: str) -> float:
    channels = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_colours_can_be_read_in_both_themes(side: int) -> None:
    pick = {name: pair[side] for name, pair in COLORS.items()}
    for ground in ("page", "card"):
        for name in ("ink", "muted", "link", "problem", "warning", "note", "none"):
            assert contrast(pick[name], pick[ground]) >= 4.5, (name, ground)
        for index in range(8):
            assert contrast(pick[f"s{index}"], pick[ground]) >= 3, (index, ground)
    for severity in ("problem", "warning", "note"):
        assert contrast(pick[severity], pick[f"{severity}-soft"]) >= 4.5
        assert contrast(pick["ink"], pick[f"{severity}-soft"]) >= 4.5


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_numbers_on_a_heat_map_can_be_read(side: int, sick_page: Page) -> None:
    mixes = re.findall(r"color-mix\(in srgb,var\(--(s\d)\) (\d+)%,var\(--page\)\)", sick_page.raw["style"][0])
    assert len(mixes) == 17
    for name, share in mixes:
        part = int(share) / 100
        front, back = COLORS[name][side], COLORS["page"][side]
        mixed = [part * int(front[k : k + 2], 16) + (1 - part) * int(back[k : k + 2], 16) for k in (1, 3, 5)]
        color = "#" + "".join(f"{round(channel):02x}" for channel in mixed)
        assert contrast(COLORS["ink"][side], color) >= 4.5, (name, share)


def test_cleaned_texts_hold_nothing_that_steers() -> None:
    assert clean("plain é 名 \n\t") == "plain é 名 \n\t"
    assert clean("\x1b]0;x\x07\r\x9b1m\u2066") == "\\x1b]0;x\\x07\\r\\x9b1m\\u2066"
