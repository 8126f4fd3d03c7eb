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
    all parameters of Deguchi, Asai 2023 (J. Phys. Commun. 7, 045005), figures 3, 6, 9; alignment of Wang et al. 2025
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
    blocks = _blocks(pinn, matrix, weights)
    lengths = _statistics.norms(matrix)
    directions = matrix / lengths[:, None]
    tables = [table for block in blocks for table in block.tables]
    rest = [directions @ directions.T, _alignment(directions)]
    *pages, cosines, alignment = _statistics.fetch([*tables, *rest])
    found = [_read(names, block, pages[i * _PAGES : (i + 1) * _PAGES]) for i, block in enumerate(blocks)]
    everything, parts = found[0], dict(zip((b.key for b in blocks), found, strict=True))
    sizes = [abs(pinn.weights[name]) * everything.terms[name].grad_l2 for name in names]
    pairs = list(itertools.combinations(range(len(names)), 2))
    return Gradients(
        losses=dict(view.losses),
        weights=dict(pinn.weights),
        terms=everything.terms,
        total=everything.total,
        total_loss=sum(pinn.weights[name] * view.losses[name] for name in names),
        reached=dict(view.reached),
        histograms=everything.histograms,
        weighted=everything.weighted,
        magnitudes=everything.magnitudes,
        cosine={f"{names[a]}|{names[b]}": _clipped(cosines[a][b]) for a, b in pairs},
        ratio={f"{names[a]}|{names[b]}": _statistics.quotient(sizes[a], sizes[b]) for a, b in pairs},
        alignment=alignment[0][0],
        cancellation=_statistics.quotient(everything.total.grad_l2, sum(sizes)),
        layers=[
            LayerGradients(
                name=layer,
                parameters=parts[layer, "all"].entries,
                terms=parts[layer, "all"].terms,
                weight=_apart(parts, layer, "weight"),
                bias=_apart(parts, layer, "bias"),
                histograms=parts[layer, "all"].histograms,
                weighted=parts[layer, "all"].weighted,
                magnitudes=parts[layer, "all"].magnitudes,
                total=parts[layer, "all"].total,
            )
            for layer in pinn.layers
        ],
    )


_PAGES = 4  # tables of one block: figures, histograms of g, of w g, of log10 |g|


@final
@dataclass(frozen=True)
class _Block:
    """A set of parameters (key: layer and part) and the tables measured on it, still on the device."""

    key: tuple[str, str]
    entries: int
    tables: list[Tensor]

    @staticmethod
    def of(key: tuple[str, str], matrix: Matrix, weights: Float[Tensor, " terms"]) -> _Block:
        weighted = weights[:, None] * matrix
        rows = torch.cat([matrix, weighted.sum(0, keepdim=True)])
        tables = [
            _statistics.figures(rows),
            _statistics.histogram(matrix, _statistics.linear_span(matrix)),
            _statistics.histogram(weighted, _statistics.linear_span(weighted)),
            _statistics.log_magnitude_histogram(matrix, _statistics.log_magnitude_span(matrix)),
        ]
        return _Block(key, matrix.shape[1], tables)


@final
@dataclass(frozen=True)
class _Part:
    """The same as plain values."""

    entries: int
    terms: dict[str, GradientFigures]
    total: GradientFigures
    histograms: dict[str, Histogram]
    weighted: dict[str, Histogram]
    magnitudes: dict[str, Histogram]


def _blocks(pinn: PINN, matrix: Matrix, weights: Float[Tensor, " terms"]) -> list[_Block]:
    """The whole network first, then each layer: pooled, weight, bias (the parts that it has)."""
    columns = dict(zip(pinn.parameters, matrix.split(_parameters.sizes(pinn.tensors), dim=1), strict=True))
    blocks = [_Block.of(("", "all"), matrix, weights)]
    for layer, members in pinn.layers.items():
        parts = {
            "all": members,
            "weight": [name for name in members if pinn.parameters[name].ndim >= 2],
            "bias": [name for name in members if pinn.parameters[name].ndim < 2],
        }
        for part, chosen in parts.items():
            if chosen:
                blocks.append(_Block.of((layer, part), torch.cat([columns[n] for n in chosen], dim=1), weights))
    return blocks


def _read(names: Sequence[str], block: _Block, pages: Sequence[list[list[float]]]) -> _Part:
    rows, plain, weighted, magnitudes = pages
    *terms, total = (_figures(row) for row in rows)
    return _Part(
        block.entries,
        dict(zip(names, terms, strict=True)),
        total,
        *(dict(zip(names, map(_statistics.to_histogram, page), strict=True)) for page in (plain, weighted, magnitudes)),
    )


def _figures(row: Sequence[float]) -> GradientFigures:
    known = dict(zip(_statistics.FIGURES, row, strict=True))
    nonfinite = int(known.pop("nonfinite"))
    return GradientFigures(**{f"grad_{name}": value for name, value in known.items()}, nonfinite=nonfinite)


def _apart(parts: Mapping[tuple[str, str], _Part], layer: str, part: str) -> dict[str, GradientFigures] | None:
    return parts[layer, part].terms if (layer, part) in parts else None


def _alignment(directions: Matrix) -> Float[Tensor, "1 1"]:
    known = directions.isfinite().all(1, keepdim=True)
    mean = torch.where(known, directions, 0.0).sum(0) / known.sum()
    return (2 * mean.square().sum() - 1).reshape(1, 1)


def _clipped(cosine: float) -> float:
    """A cosine without the last bit of rounding; NaN stays NaN (it compares false)."""
    return 1.0 if cosine > 1 else -1.0 if cosine < -1 else cosine
