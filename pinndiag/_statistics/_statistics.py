"""Figures of vectors: norms, moments, quantiles, histograms. Pure arithmetic in float64 on the vectors' own device.

Everything works on the rows of a matrix at once and gives a small tensor, without waiting for the device; `fetch`
brings many such tensors over in one transfer. NaN and infinities are counted, never raised: moments of a row that
holds one are NaN or infinite, quantiles and histograms are those of its finite entries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pinndiag._records import Histogram

__all__ = [
    "BINS",
    "FIGURES",
    "fetch",
    "figures_of",
    "histogram",
    "linear_span",
    "log_magnitude_histogram",
    "log_magnitude_span",
    "moments",
    "norms",
    "quantiles",
    "quotient",
    "to_histogram",
]

BINS = 100
FIGURES = ("l2", "l1", "max", "mean", "std", "kurtosis", "nonfinite")

Rows = Float[Tensor, "rows n"]
Column = Float[Tensor, " rows"]
Span = Float[Tensor, "edges=2"]


def moments(rows: Rows, *, narrow: bool = False) -> Float[Tensor, "rows moments"]:
    """What `figures_of` needs of each row g of n entries, in few operations.

    The columns: n; the smallest and the largest entry; a scale s, by whose powers the others are divided; mean |g| / s,
    m = mean g / s, mean (g / s - m)^2, mean (g / s - m)^4; the number of entries that are NaN or infinite. Of float64
    rows s is a power of two, so that neither 1e-200 nor 1e200 leaves the range.

    Args:
        rows: the vectors.
        narrow: the rows were in a narrower type than float64 before, whose fourth powers stay far inside it.

    Cost: a few passes over the rows, memory of about two copies in float64.
    """
    values = rows.detach().double()
    low, high = values.amin(1), values.amax(1)
    if rows.dtype == torch.float64 and not narrow:
        scale = _scale(torch.maximum(-low, high))
        values = values / scale[:, None]
    else:
        scale = torch.ones_like(low)
    magnitude = values.abs().mean(1)
    mean = values.mean(1, keepdim=True)
    squared = (values - mean).square_()
    second = squared.mean(1)
    fourth = squared.square_().mean(1)
    entries = torch.full_like(low, values.shape[1])
    nonfinite = _nonfinite(values, magnitude)
    return torch.stack([entries, low, high, scale, magnitude, mean[:, 0], second, fourth, nonfinite], dim=1)


def figures_of(row: Sequence[float]) -> list[float]:
    """The figures `FIGURES` of a row g of n entries, from a row of `moments`.

    l2 = sqrt(sum g^2), l1 = sum |g|, max |g|, mean |g|, std = sqrt(mean (g - mean g)^2) (divided by n), kurtosis =
    mean (g - mean g)^4 / std^4 (3 for a normal distribution, NaN for a constant row), and the number of entries that
    are NaN or infinite.

    >>> import torch
    >>> figures_of(moments(torch.tensor([[3.0, -4.0, 0.0, 1.0]])).tolist()[0])[:4]  # l2 = sqrt(26)
    [5.0990195135927845, 8.0, 4.0, 2.0]
    """
    entries, low, high, scale, magnitude, mean, second, fourth, nonfinite = row
    largest = low if math.isnan(low) else max(-low, high)
    length = math.sqrt(entries * (second + mean * mean)) * scale
    constant = low == high
    return [
        largest if largest == math.inf else length,  # the mean of such a row is no number
        entries * magnitude * scale,
        largest,
        magnitude * scale,
        0.0 if constant else math.sqrt(second) * scale,
        math.nan if constant else quotient(fourth, second * second),
        nonfinite,
    ]


def _nonfinite(values: Rows, magnitude: Column) -> Column:
    """How many entries are NaN or infinite. Where it costs no waiting, they are only counted if there are any."""
    if magnitude.device.type == "cpu" and math.isfinite(magnitude.sum()):
        return torch.zeros_like(magnitude)
    return (~values.isfinite()).sum(1).double()


def norms(rows: Rows) -> Column:
    """l2 norm of each row in float64, right for entries of any size that float64 can hold.

    >>> import torch
    >>> (norms(torch.tensor([[3.0, -4.0], [0.0, 0.0]]).double() * 2.0**700) / 2.0**700).tolist()
    [5.0, 0.0]
    """
    values = rows.detach().double()
    scale = _scale(values.abs().amax(1))
    return (values / scale[:, None]).square().sum(1).sqrt() * scale


def quantiles(rows: Rows, q: float, keep: Bool[Tensor, "rows n"] | None = None) -> Column:
    """Quantile q of the finite entries of each row, linearly interpolated; NaN for a row without any.

    Unlike `torch.quantile` it has no limit of 16 million entries, and one row's NaN does not reach another.

    Args:
        rows: the values.
        q: between 0 and 1.
        keep: the entries that count (finite ones only, in any case).

    >>> import torch
    >>> quantiles(torch.tensor([[4.0, 0.0, 1.0, 3.0, torch.nan]]), 0.5).tolist()
    [2.0]
    """
    values = rows.detach().double()
    counted = values.isfinite() if keep is None else values.isfinite() & keep
    entries = values.shape[1]
    count = counted.sum(1)
    last = (count - 1).clamp(min=0)
    position = q * last.double()
    below = position.floor().long()
    above = torch.minimum(below + 1, last)
    # only the end of the order that holds the quantile is sorted: a row with fewer counted entries needs fewer of them
    upper = q >= 0.5
    length = entries - math.floor(q * (entries - 1)) if upper else min(math.floor(q * (entries - 1)) + 2, entries)
    end = values.masked_fill(~counted, -math.inf if upper else math.inf).topk(length, dim=1, largest=upper).values
    places = [(last - index if upper else index).clamp(max=length - 1) for index in (below, above)]
    low, high = (end.gather(1, place[:, None])[:, 0] for place in places)
    value = low + (position - below) * (high - low)
    return torch.where(count > 0, value, math.nan)


def linear_span(rows: Rows, q: float = 0.999) -> Span:
    """Edges +-s of a histogram that the rows share: s is the largest quantile q of |g| of any row.

    Where that quantile is zero (nearly all entries are), s is the largest |g|; where that is zero too, s = 1.

    >>> import torch
    >>> linear_span(torch.tensor([[0.0, 1.0], [-3.0, 3.0]])).tolist()
    [-3.0, 3.0]
    """
    magnitude = rows.detach().double().abs()
    span = _finite(quantiles(magnitude, q)).amax()
    span = torch.where(span > 0, span, _finite(magnitude).amax())
    span = torch.where(span > 0, span, torch.ones_like(span))
    return torch.stack([-span, span])


def log_magnitude_span(rows: Rows, q: float = 0.001) -> Span:
    """Edges of a histogram of log10 |g| that the rows share: log10 of the smallest quantile q of |g| of any row, and of
    the largest |g| of any.

    Zeros and non-finite entries do not count. A single magnitude gets half a decade on either side; without any
    magnitude the edges are -1 and 0.

    >>> import torch
    >>> log_magnitude_span(torch.tensor([[0.0, 10.0], [0.0, -10.0]])).tolist()
    [0.5, 1.5]
    """
    magnitude = rows.detach().double().abs()
    low = quantiles(magnitude, q, magnitude > 0).log10()
    high = _finite(magnitude).amax().log10()
    known = high.isfinite()
    low = torch.where(low.isnan(), math.inf, low).amin()
    margin = torch.where(high > low, 0.0, 0.5)
    return torch.stack([torch.where(known, low - margin, -1.0), torch.where(known, high + margin, 0.0)])


def histogram(rows: Rows, span: Span, bins: int = BINS) -> Float[Tensor, "rows cells"]:
    """Counts of each row's entries in equal bins between the edges `span`, for `to_histogram`.

    A bin holds its left edge; the last one also its right edge. The cells of a row are: the two edges, the entries
    left of them, one count a bin, the entries right of them, zeros counted apart (none here), non-finite entries.

    >>> import torch
    >>> span = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    >>> histogram(torch.tensor([[-1.0, 0.0, 1.0, 5.0, torch.nan]]), span, bins=2).tolist()
    [[-1.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 1.0]]
    """
    values = rows.detach().double()
    return _count(values, values.isfinite(), torch.zeros_like(values[:, 0]), span, bins)


def log_magnitude_histogram(rows: Rows, span: Span, bins: int = BINS) -> Float[Tensor, "rows cells"]:
    """`histogram` of log10 |g|; exact zeros are counted in their own cell.

    >>> import torch
    >>> span = torch.tensor([0.0, 2.0], dtype=torch.float64)
    >>> log_magnitude_histogram(torch.tensor([[1.0, -10.0, 0.0, 1e-9]]), span, bins=2).tolist()
    [[0.0, 2.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0]]
    """
    values = rows.detach().double()
    zero = values == 0
    return _count(values.abs().log10(), values.isfinite() & ~zero, zero.sum(1).double(), span, bins)


def quotient(a: float, b: float) -> float:
    """What floating-point arithmetic makes of a / b: x / 0 is infinite, 0 / 0 is NaN.

    >>> quotient(1.0, 4.0), quotient(1.0, 0.0), quotient(0.0, 0.0)
    (0.25, inf, nan)
    """
    if b != 0:
        return a / b
    return math.copysign(math.inf, a) if a else math.nan


def to_histogram(cells: Sequence[float]) -> Histogram:
    """The record of one row of `histogram` or `log_magnitude_histogram`."""
    low, high, below, *counts, above, zeros, nonfinite = cells
    return Histogram(
        low=low,
        high=high,
        counts=[int(count) for count in counts],
        below=int(below),
        above=int(above),
        zeros=int(zeros),
        nonfinite=int(nonfinite),
    )


def fetch(tables: Sequence[Float[Tensor, "_ _"]]) -> list[list[list[float]]]:
    """Bring tables (matrices of float64 on one device) to the CPU as nested lists, in one transfer.

    >>> import torch
    >>> fetch([torch.ones(1, 2, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64)])
    [[[1.0, 1.0]], [[0.0], [0.0]]]
    """
    if all(table.device.type == "cpu" for table in tables):
        return [table.tolist() for table in tables]
    flat = torch.cat([table.reshape(-1) for table in tables]).cpu()
    pieces = flat.split([table.numel() for table in tables])
    return [piece.reshape(table.shape).tolist() for piece, table in zip(pieces, tables, strict=True)]


def _count(
    values: Rows, counted: Bool[Tensor, "rows n"], zeros: Column, span: Span, bins: int
) -> Float[Tensor, "rows cells"]:
    fractions = torch.linspace(0, 1, bins + 1, dtype=values.dtype, device=values.device)
    edges = span[0] * (1 - fractions) + span[1] * fractions
    # cell 0 is left of the edges, 1 to bins are the bins, bins + 1 is right of them, bins + 2 takes what is not counted
    cell = torch.bucketize(values, edges, right=True)
    cell = torch.where(values == edges[-1], bins, cell).masked_fill(~counted, bins + 2)
    counts = torch.zeros(len(values), bins + 3, dtype=values.dtype, device=values.device)
    counts.scatter_add_(1, cell, torch.ones_like(values))
    nonfinite = counts[:, -1] - zeros
    sides = span.double().expand(len(values), 2)
    return torch.cat([sides, counts[:, :-1], zeros[:, None], nonfinite[:, None]], dim=1)


def _scale(largest: Column) -> Column:
    """The power of two next below `largest`: to divide by it rounds nothing. 1 where there is none."""
    usable = largest.isfinite() & (largest > 0)
    exponent = torch.where(usable, largest, 1.0).frexp().exponent - 1
    return torch.ldexp(torch.ones_like(largest), exponent)


def _finite(values: Tensor) -> Tensor:
    return torch.where(values.isfinite(), values, torch.zeros_like(values))
