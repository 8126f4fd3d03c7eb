"""Measurements of one step while they are still on the device, and the records they become."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from pinndiag._records import HistogramLine, StepLine, TermFigures, TotalFigures
from pinndiag._statistics import _gradient_tables, _statistics
from pinndiag._statistics._gradient_tables import Key, Structure
from pinndiag._store import Sink, packed
from pinndiag._watch._sums import Sums

__all__ = ["Pending", "flush", "tables_of"]

Page = list[list[float]]

FIELDS = tuple(name if name == "nonfinite" else f"grad_{name}" for name in _statistics.FIGURES)


@final
@dataclass(frozen=True, eq=False)
class Pending:
    """A measured step whose numbers may still be on the device.

    Attributes:
        step, time, lr, share, batches, skipped: as in `StepLine`.
        names: the terms.
        tables: what was measured, each a matrix in float64; keys as in `_gradient_tables`, and "losses", "weights",
            "points", "rel_l2" of the whole network.
        line: whether a step record is wanted.
        layers: layer -> entries of its parameters, where the tables of the layers are there, for a file of arrays.
    """

    step: int
    time: float
    lr: float | None
    names: tuple[str, ...]
    tables: Mapping[Key, Tensor]
    share: float | None = None
    batches: int = 1
    skipped: bool = False
    line: bool = True
    layers: Mapping[str, int] = field(default_factory=dict)


def tables_of(sums: Sums, structure: Structure | None) -> dict[Key, Tensor]:
    """The tables of one step; those of the layers too where their structure is given."""
    found: dict[Key, Tensor] = {("", "losses"): sums.losses[None], ("", "weights"): sums.weights[None]}
    if sums.points is not None:
        found["", "points"] = sums.points
    if not sums.measured:
        return found
    rows, applied = sums.rows, sums.applied
    wide = rows.double()
    seen = wide if applied is rows else applied.double()
    if structure is not None:
        found |= _gradient_tables.tables(structure, wide, sums.weights[:, None] * seen)
    else:
        total = sums.weights @ seen
        narrow = rows.dtype != torch.float64
        found["", "figures"] = _statistics.moments(torch.cat([wide, total[None]]), narrow=narrow)
    found["", "gram"] = wide @ wide.T
    if sums.points is not None:
        found["", "sizes"] = sums.weights.abs()[:, None] * _statistics.norms(seen)[:, None]
    return found


def flush(pending: Sequence[Pending], sink: Sink) -> None:
    """Bring the measurements over in one transfer, and write them in order."""
    for entry, found in zip(pending, _gradient_tables.fetched([entry.tables for entry in pending]), strict=True):
        if entry.line:
            sink.write(_step_line(entry, found))
        if entry.layers:
            _write_histograms(entry, found, sink)


def _step_line(entry: Pending, pages: Mapping[Key, Page]) -> StepLine:
    names = entry.names
    losses, weights = pages["", "losses"][0], pages["", "weights"][0]
    rows = pages.get(("", "figures"))
    figures: list[dict[str, Any]] = [{} if rows is None else _fields(row) for row in rows or [[]] * (len(names) + 1)]
    points = pages.get(("", "points"))
    cosines, alignment = _directions(names, pages["", "gram"]) if rows is not None else ({}, None)
    applied = [abs(w) * f["grad_l2"] for w, f in zip(weights, figures, strict=False)] if rows is not None else []
    if points is not None and rows is not None:
        applied = [row[0] for row in pages["", "sizes"]]
    terms = {}
    for i, name in enumerate(names):
        low, mean, high = points[i] if points is not None else (None, 1.0, None)
        terms[name] = TermFigures(
            loss=losses[i], weight=weights[i] * mean, weight_min=low, weight_max=high, **figures[i]
        )
    return StepLine(
        step=entry.step,
        time=entry.time,
        lr=entry.lr,
        terms=terms,
        total=TotalFigures(loss=sum(w * v for w, v in zip(weights, losses, strict=True)), **figures[-1]),
        cosine=cosines,
        applied=dict(zip(names, applied, strict=False)),
        alignment=alignment,
        share=entry.share,
        batches=entry.batches,
        rel_l2=pages["", "rel_l2"][0][0] if ("", "rel_l2") in pages else None,
        skipped=entry.skipped,
    )


def _directions(names: Sequence[str], gram: Page) -> tuple[dict[str, float], float | None]:
    """The cosines and the alignment, as in `Gradients`, from the products g_i . g_j."""
    lengths = [math.sqrt(row[i]) for i, row in enumerate(gram)]
    page = [
        [_statistics.quotient(g, a * b) for g, b in zip(row, lengths, strict=True)]
        for row, a in zip(gram, lengths, strict=True)
    ]
    known = [i for i, length in enumerate(lengths) if 0 < length < math.inf]
    count = len(known)
    mean = sum(1.0 if i == j else page[i][j] for i in known for j in known) / count**2 if count else math.nan
    return _gradient_tables.pairwise(names, page), 2 * mean - 1


def _fields(row: Sequence[float]) -> dict[str, Any]:
    found: dict[str, Any] = dict(zip(FIELDS, row, strict=True))
    found["nonfinite"] = int(found["nonfinite"])
    return found


def _write_histograms(entry: Pending, pages: Mapping[Key, Page], sink: Sink) -> None:
    apart = ("losses", "weights", "points", "rel_l2")
    tensors = {
        packed(key): torch.tensor(page, dtype=torch.float64) for key, page in pages.items() if key[1] not in apart
    }
    file = sink.arrays(f"histograms-{entry.step:09d}", tensors, {"step": str(entry.step)})
    sink.write(
        HistogramLine(
            step=entry.step,
            time=entry.time,
            terms=list(entry.names),
            layers=dict(entry.layers),
            file=file,
            losses=dict(zip(entry.names, pages["", "losses"][0], strict=True)),
            weights=dict(zip(entry.names, pages["", "weights"][0], strict=True)),
        )
    )
