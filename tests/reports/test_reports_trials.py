"""The experiments of a thorough analysis on the page, in the text and in Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import pytest

from pinndiag._records import (
    DiagnosisRecord,
    Rescaled,
    Restart,
    ShortRun,
    Trials,
    WeightTrial,
    WeightTrials,
    from_plain,
    to_plain,
)
from pinndiag_reports import to_html, to_markdown, to_text
from tests.reports.conftest import HOSTILE, ruined

Make = Callable[..., DiagnosisRecord]


def run(names: list[str], total: float) -> ShortRun:
    return ShortRun(
        before=dict.fromkeys(names, 10.0),
        after=dict.fromkeys(names, total / len(names)),
        total_before=10.0 * len(names),
        total_after=total,
        rel_l2=0.4321,
    )


def trials(record: DiagnosisRecord, unchanged: float = 1.0, low: float = 1e-3, high: float = 3.9) -> DiagnosisRecord:
    """The record with trials in which its first two terms trade from `unchanged` to `low` against `high`."""
    names = list(record.terms)
    first, second = names[:2]

    def tried(factor: float, a: float, b: float) -> WeightTrial:
        losses = {**dict.fromkeys(names, 1.0), first: a, second: b}
        return WeightTrial(
            term="" if factor == 1 else first, factor=factor, losses=losses, iterations=60, evaluations=66
        )

    weights = WeightTrials(
        before=dict.fromkeys(names, 1.0),
        unchanged=tried(1.0, unchanged, unchanged),
        trials=[tried(100.0, low, high), tried(0.01, high, low)],
        weighted=names,
        subset={first: 4096},
    )
    found = Trials(
        weights=weights,
        restart=Restart(steps=200, lr=2e-3, stored=run(names, 8.0), redrawn=run(names, 1.0), factor=8.0),
        rescaled=Rescaled(
            steps=200,
            lr=2e-3,
            run=run(names, 5.0),
            ranges={f"{first}.weight": [(0.0, 1e3), (-1.0, 1.0)]},
            scale=[50.0],
            scale_from="root mean square of the reference solution",
        ),
    )
    return msgspec.structs.replace(record, trials=found)


def test_a_front_and_a_better_start_are_said_everywhere(sick: DiagnosisRecord) -> None:
    record = trials(sick)
    page, text, markdown = to_html(record), to_text(record, width=200), to_markdown(record)
    first, second = list(record.terms)[:2]
    for found in (page, text, markdown):
        assert f"Other weights trade {first} against {second}: no weight lowers both" in found
        assert "another draw is 8 times ahead of the stored start" in found
        assert "scaling the inputs and the output is 5 times behind leaving them" in found
    assert f"weight of {first} x 100" in page
    assert "0 to 1000, -1 to 1" in page
    assert "Descended on 4\u202f096 points" in page
    assert "0.432" in page


def test_a_weight_that_serves_all_is_named(sick: DiagnosisRecord) -> None:
    text = to_text(trials(sick, unchanged=1.0, low=1e-3, high=1e-2), width=200)
    assert "every unfinished term ends at least" in text


def test_nothing_better_is_said_too(sick: DiagnosisRecord) -> None:
    assert "No other weight serves" in to_text(trials(sick, low=0.9, high=1.1), width=200)


def test_what_was_not_tried_says_how_to(sick: DiagnosisRecord) -> None:
    assert to_html(sick).count("only a thorough analysis runs it") == 2
    assert "tried:" not in to_text(sick)
    assert "Tried" not in to_markdown(sick)


def test_one_of_them_alone(sick: DiagnosisRecord) -> None:
    record = trials(sick)
    assert record.trials is not None
    scaled = msgspec.structs.replace(record, trials=Trials(rescaled=record.trials.rescaled))
    assert "with inputs and output scaled" in to_html(scaled)
    again = msgspec.structs.replace(record, trials=Trials(restart=record.trials.restart))
    assert "Begun again: another draw is 8 times ahead of the stored start" in to_text(again, width=200)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -1.0])
def test_odd_numbers(sick: DiagnosisRecord, value: float) -> None:
    record = trials(sick)
    odd = from_plain({**to_plain(record), "trials": ruined(to_plain(record.trials), value)}, DiagnosisRecord)
    assert all(render(odd) for render in (to_html, to_text, to_markdown))


def test_hostile_names_are_harmless(hostile: DiagnosisRecord) -> None:
    record = trials(hostile)
    assert "<script>alert" not in to_html(record)
    assert HOSTILE[0] not in to_markdown(record)


def test_the_only_unfinished_term_is_named(sick: DiagnosisRecord) -> None:
    record = trials(sick, low=1e-3, high=1e-2)
    first, second = list(record.terms)[:2]
    done = {name: msgspec.structs.replace(term, loss=0.0) for name, term in record.terms.items() if name != first}
    record = msgspec.structs.replace(record, terms={first: record.terms[first], **done})
    text = to_text(record, width=200)
    assert f"With the weight of {first} times 100, {first} (the unfinished term) ends 1000 times lower" in text
    assert second in record.terms
