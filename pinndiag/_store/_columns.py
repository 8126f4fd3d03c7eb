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
RUN = ("time", "lr", "alignment", "share", "batches", "rel_l2", "skipped")
FIGURES = ("grad_l2", "grad_l1", "grad_max", "grad_mean", "grad_std", "grad_kurtosis")
TERM = ("loss", "weight", "weight_min", "weight_max", *FIGURES, "nonfinite")
ABSENT, LOSS, GRADIENT = 0, 1, 2  # what is known of a term at a step

Mask = Bool[np.ndarray, " steps"]
Series = Float64[np.ndarray, " steps"]


@final
class Columns:
    """The step records of a run, in the order of the steps. About 80 bytes a term and step.

    Attributes:
        names: every term that ever came, in the order in which they came.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._steps = array("q")
        self._run = {field: array("d") for field in RUN}
        self._terms: dict[str, dict[str, array[float]]] = {TOTAL: _empty(0)}
        self._known: dict[str, array[int]] = {TOTAL: array("B")}
        self._pairs: dict[str, array[float]] = {}
        self._applied: dict[str, array[float]] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def append(self, line: StepLine) -> None:
        """Add a record."""
        before = len(self._steps)
        self._steps.append(line.step)
        for field, column in self._run.items():
            column.append(_number(getattr(line, field)))
        for name in line.terms:
            if name not in self._terms:
                self.names.append(name)
                self._terms[name], self._known[name] = _empty(before), array("B", bytes(before))
        self._add(TOTAL, line.total)
        for name in self.names:
            self._add(name, line.terms.get(name))
        for columns, values in ((self._pairs, line.cosine), (self._applied, line.applied)):
            for key in values:
                if key not in columns:
                    columns[key] = array("d", [math.nan]) * before
            for key, column in columns.items():
                column.append(values.get(key, math.nan))

    def cut(self, step: int) -> None:
        """Forget the records from `step` on."""
        keep = int(np.searchsorted(self.steps, step))
        del self._steps[keep:]
        for known in self._known.values():
            del known[keep:]
        for columns in (self._run, self._pairs, self._applied, *self._terms.values()):
            for column in columns.values():
                del column[keep:]

    @property
    def steps(self) -> Int64[np.ndarray, " steps"]:
        """The optimizer's step of each record."""
        return np.array(self._steps, dtype=np.int64)

    def run(self, field: str) -> Series:
        """A figure of the run, such as "lr"; NaN where it was not measured."""
        return np.array(self._run[field])

    def term(self, name: str, field: str) -> Series:
        """A figure of a term ("" for the weighted sum), such as "grad_l2"; NaN where it was not measured."""
        return np.array(self._terms[name][field])

    def cosine(self, pair: str) -> Series:
        """The cosine of a pair "a|b"."""
        return np.array(self._pairs[pair])

    def applied(self, name: str) -> Series:
        """|w_i g_i| of a term, with its per-point weights where it has such."""
        return np.array(self._applied[name])

    @property
    def pairs(self) -> list[str]:
        """The pairs whose cosine was ever measured."""
        return list(self._pairs)

    def measured(self, name: str = TOTAL) -> Mask:
        """The records in which the gradient of a term ("" for the weighted sum) is known."""
        return np.equal(np.array(self._known[name], dtype=np.uint8), GRADIENT)

    def present(self, name: str = TOTAL) -> Mask:
        """The records in which a term was evaluated."""
        return np.not_equal(np.array(self._known[name], dtype=np.uint8), ABSENT)

    def at(self, index: int) -> StepLine:
        """A record as it was."""
        index = range(len(self))[index]
        run = {field: column[index] for field, column in self._run.items()}
        total = self._figures(TOTAL, index)
        return StepLine(
            step=self._steps[index],
            time=run["time"],
            lr=_or_none(run["lr"]),
            terms={n: TermFigures(**self._figures(n, index)) for n in self.names if self._known[n][index] != ABSENT},
            total=TotalFigures(**{key: value for key, value in total.items() if not key.startswith("weight")}),
            cosine=_row(self._pairs, index, self._known[TOTAL][index]),
            applied=_row(self._applied, index, self._known[TOTAL][index]),
            alignment=_or_none(run["alignment"]),
            share=_or_none(run["share"]),
            batches=int(run["batches"]),
            rel_l2=_or_none(run["rel_l2"]),
            skipped=bool(run["skipped"]),
        )

    def _add(self, name: str, figures: TermFigures | TotalFigures | None) -> None:
        known = ABSENT if figures is None else LOSS if figures.grad_l2 is None else GRADIENT
        self._known[name].append(known)
        for field, column in self._terms[name].items():
            column.append(_number(getattr(figures, field, None)))

    def _figures(self, name: str, index: int) -> dict[str, Any]:
        row: dict[str, Any] = {field: column[index] for field, column in self._terms[name].items()}
        row |= {field: _or_none(row[field]) for field in ("weight_min", "weight_max")}
        row["nonfinite"] = 0 if math.isnan(row["nonfinite"]) else int(row["nonfinite"])
        if self._known[name][index] != GRADIENT:
            row |= dict.fromkeys(FIGURES)
        return row


def _empty(rows: int) -> dict[str, array[float]]:
    return {field: array("d", [math.nan]) * rows for field in TERM}


def _number(value: int | float | None) -> float:  # beartype, in the tests, takes no int for a float
    return math.nan if value is None else float(value)


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _row(columns: dict[str, array[float]], index: int, known: int) -> dict[str, float]:
    return {key: column[index] for key, column in columns.items()} if known == GRADIENT else {}
