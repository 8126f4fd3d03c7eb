"""Per-term gradients: figures over all parameters and per layer, histograms, cosines, ratios, alignment."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag import _parameters, _statistics
from pinndiag._pinn import PINN
from pinndiag._records import GradientFigures, Gradients, Histogram, LayerGradients
from pinndiag._view import View

__all__ = ["gradients"]

Matrix = Float[Tensor, "terms n"]
Key = tuple[str, str]  # layer ("" for the whole network), and what was measured there
Page = list[list[float]]


def gradients(subject: PINN | View) -> Gradients:
    """Measure the gradient of every term at the present parameters, as seeds of a diagnosis.

    Figures are those of the unweighted g_i over all P trainable parameters (a parameter that the term does not reach
    counts as zeros), and on each layer: weight and bias pooled, and apart (weight: parameters of two or more
    dimensions). `total` is the same of G = sum_i w_i g_i, what the optimizer sees.

    Histograms have 100 bins that the terms of a layer share: of g_i and of w_i g_i over +- the largest 99.9 % quantile
    of the moduli, and of log10 |g_i| from the smallest 0.1 % quantile to the largest modulus, zeros apart. Each counts
    every entry once, in a bin or outside them.

    `alignment` is 2 |mean_i g_i / |g_i||^2 - 1 over the terms whose gradient has a direction; a zero or non-finite one
    has none.

    NaN and infinities are findings: they are counted, they make the figures of their own term NaN or infinite, and
    leave those of the other terms alone.

    Cost: one forward and one backward pass of each term (shared through a `View`), and a few passes over the terms x P
    matrix of gradients in float64; memory of about six copies of that matrix.

    Sources: per-layer histograms of Wang, Teng, Perdikaris 2021 (SIAM J. Sci. Comput. 43, A3055); distributions over
    all parameters of Deguchi, Asai 2023 (J. Phys. Commun. 7, 075005), figures 3, 6, 9; alignment of Wang et al. 2025
    (arXiv:2502.00604).

    >>> import torch, pinndiag
    >>> k = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> terms = {"a": lambda: 3 * k[0], "b": lambda: 2 * k.sum()}   # g_a = (3, 0), g_b = (2, 2)
    >>> pinn = pinndiag.wrap(lambda p, x: x, terms, parameters={"k": k}, weights={"b": 2.0})
    >>> found = gradients(pinn)
    >>> found.terms["a"].grad_l2, found.total.grad_max              # G = (3 + 2 * 2, 2 * 2)
    (3.0, 7.0)
    >>> round(found.cosine["a|b"], 6), found.terms["b"].grad_l1
    (0.707107, 4.0)
    """
    view = View.of(subject)
    pinn = view.pinn
    names = pinn.names
    weights = torch.tensor([pinn.weights[name] for name in names], dtype=torch.float64, device=pinn.device)
    matrix = torch.stack([view.gradients[name].double() for name in names])
    lengths = _statistics.norms(matrix)
    directions = matrix / lengths[:, None]
    tables = _tables(pinn, matrix, weights)
    tables["", "cosines"] = directions @ directions.T
    tables["", "alignment"] = _alignment(directions)
    pages = dict(zip(tables, _statistics.fetch(list(tables.values())), strict=True))
    whole = _Room.read(pages, "", names)
    rooms = {layer: _Room.read(pages, layer, names) for layer in pinn.layers}
    sizes = [abs(pinn.weights[name]) * whole.terms[name].grad_l2 for name in names]
    pairs = list(itertools.combinations(range(len(names)), 2))
    cosines = pages["", "cosines"]
    return Gradients(
        losses=dict(view.losses),
        weights=dict(pinn.weights),
        terms=whole.terms,
        total=whole.total,
        total_loss=sum(pinn.weights[name] * view.losses[name] for name in names),
        reached=dict(view.reached),
        histograms=whole.histograms,
        weighted=whole.weighted,
        magnitudes=whole.magnitudes,
        cosine={f"{names[a]}|{names[b]}": _clipped(cosines[a][b]) for a, b in pairs},
        ratio={f"{names[a]}|{names[b]}": _statistics.quotient(sizes[a], sizes[b]) for a, b in pairs},
        alignment=pages["", "alignment"][0][0],
        cancellation=_statistics.quotient(whole.total.grad_l2, sum(sizes)),
        layers=[
            LayerGradients(
                name=layer,
                parameters=sum(_parameters.sizes([pinn.parameters[member] for member in members])),
                terms=rooms[layer].terms,
                weight=_apart(pages, layer, "weight", names),
                bias=_apart(pages, layer, "bias", names),
                histograms=rooms[layer].histograms,
                weighted=rooms[layer].weighted,
                magnitudes=rooms[layer].magnitudes,
                total=rooms[layer].total,
            )
            for layer, members in pinn.layers.items()
        ],
    )


def _tables(pinn: PINN, matrix: Matrix, weights: Float[Tensor, " terms"]) -> dict[Key, Tensor]:
    """What is measured of the whole network (key "") and of each layer, still on the device."""
    columns = dict(zip(pinn.parameters, matrix.split(_parameters.sizes(pinn.tensors), dim=1), strict=True))
    tables: dict[Key, Tensor] = {}
    for layer, members in {"": list(columns), **pinn.layers}.items():
        rows = torch.cat([columns[name] for name in members], dim=1)
        weighted = weights[:, None] * rows
        tables[layer, "figures"] = _statistics.figures(torch.cat([rows, weighted.sum(0, keepdim=True)]))
        tables[layer, "histograms"] = _statistics.histogram(rows, _statistics.linear_span(rows))
        tables[layer, "weighted"] = _statistics.histogram(weighted, _statistics.linear_span(weighted))
        span = _statistics.log_magnitude_span(rows)
        tables[layer, "magnitudes"] = _statistics.log_magnitude_histogram(rows, span)
    for layer, members in pinn.layers.items():
        matrices = [name for name in members if pinn.parameters[name].ndim >= 2]
        vectors = [name for name in members if name not in matrices]
        for part, chosen in (("weight", matrices), ("bias", vectors)):
            if chosen:
                tables[layer, part] = _statistics.figures(torch.cat([columns[name] for name in chosen], dim=1))
    return tables


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


def _figures(row: Sequence[float]) -> GradientFigures:
    known = dict(zip(_statistics.FIGURES, row, strict=True))
    nonfinite = int(known.pop("nonfinite"))
    return GradientFigures(**{f"grad_{name}": value for name, value in known.items()}, nonfinite=nonfinite)


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
