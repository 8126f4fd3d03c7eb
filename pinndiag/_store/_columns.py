"""Step records by column: a run of a million steps in memory, and any one of its records back."""

from __future__ import annotations

import math
from array import array
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from pinndiag._records import StepLine, TermFigures, TotalFigures

__all__ = ["Columns"]

TOTAL = ""  # stands for the weighted sum where a term's name is asked for
RUN = ("time", "batches", "skipped")
OPTIONAL = ("lr", "alignment", "share", "rel_l2")
FIGURES = ("grad_l2", "grad_l1", "grad_max", "grad_mean", "grad_std", "grad_kurtosis")
TERM = ("loss", "weight", "weight_min", "weight_max", *FIGURES, "nonfinite")
LOSS, GRADIENT, POINTS = 1, 2, 4  # what is known of a term at a step: bits

Mask = Bool[np.ndarray, " steps"]
Series = Float64[np.ndarray, " steps"]


@final
class Column:
    """Numbers, some of them absent; NaN is a number like any other. 9 bytes each.

    Args:
        rows: absent numbers to begin with.
    """

    __slots__ = ("given", "values")

    def __init__(self, rows: int = 0) -> None:
        self.values = array("d", [math.nan]) * rows
        self.given = array("B", bytes(rows))

    def append(self, value: float | int | None) -> None:
        """Add a number, or that there is none."""
        self.values.append(math.nan if value is None else value)
        self.given.append(value is not None)

    def cut(self, rows: int) -> None:
        """Keep the first rows."""
        del self.values[rows:]
        del self.given[rows:]

    def at(self, index: int) -> float | None:
        """A number, or None."""
        return self.values[index] if self.given[index] else None


@final
class Columns:
    """The step records of a run, in the order of the steps. About 90 bytes a term and step.

    Attributes:
        names: every term that ever came, in the order in which they came.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._steps = array("q")
        self._run = {field: array("d") for field in RUN}
        self._terms: dict[str, dict[str, array[float]]] = {TOTAL: _empty(0)}
        self._known: dict[str, array[int]] = {TOTAL: array("B")}
        self._optional = {field: Column() for field in OPTIONAL}
        self._pairs: dict[str, Column] = {}
        self._applied: dict[str, Column] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def append(self, line: StepLine) -> None:
        """Add a record."""
        before = len(self._steps)
        self._steps.append(line.step)
        for field, column in self._run.items():
            column.append(getattr(line, field))
        for field, values in self._optional.items():
            values.append(getattr(line, field))
        for name in line.terms:
            if name not in self._terms:
                self.names.append(name)
                self._terms[name], self._known[name] = _empty(before), array("B", bytes(before))
        self._add(TOTAL, line.total)
        for name in self.names:
            self._add(name, line.terms.get(name))
        for columns, found in ((self._pairs, line.cosine), (self._applied, line.applied)):
            for key in found:
                if key not in columns:
                    columns[key] = Column(before)
            for key, values in columns.items():
                values.append(found.get(key))

    def cut(self, step: int) -> None:
        """Forget the records from `step` on."""
        keep = int(np.searchsorted(self.steps, step))
        del self._steps[keep:]
        for known in self._known.values():
            del known[keep:]
        for columns in (self._run, *self._terms.values()):
            for column in columns.values():
                del column[keep:]
        for optional in (self._optional, self._pairs, self._applied):
            for values in optional.values():
                values.cut(keep)

    @property
    def steps(self) -> Int64[np.ndarray, " steps"]:
        """The optimizer's step of each record."""
        return np.array(self._steps, dtype=np.int64)

    @property
    def last_step(self) -> int:
        """The step of the last record; -1 where there is none."""
        return self._steps[-1] if self._steps else -1

    @property
    def last_time(self) -> float:
        """Seconds to the last record; 0 where there is none."""
        return self._run["time"][-1] if self._steps else 0.0

    def run(self, field: str) -> Series:
        """A figure of the run, such as "lr"; NaN where it was not measured, and where it was NaN (see `given`)."""
        return np.array(self._optional[field].values if field in self._optional else self._run[field])

    def given(self, field: str) -> Mask:
        """The records in which "lr", "alignment", "share" or "rel_l2" was measured."""
        return np.array(self._optional[field].given, dtype=bool)

    def term(self, name: str, field: str) -> Series:
        """A figure of a term ("" for the weighted sum), such as "grad_l2"; NaN where it was not measured."""
        return np.array(self._terms[name][field])

    def cosine(self, pair: str) -> Series:
        """The cosine of a pair "a|b"."""
        return np.array(self._pairs[pair].values)

    def applied(self, name: str) -> Series:
        """|w_i g_i| of a term, with its per-point weights where it has such; NaN where it was not measured."""
        return np.array(self._applied.get(name, Column(len(self))).values)

    @property
    def pairs(self) -> list[str]:
        """The pairs whose cosine was ever measured."""
        return list(self._pairs)

    def measured(self, name: str = TOTAL) -> Mask:
        """The records in which the gradient of a term ("" for the weighted sum) is known."""
        return (np.array(self._known[name], dtype=np.uint8) & GRADIENT).astype(bool)

    def present(self, name: str = TOTAL) -> Mask:
        """The records in which a term was evaluated."""
        return (np.array(self._known[name], dtype=np.uint8) & LOSS).astype(bool)

    def at(self, index: int) -> StepLine:
        """A record as it was."""
        index = range(len(self))[index]
        run: dict[str, Any] = {field: column[index] for field, column in self._run.items()}
        run |= {field: values.at(index) for field, values in self._optional.items()}
        total = self._figures(TOTAL, index)
        return StepLine(
            step=self._steps[index],
            terms={n: TermFigures(**self._figures(n, index)) for n in self.names if self._known[n][index]},
            total=TotalFigures(**{key: value for key, value in total.items() if not key.startswith("weight")}),
            cosine=_row(self._pairs, index),
            applied=_row(self._applied, index),
            **run | {"batches": int(run["batches"]), "skipped": bool(run["skipped"])},
        )

    def _add(self, name: str, figures: TermFigures | TotalFigures | None) -> None:
        known = 0
        if figures is not None:
            points = getattr(figures, "weight_min", None) is not None
            known = LOSS | (GRADIENT if figures.grad_l2 is not None else 0) | (POINTS if points else 0)
        self._known[name].append(known)
        for field, column in self._terms[name].items():
            column.append(_number(getattr(figures, field, None)))

    def _figures(self, name: str, index: int) -> dict[str, Any]:
        row: dict[str, Any] = {field: column[index] for field, column in self._terms[name].items()}
        known = self._known[name][index]
        row["nonfinite"] = int(row["nonfinite"])
        if not known & POINTS:
            row |= {"weight_min": None, "weight_max": None}
        if not known & GRADIENT:
            row |= dict.fromkeys(FIGURES)
        return row


def _empty(rows: int) -> dict[str, array[float]]:
    return {field: array("d", [math.nan]) * rows for field in TERM}


def _number(value: int | float | None) -> float:  # beartype, in the tests, takes no int for a float
    return math.nan if value is None else float(value)


def _row(columns: dict[str, Column], index: int) -> dict[str, float]:
    return {key: value for key, values in columns.items() if (value := values.at(index)) is not None}
