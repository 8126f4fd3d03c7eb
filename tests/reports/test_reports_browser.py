"""The page in headless Chromium: silent, alone, complete without scripts, and no wider than the window."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from pinndiag._records import DiagnosisRecord
from pinndiag_reports import to_html
from pinndiag_reports.remedy_page import remedy_to_html
from tests.reports.remedies import hostile_remedy

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=3000",
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        # where a browser was promised (CI), its absence is a failure
        CHROMIUM is None and "PINNDIAG_REQUIRE_BROWSER" not in os.environ,
        reason="no Chromium on this machine: the page is not looked at",
    ),
]


class Seen:
    """What Chromium made of a page."""

    def __init__(self, folder: Path, html: str, *options: str) -> None:
        page, net = folder / "page.html", folder / "net.json"
        page.write_text(html, encoding="utf-8")
        command = [str(CHROMIUM), *QUIET, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={net}"]
        command += ["--enable-logging=stderr", *options, "--dump-dom", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        self.dom = done.stdout
        self.console = [line for line in done.stderr.splitlines() if ":CONSOLE:" in line]
        log = json.loads(net.read_text(encoding="utf-8"))
        started = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
        # the browser's own errands have no page as their origin
        self.requests = [
            event["params"]["url"]
            for event in log["events"]
            if event["type"] == started and event.get("params", {}).get("initiator", "not an origin") != "not an origin"
        ]


def words(dom: str) -> str:
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", dom, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


def test_this_test_would_see_a_request_and_an_error(tmp_path: Path) -> None:
    seen = Seen(tmp_path, '<img src="http://127.0.0.1:9/x.png"><script>console.error("boo")</script>')
    assert seen.requests == ["http://127.0.0.1:9/x.png"]
    assert any("boo" in line for line in seen.console)


@pytest.mark.parametrize("which", ["sick", "hostile", "trained"])
def test_no_request_and_no_word_on_the_console(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    record: DiagnosisRecord = request.getfixturevalue(which)
    seen = Seen(tmp_path, to_html(record))
    assert seen.requests == []
    assert seen.console == []
    assert 'id="actions">' in seen.dom, "the script did not run"


def without_script(html: str) -> str:
    """The page as where scripts are forbidden (Chromium cannot print the DOM with scripts turned off altogether)."""
    changed, times = re.subn(r"script-src 'sha256-[^']*'", "script-src 'none'", html)
    assert times == 1
    return changed


@pytest.mark.parametrize("which", ["sick", "trained"])
def test_the_script_is_an_extra(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    record: DiagnosisRecord = request.getfixturevalue(which)
    html = to_html(record)
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    without = Seen(tmp_path / "without", without_script(html))
    assert 'id="actions" hidden' in without.dom
    assert words(without.dom) == words(Seen(tmp_path / "with", html).dom)
    for found in record.findings:
        assert found.title in words(without.dom)


def test_a_sandboxed_page_without_storage_is_silent_too(sick: DiagnosisRecord, tmp_path: Path) -> None:
    (tmp_path / "inner.html").write_text(to_html(sick), encoding="utf-8")
    seen = Seen(tmp_path, '<iframe sandbox="allow-scripts" src="inner.html"></iframe>')
    assert seen.console == []


def widths(folder: Path, html: str) -> list[tuple[str, str]]:
    """(width of the window, width of the page) in a narrow and in a wide window."""
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    speak = (
        "<script>onload = () => parent.postMessage([innerWidth, document.documentElement.scrollWidth], '*')</script>"
    )
    (folder / "inner.html").write_text(html.replace("</body>", speak + "</body>"), encoding="utf-8")
    listen = "<script>onmessage = (e) => { document.body.append(' said ' + e.data.join(' of ')) }</script>"
    frames = "".join(
        f'<iframe src="inner.html" style="border:0;width:{width}px;height:900px"></iframe>' for width in (400, 1400)
    )
    seen = Seen(folder, f"<body>{listen}{frames}</body>", "--window-size=1900,1000")
    return sorted(re.findall(r"said (\d+) of (\d+)", seen.dom))


@pytest.mark.parametrize("which", ["sick", "hostile", "bare", "trained"])
def test_the_page_is_never_wider_than_the_window(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    assert widths(tmp_path, to_html(request.getfixturevalue(which))) == [("1400", "1400"), ("400", "400")]


def test_before_and_after_is_silent_complete_without_scripts_and_fits(tmp_path: Path) -> None:
    html = remedy_to_html(hostile_remedy())
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    seen = Seen(tmp_path / "with", html)
    assert seen.requests == []
    assert seen.console == []
    assert 'id="actions">' in seen.dom, "the script did not run"
    assert words(Seen(tmp_path / "without", without_script(html)).dom) == words(seen.dom)
    assert widths(tmp_path, html) == [("1400", "1400"), ("400", "400")]


def pages(folder: Path, html: str) -> int:
    folder.mkdir()
    Seen(folder, html, f"--print-to-pdf={folder / 'page.pdf'}", "--no-pdf-header-footer")
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", (folder / "page.pdf").read_bytes()))


def test_on_paper_the_folded_parts_are_open(sick: DiagnosisRecord, tmp_path: Path) -> None:
    html = without_script(to_html(sick))
    rule = "details::details-content"
    assert html.count(rule) == 1
    assert pages(tmp_path / "open", html) > pages(tmp_path / "folded", html.replace(rule, "no-such-element"))


ACT = """
const svg = document.querySelectorAll("svg[data-timeline=gradients]")[0], frame = svg.getBoundingClientRect();
const act = (kind, share) => svg.dispatchEvent(new PointerEvent(kind, {
  clientX: frame.left + frame.width * share, clientY: frame.top + 60, button: 0, bubbles: true, pointerId: 1 }));
const ticks = () => Array.from(document.querySelectorAll("svg[data-timeline=losses] > text")).map((t) => t.textContent);
const said = [];
act("pointermove", 0.5);
said.push(Array.from(document.querySelectorAll(".readout")).map((r) => r.textContent).join(" / "));
act("pointerdown", 0.4); act("pointermove", 0.5); act("pointerup", 0.6);
said.push(ticks().join(","));
svg.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
said.push(ticks().length);
document.querySelectorAll("[data-switch]")[1].click();
said.push(Array.from(document.querySelectorAll("svg[data-timeline=losses] [data-terms]"))
  .map((g) => g.dataset.terms + ":" + g.style.display).join(","));
document.body.append(" SAID " + JSON.stringify(said) + " DIAS ");
"""


def test_timelines_can_be_read_zoomed_and_thinned_out(trained: DiagnosisRecord, tmp_path: Path) -> None:
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", to_html(trained))
    seen = Seen(tmp_path, html.replace("</body>", f"<script>{ACT}</script></body>"))
    assert seen.console == []
    readouts, zoomed, whole, off = json.loads(unescape(seen.dom.split(" SAID ")[-1].split(" DIAS ")[0]))
    step = int(re.findall(r"step (\d+)", readouts)[0])
    assert step == 45  # the middle of a panel of 460 pixels, whose axis runs from 54 to 446
    assert trained.history is not None
    loss = trained.history.losses["pde"].low[step]
    assert loss is not None
    assert f"pde {loss:.4g}" in readouts
    assert "cosine" not in readouts
    assert "pde | bc -0.25" in readouts
    assert zoomed
    assert all(33 <= int(tick) <= 57 for tick in zoomed.split(","))
    assert whole == 0
    assert "1:none" in off
    assert "0:none" not in off
