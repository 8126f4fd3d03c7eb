"""When each finding held, when the terms held each other, and what happened: on the axis of the timelines."""

from __future__ import annotations

from collections.abc import Iterable

from pinndiag._records import History, Interval
from pinndiag_reports._names import one_line, shorten
from pinndiag_reports._numbers import count, percent, plural
from pinndiag_reports._parts import Figure, Panel, Table
from pinndiag_reports.figures._scale import Rows
from pinndiag_reports.figures._scene import Scene, Style
from pinndiag_reports.figures.run._timeline import drawn_for_script, frame

__all__ = ["held"]

MOST = 12
EVENTS = 40
NOT_CLOSED = {
    True: "The training was still running.",
    False: "The training was killed.",
    None: "The training was not closed: it is still running, or was killed.",
}
LEAST = 2.0  # pixels
MARKS = {"term": "^", "resumed": "D", "analyzer_failed": "X"}
OTHER = "v"


def held(scene: Scene, history: History) -> Figure:
    """A strip with a row for each finding that has its steps, one for stalled stretches, one for events."""
    dated = [finding for finding in scene.record.findings if finding.held][:MOST]
    rows = [finding.code for finding in dated]
    rows += ["stalled"] if history.stalled else []
    rows += ["events"] if history.events else []
    tables = tuple(table for table in (_findings(scene), _events(history)) if table is not None)
    note = _note(history)
    if not rows:
        return Figure("fig-held", _claim(scene, history), (), note, (), tables, "timeline")
    plot = frame(history, Rows(tuple(rows)), height=max(92.0, 64.0 + 22 * len(rows)))
    words = []
    for row, finding in enumerate(dated):
        plot.bars(row, _ends(finding.held), Style(finding.severity), thickness=11, least=LEAST)
        words.append(f"{finding.code} {'; '.join(f'steps {p.first} to {p.last}' for p in finding.held[:6])}")
    if history.stalled:
        plot.bars(rows.index("stalled"), _ends(history.stalled), Style("shade"), thickness=7, least=LEAST)
    for marker, steps in _marks(history).items():
        plot.dots(steps, [rows.index("events")] * len(steps), Style("ink", "", marker), size=8)
    title = _claim(scene, history)
    svg = drawn_for_script(plot, history, "held", [])
    return Figure("fig-held", title, (Panel(svg, f"{title}. {'. '.join(words)}"),), note, (), tables, "timeline")


def _ends(parts: Iterable[Interval]) -> list[tuple[float, float]]:
    return [(float(part.first), float(part.last)) for part in parts]


def _marks(history: History) -> dict[str, list[float]]:
    """Marker -> steps of its events, of several that would hide each other the last."""
    width = max((history.last - history.first) / 400, 1.0)
    found: dict[str, dict[int, float]] = {}
    for event in history.events:
        places = found.setdefault(MARKS.get(event.event, OTHER), {})
        places[int(event.step // width)] = float(event.step)
    return {marker: list(places.values()) for marker, places in found.items()}


def _claim(scene: Scene, history: History) -> str:
    first = next((finding for finding in scene.record.findings if finding.held), None)
    if first is None:
        return f"No finding over {count(history.last - history.first + 1)} steps"
    since, until = first.held[0].first, first.held[-1].last
    words = f"{first.code} held from step {count(since)} to {count(until)}"
    if len(first.held) > 1:
        words = f"{first.code} held in {len(first.held)} stretches between steps {count(since)} and {count(until)}"
    return words + (f" ({first.course})" if first.course else "")


def _note(history: History) -> str:
    parts = []
    if history.share is not None:
        parts.append(f"Watching took {percent(history.share)} of the time.")
    if history.skipped:
        parts.append(f"{plural(history.skipped, 'step')} not taken: refused by a gradient scaler, or thrown away.")
    plans = history.schedules
    parts.append(f"Recorded: figures {plans.every}, histograms {plans.histograms}, curvature {plans.curvature}.")
    parts.append(f"{plural(history.records, 'record')}; up to 48 of them were judged.")
    if not history.ended:
        parts.append(NOT_CLOSED[history.running])
    return " ".join(parts)


def _findings(scene: Scene) -> Table | None:
    rows = [
        (
            finding.code,
            finding.severity,
            finding.course,
            ", ".join(f"{count(part.first)} to {count(part.last)}" for part in finding.held[:8])
            + (" ..." if len(finding.held) > 8 else ""),
            one_line(finding.title),
        )
        for finding in scene.record.findings
        if finding.held
    ]
    head = ("finding", "severity", "course", "steps", "what")
    return Table(head, tuple(rows), folded="Numbers: steps of every finding", words=True) if rows else None


def _events(history: History) -> Table | None:
    rows = [(count(event.step), shorten(event.event, 40), one_line(event.text)) for event in history.events]
    rows += [
        (f"{count(part.first)} to {count(part.last)}", "stalled", "no direction lowered every term")
        for part in history.stalled
    ]
    more = f", {EVENTS} of {len(rows)}" if len(rows) > EVENTS else ""
    head = ("step", "event", "what")
    return Table(head, tuple(rows[:EVENTS]), folded=f"Numbers: events{more}", words=True) if rows else None
