"""The network against a constant output, on the page, in the text and in Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import pytest

from pinndiag._records import DiagnosisRecord
from pinndiag_reports import to_html, to_markdown, to_text

Make = Callable[..., DiagnosisRecord]


def ratio(record: DiagnosisRecord, value: float) -> DiagnosisRecord:
    assert record.constant is not None
    return msgspec.structs.replace(record, constant=msgspec.structs.replace(record.constant, ratio=value))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2226.0, "The best constant output has 2200 times this loss"),
        (1.04, "The best constant output has as large a loss: the network does no better"),
        (1.24, "The best constant output has a loss 1.2 times as large: the network does no better"),
        (0.25, "The loss is 4 times that of the best constant output: worse than a constant"),
        (0.0, "A constant output has no loss at all"),
        (math.inf, "The loss is zero, that of the best constant output is not"),
    ],
)
def test_the_claim_stands_everywhere(make: Make, value: float, said: str) -> None:
    record = ratio(make(), value)
    for render in (to_html, to_text, to_markdown):
        assert said in " ".join(render(record).split()), render


def test_the_table_has_every_term(make: Make) -> None:
    page = to_html(make())
    assert "Last layer set to zero: net.8. The present output has the standard deviation 0.875 over the points." in page
    assert "zero solves it" in page


def test_a_transformed_output_is_said(make: Make) -> None:
    record = make()
    assert record.constant is not None
    bent = msgspec.structs.replace(record, constant=msgspec.structs.replace(record.constant, output="varies"))
    assert "The output is transformed" in to_html(bent)
    assert "The output is transformed" not in to_html(record)


def test_nothing_measured_nothing_said(make: Make) -> None:
    record = msgspec.structs.replace(make(), constant=None, reasons={"constant": "the last layer cannot be told"})
    assert "best constant" not in to_text(record)
    assert "the last layer cannot be told" in to_html(record)
