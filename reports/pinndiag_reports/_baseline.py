"""What a constant output would come to, in a sentence and as a table."""

from __future__ import annotations

import math

from pinndiag._records import Constant, DiagnosisRecord
from pinndiag_reports._numbers import number, times
from pinndiag_reports._parts import Table

__all__ = ["baseline_claim", "baseline_table"]


def baseline_claim(found: Constant | None) -> str:
    """The network against the best constant; "" where that was not measured or says nothing."""
    if found is None or math.isnan(found.ratio):
        return ""
    if math.isinf(found.ratio):
        return "The loss is zero, that of the best constant output is not"
    if found.ratio == 0:
        return "A constant output has no loss at all"
    if found.ratio < 0.8:
        return f"The loss is {times(1 / found.ratio)} times that of the best constant output: worse than a constant"
    if found.ratio < 1.3:
        size = times(found.ratio)
        loss = "as large a loss" if size == "1" else f"a loss {size} times as large"
        return f"The best constant output has {loss}: the network does no better"
    return f"The best constant output has {times(found.ratio)} times this loss"


def baseline_table(record: DiagnosisRecord) -> Table | None:
    """Loss of every term now, where the network gives zero, and for the best constant; None if not measured."""
    found = record.constant
    if found is None:
        return None
    rows = [
        (name, number(term.loss), number(found.zero.get(name)), _share(found.relative.get(name)), number(best))
        for name, term in record.terms.items()
        for best in [found.best.get(name)]
    ]
    said = f"Last layer set to zero: {', '.join(found.layers)}."
    if found.output in ("constant", "varies"):
        said += " The output is transformed: zero and constant are what goes into the transformation."
    if found.spread is not None:
        said += f" The present output has the standard deviation {number(found.spread)} over the points."
    return Table(
        ("term", "loss now", "with output zero", "now / zero", "best constant"),
        tuple(rows),
        title=baseline_claim(found) or "Against a constant output",
        note=said,
        half=True,
    )


def _share(relative: float | None) -> str:
    return "zero solves it" if relative is not None and math.isinf(relative) else number(relative)
