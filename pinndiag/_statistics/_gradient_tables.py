"""What is measured of a matrix of term gradients, as tables on its device; and the record that the tables give.

The two halves are apart so that a training loop can measure now and bring the tables over later, or keep them in a
file, and still give the very record that the analyzer of a checkpoint gives.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag._records import GradientFigures, Gradients, Histogram, LayerGradients
from pinndiag._statistics import _statistics
from pinndiag._terms import _parameters

__all__ = ["Key", "Structure", "fetched", "pairwise", "read", "tables"]

Matrix = Float[Tensor, "terms n"]
Key = tuple[str, str]  # layer ("" for the whole network), and what was measured there
Page = list[list[float]]

FIGURES = ("figures", "weight", "bias")  # tables of moments on the device, of the figures they give when fetched


@final
@dataclass(frozen=True)
class Structure:
    """How the columns of a matrix of gradients belong to parameters and layers.

    Attributes:
        sizes: parameter -> number of its columns, in the order of the columns.
        layers: layer -> names of its parameters.
        matrices: parameters of two or more dimensions; the others count as biases.
    """

    sizes: Mapping[str, int]
    layers: Mapping[str, Sequence[str]]
    matrices: frozenset[str]

    @property
    def entries(self) -> dict[str, int]:
        """Layer -> number of entries of its parameters."""
        return {layer: sum(self.sizes[member] for member in members) for layer, members in self.layers.items()}

    @staticmethod
    def of(parameters: Mapping[str, Tensor]) -> Structure:
        """The structure of named parameters."""
        sizes = dict(zip(parameters, _parameters.sizes(parameters.values()), strict=True))
        matrices = frozenset(name for name, tensor in parameters.items() if tensor.ndim >= 2)
        return Structure(sizes, _parameters.layers(parameters), matrices)


def tables(structure: Structure, matrix: Matrix, applied: Matrix) -> dict[Key, Tensor]:
    """What is measured of the whole network (key "") and of each layer, still on the device.

    Args:
        structure: of the columns.
        matrix: the unweighted g_i, one row a term, in float64.
        applied: what the optimizer sees of each, w_i g_i.
    """
    columns, seen = _columns(structure, matrix), _columns(structure, applied)
    found: dict[Key, Tensor] = {}
    for layer, members in {"": list(columns), **structure.layers}.items():
        rows = torch.cat([columns[name] for name in members], dim=1)
        weighted = torch.cat([seen[name] for name in members], dim=1)
        found[layer, "figures"] = _statistics.moments(torch.cat([rows, weighted.sum(0, keepdim=True)]))
        found[layer, "histograms"] = _statistics.histogram(rows, _statistics.linear_span(rows))
        found[layer, "weighted"] = _statistics.histogram(weighted, _statistics.linear_span(weighted))
        span = _statistics.log_magnitude_span(rows)
        found[layer, "magnitudes"] = _statistics.log_magnitude_histogram(rows, span)
    for layer, members in structure.layers.items():
        matrices = [name for name in members if name in structure.matrices]
        vectors = [name for name in members if name not in structure.matrices]
        for part, chosen in (("weight", matrices), ("bias", vectors)):
            if chosen:
                found[layer, part] = _statistics.moments(torch.cat([columns[name] for name in chosen], dim=1))
    directions = matrix / _statistics.norms(matrix)[:, None]
    found["", "cosines"] = directions @ directions.T
    found["", "alignment"] = _alignment(directions)
    found["", "sizes"] = _statistics.norms(applied)[:, None]
    return found


def fetched(measured: Sequence[Mapping[Key, Tensor]]) -> list[dict[Key, Page]]:
    """Bring tables of several measurements to the CPU, in one transfer."""
    flat = [table for tables in measured for table in tables.values()]
    pages = iter(_statistics.fetch(flat) if flat else [])
    return [{key: _finished(key, next(pages)) for key in tables} for tables in measured]


def _finished(key: Key, page: Page) -> Page:
    return [_statistics.figures_of(row) for row in page] if key[1] in FIGURES else page


def read(
    pages: Mapping[Key, Page],
    layers: Mapping[str, int],
    *,
    names: Sequence[str],
    losses: Mapping[str, float],
    weights: Mapping[str, float],
    reached: Mapping[str, float],
) -> Gradients:
    """The record of tables that were brought to the CPU as nested lists.

    Args:
        pages: the tables.
        layers: layer -> entries of its parameters.
        names: the terms, in the order of the rows.
        losses: unweighted loss of each term.
        weights: weight of each term.
        reached: share of the parameters that each term reaches.
    """
    whole = _Room.read(pages, "", names)
    rooms = {layer: _Room.read(pages, layer, names) for layer in layers}
    sizes = [row[0] for row in pages["", "sizes"]]
    pairs = list(itertools.combinations(range(len(names)), 2))
    return Gradients(
        losses=dict(losses),
        weights=dict(weights),
        terms=whole.terms,
        total=whole.total,
        total_loss=sum(weights[name] * losses[name] for name in names),
        reached=dict(reached),
        histograms=whole.histograms,
        weighted=whole.weighted,
        magnitudes=whole.magnitudes,
        cosine=pairwise(names, pages["", "cosines"]),
        ratio={f"{names[a]}|{names[b]}": _statistics.quotient(sizes[a], sizes[b]) for a, b in pairs},
        alignment=pages["", "alignment"][0][0],
        cancellation=_statistics.quotient(whole.total.grad_l2, sum(sizes)),
        layers=[
            LayerGradients(
                name=layer,
                parameters=entries,
                terms=rooms[layer].terms,
                weight=_apart(pages, layer, "weight", names),
                bias=_apart(pages, layer, "bias", names),
                histograms=rooms[layer].histograms,
                weighted=rooms[layer].weighted,
                magnitudes=rooms[layer].magnitudes,
                total=rooms[layer].total,
            )
            for layer, entries in layers.items()
        ],
    )


def pairwise(names: Sequence[str], page: Page) -> dict[str, float]:
    """The cosine of every pair of terms, by the key "a|b", in the order given."""
    pairs = itertools.combinations(range(len(names)), 2)
    return {f"{names[a]}|{names[b]}": _clipped(page[a][b]) for a, b in pairs}


def _figures(row: Sequence[float]) -> GradientFigures:
    known = dict(zip(_statistics.FIGURES, row, strict=True))
    nonfinite = int(known.pop("nonfinite"))
    return GradientFigures(**{f"grad_{name}": value for name, value in known.items()}, nonfinite=nonfinite)


def _columns(structure: Structure, matrix: Matrix) -> dict[str, Tensor]:
    return dict(zip(structure.sizes, matrix.split(list(structure.sizes.values()), dim=1), strict=True))


@final
@dataclass(frozen=True)
class _Room:
    """What the tables say of the whole network or of a layer, as plain values."""

    terms: dict[str, GradientFigures]
    total: GradientFigures
    histograms: dict[str, Histogram]
    weighted: dict[str, Histogram]
    magnitudes: dict[str, Histogram]

    @staticmethod
    def read(pages: Mapping[Key, Page], layer: str, names: Sequence[str]) -> _Room:
        *terms, total = map(_figures, pages[layer, "figures"])
        kinds = ("histograms", "weighted", "magnitudes")
        drawn = [map(_statistics.to_histogram, pages[layer, kind]) for kind in kinds]
        return _Room(dict(zip(names, terms, strict=True)), total, *(dict(zip(names, h, strict=True)) for h in drawn))


def _apart(pages: Mapping[Key, Page], layer: str, part: str, names: Sequence[str]) -> dict[str, GradientFigures] | None:
    page = pages.get((layer, part))
    return None if page is None else dict(zip(names, map(_figures, page), strict=True))


def _alignment(directions: Matrix) -> Float[Tensor, "1 1"]:
    known = directions.isfinite().all(1, keepdim=True)
    mean = torch.where(known, directions, 0.0).sum(0) / known.sum()
    return (2 * mean.square().sum() - 1).reshape(1, 1)


def _clipped(cosine: float) -> float:
    """A cosine without the last bit of rounding; NaN stays NaN (it compares false)."""
    return 1.0 if cosine > 1 else -1.0 if cosine < -1 else cosine
