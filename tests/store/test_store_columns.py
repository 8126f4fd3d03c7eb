"""Columns give every record back as it was, whatever came before and after it."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pinndiag._records import StepLine, TermFigures, TotalFigures, to_plain
from pinndiag._store import Columns
from tests.store.runs import falling, step

NAMES = ("pde", "bc", "data", "<script>")
FIGURES = ("grad_l2", "grad_l1", "grad_max", "grad_mean", "grad_std", "grad_kurtosis")
numbers = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def figures(draw: Any, *, weight: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"loss": draw(numbers)}
    if weight:
        found["weight"] = draw(numbers)
        if draw(st.booleans()):
            found |= {"weight_min": draw(numbers), "weight_max": draw(numbers)}
    if draw(st.booleans()):
        found |= {name: draw(numbers) for name in FIGURES}
    return found | {"nonfinite": draw(st.integers(0, 10**6))}


@st.composite
def records(draw: Any, index: int) -> StepLine:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    optional = {key: draw(st.none() | numbers) for key in ("lr", "alignment", "share", "rel_l2")}
    return StepLine(
        step=index,
        time=draw(st.floats(0, 1e9)),
        terms={name: TermFigures(**draw(figures(weight=True))) for name in names},
        total=TotalFigures(**draw(figures(weight=False))),
        cosine=draw(st.dictionaries(st.sampled_from(("pde|bc", "bc|data")), numbers)),
        applied=draw(st.dictionaries(st.sampled_from(NAMES), numbers)),
        batches=draw(st.integers(1, 100)),
        skipped=draw(st.booleans()),
        **optional,
    )


@given(st.data(), st.integers(0, 6))
def test_every_record_comes_back(data: st.DataObject, count: int) -> None:
    lines = [data.draw(records(2 * index)) for index in range(count)]
    columns = Columns()
    for line in lines:
        columns.append(line)
    assert len(columns) == count
    assert [to_plain(columns.at(i)) for i in range(count)] == [to_plain(line) for line in lines]
    cut = data.draw(st.integers(0, 2 * count))
    columns.cut(cut)
    kept = [line for line in lines if line.step < cut]
    assert [to_plain(columns.at(i)) for i in range(len(columns))] == [to_plain(line) for line in kept]
    for line in lines[len(kept) :]:  # and they can be added again
        columns.append(line)
    assert [to_plain(columns.at(i)) for i in range(count)] == [to_plain(line) for line in lines]


def test_what_is_absent_and_what_is_nan_stay_apart() -> None:
    columns = Columns()
    for line in (
        step(0, {"a": 1.0}, {}),
        step(1, {"a": 2.0, "b": float("nan")}, {"a": 3.0, "b": 4.0}, rel_l2=float("nan")),
    ):
        columns.append(line)
    assert columns.names == ["a", "b"]
    assert columns.present("b").tolist() == [False, True]
    assert columns.measured().tolist() == columns.measured("a").tolist() == [False, True]
    assert columns.given("rel_l2").tolist() == [False, True]
    assert columns.cosine("a|b")[1] == -0.25
    assert np.isnan(columns.cosine("a|b")[0])
    assert columns.at(0).cosine == {}


def test_memory_is_what_the_docstring_says() -> None:
    columns = Columns()
    for line in falling(1000):
        columns.append(line)
    held = sum(column.itemsize * len(column) for table in columns._terms.values() for column in table.values())
    assert held / (1000 * 3) <= 90  # two terms and the total
