"""A run in a few lines: how far it came, and the course of every term. For text, Markdown and `pinndiag watch`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from pinndiag._records import Band, DiagnosisRecord, History
from pinndiag_reports._names import one_line
from pinndiag_reports._numbers import count, number, percent, plural, seconds, times

__all__ = ["BLOCKS", "RUN_COLUMNS", "RunRow", "RunView", "known", "middle", "run_view", "sparkline"]

RUN_COLUMNS = ("first loss", "last loss", "course", "last quarter", "weight", "|w g|", "sigma_max")
BLOCKS = "▁▂▃▄▅▆▇█"
WIDE = 20  # characters of a sparkline
NOT_ENDED = {True: "still running", False: "killed", None: "not ended: still running, or killed"}
LEVEL = 1.25  # a loss that changes by less within a quarter of the run is called level


@dataclass(frozen=True, slots=True)
class RunRow:
    """The course of a term.

    Attributes:
        course: its unweighted loss as a sparkline on a logarithmic scale; "!" where it was NaN or infinite.
        trend: "falls", "rises" or "level": the last quarter of the run.
        weight: the last one.
        applied: the last |w g|.
    """

    name: str
    first: str
    last: str
    course: str
    trend: str
    weight: str
    applied: str
    sigma_max: str

    def cells(self, *, blocks: bool = True) -> tuple[str, ...]:
        """One text for each of `RUN_COLUMNS`; `blocks`: whether the sparkline can be written."""
        course = self.course if blocks else "-"
        return (self.first, self.last, course, self.trend, self.weight, self.applied, self.sigma_max)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run, ready to show in text.

    Attributes:
        progress: how far it came, in a sentence.
        remarks: what happened, a sentence each.
        step: the last step.
    """

    progress: str
    rows: tuple[RunRow, ...]
    remarks: tuple[str, ...]
    step: int


def run_view(record: DiagnosisRecord) -> RunView | None:
    """The account of a cleaned record; None where it is of no run."""
    history = record.history
    if history is None:
        return None
    rows = tuple(_row(name, record, history) for name in history.losses)
    return RunView(_progress(history), rows, tuple(_remarks(history)), history.last)


def middle(band: Band) -> list[float | None]:
    """One number a column: the geometric mean of both ends where both are positive, else the mean."""
    return [_between(low, high) for low, high in zip(band.low, band.high, strict=True)]


def known(band: Band) -> list[float]:
    """The same of the columns in which something was measured."""
    return [value for value in middle(band) if value is not None]


def _between(low: float | None, high: float | None) -> float | None:
    if low is None or high is None:
        return None
    return math.sqrt(low) * math.sqrt(high) if low > 0 and high > 0 else low / 2 + high / 2


def sparkline(values: Sequence[float], wide: int = WIDE) -> str:
    """A series as blocks, its logarithm where that makes sense.

    >>> sparkline([1.0, 0.1, 0.01]), sparkline([1.0, math.inf, 2.0]), sparkline([])
    ('█▅▁', '▁!█', '')
    """
    if len(values) > wide:
        cuts = [i * len(values) // wide for i in range(wide + 1)]
        values = [_typical(values[a:b]) for a, b in itertools.pairwise(cuts)]
    finite = [value for value in values if math.isfinite(value)]
    bend = math.log10 if finite and min(finite) > 0 else float
    bent = [bend(value) if math.isfinite(value) else value for value in values]
    low, high = min(map(bend, finite), default=0.0), max(map(bend, finite), default=0.0)
    room = high - low
    return "".join(
        "!" if not math.isfinite(value) else BLOCKS[round((value - low) / room * 7) if room > 0 else 3]
        for value in bent
    )


def _typical(values: Sequence[float]) -> float:
    """The last one, or what is not finite if there is any: nothing of that sort goes unseen."""
    return next((value for value in values if not math.isfinite(value)), values[-1])


def _row(name: str, record: DiagnosisRecord, history: History) -> RunRow:
    losses = known(history.losses[name])
    term = record.terms.get(name)
    sigma = term.sigma_max.value if term is not None and term.sigma_max is not None else None
    return RunRow(
        name=name,
        first=number(losses[0] if losses else None),
        last=number(losses[-1] if losses else None),
        course=sparkline(losses),
        trend=_trend(losses),
        weight=number(term.weight if term is not None else None),
        applied=number(abs(term.weight) * term.grad_l2 if term is not None else None),
        sigma_max=number(sigma),
    )


def _trend(values: Sequence[float]) -> str:
    if not values:
        return number(None)
    before, now = values[min(len(values) - 1, 3 * len(values) // 4)], values[-1]
    if not (math.isfinite(before) and math.isfinite(now)):
        return "not finite"
    if before > 0 and now > 0:
        return "falls" if now * LEVEL < before else "rises" if now > before * LEVEL else "level"
    return "falls" if now < before else "rises" if now > before else "level"


def _progress(history: History) -> str:
    passed = history.time[-1] if history.time else 0.0
    steps = history.last - history.first + 1
    parts = [f"step {count(history.last)}", plural(history.records, "record"), seconds(passed)]
    if passed > 0 and steps > 1:
        parts.append(f"{number(steps / passed)} steps/s")
    if history.scheme:
        parts.append(f"scheme {history.scheme}")
    parts.append("ended" if history.ended else NOT_ENDED[history.running])
    return ", ".join(parts)


def _remarks(history: History) -> list[str]:
    remarks = []
    error = [] if history.rel_l2 is None else known(history.rel_l2)
    if error:
        remarks.append(f"relative L2 error {number(error[0])} at first, {number(error[-1])} at last")
    if history.stalled:
        first = history.stalled[0]
        where = f"steps {count(first.first)} to {count(first.last)}"
        more = f" and {plural(len(history.stalled) - 1, 'other interval')}" if len(history.stalled) > 1 else ""
        remarks.append(f"no direction lowered every term in {where}{more}")
    remarks += [
        f"the weight of {one_line(name)} grew {times(growth)}-fold within 1000 steps"
        for name, growth in history.weight_growth.items()
        if growth >= 10
    ]
    if history.skipped:
        remarks.append(f"{plural(history.skipped, 'step')} not taken: refused by a gradient scaler, or thrown away")
    shown = [event for event in history.events if event.event != "term"][:3]
    remarks += [f"step {count(event.step)}: {one_line(event.text)}" for event in shown]
    if history.share is not None:
        remarks.append(f"watching took {percent(history.share)} of the time")
    return remarks + [one_line(note) for note in history.notes]
