"""However long a run, and whatever happened in it, its history stays small, and says what it leaves out."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from pinndiag._history import diagnose_run
from pinndiag._history._series import CURVED, EVENTS, history
from pinndiag._records import CurvatureLine, EventLine, to_plain
from pinndiag._store import Run
from tests.store.runs import CLOSED, curvature, falling, header


def run(*lines: object) -> Run:
    found = Run(None, header())
    for line in lines:
        found.take(line)  # type: ignore[arg-type]
    return found


def sharp(index: int, value: float) -> CurvatureLine:
    line = curvature(index)
    largest = msgspec.structs.replace(line.total.sigma_max, value=value)
    return msgspec.structs.replace(line, total=msgspec.structs.replace(line.total, sigma_max=largest))


def test_short_runs_are_left_as_they_are() -> None:
    events = [EventLine(step=1, event="term", text="came")]
    found = history(run(*falling(3), curvature(0), curvature(2), *events, CLOSED))
    assert found.curvature is not None
    assert found.curvature.steps == [0, 2]
    assert found.events == events
    assert found.notes == []


def test_events_are_bounded_and_it_is_said() -> None:
    events = [EventLine(step=i, event="resumed", text=f"goes on at step {i}") for i in range(5000)]
    found = history(run(*falling(3), *events))
    assert [event.step for event in found.events] == [*range(EVENTS // 2), *range(5000 - EVENTS // 2, 5000)]
    assert found.notes == [f"{EVENTS} of 5000 events are shown: the first and the last"]


def test_curvature_is_bounded_and_no_peak_is_lost() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(10, 20, 10_000)
    values[[0, 1234, 7777, 9999]] = 12, 1e6, -3, 15
    values[5000] = math.nan
    found = history(run(*falling(3), *(sharp(i, float(v)) for i, v in enumerate(values)))).curvature
    assert found is not None
    assert len(found.steps) <= 2 * CURVED + 2
    assert found.steps == sorted(found.steps)
    assert {0, 1234, 7777, 9999} <= set(found.steps)
    assert found.total == [None if math.isnan(values[step]) else values[step] for step in found.steps]
    for entries in (*found.terms.values(), *found.work.values(), found.sharpness, found.bound, found.residuals):
        assert len(entries) == len(found.steps)


def test_a_diagnosis_of_a_long_run_stays_small() -> None:
    events = [EventLine(step=i, event="warning", text="x" * 60) for i in range(20_000)]
    record = diagnose_run(run(*falling(100), *(curvature(i) for i in range(20_000)), *events))
    assert len(msgspec.json.encode(to_plain(record))) < 500_000


def test_steps_that_were_not_taken_are_not_judged() -> None:
    bad = {"pde": math.nan, "bc": math.nan}
    lines = falling(20)
    lost = msgspec.structs.replace(
        lines[-1], skipped=True, terms={n: msgspec.structs.replace(t, loss=bad[n]) for n, t in lines[-1].terms.items()}
    )
    record = diagnose_run(run(*lines, lost))
    assert record.terms["pde"].loss == lines[-1].terms["pde"].loss
    assert record.history is not None
    assert record.history.skipped == 1


def test_a_run_says_whether_it_is_still_written() -> None:
    assert history(run(*falling(3))).running is True
    assert history(run(*falling(3), CLOSED)).running is False
