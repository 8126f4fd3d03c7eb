"""Figures of vectors against numpy's, at all scales, with NaN and infinities among them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pinndiag._statistics import _statistics
from pinndiag._statistics._statistics import (
    FIGURES,
    fetch,
    figures_of,
    histogram,
    linear_span,
    moments,
    norms,
    quantiles,
    to_histogram,
)

VALUES = arrays.arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e3, 1e3, width=32))


def rows_of(*vectors: object) -> torch.Tensor:
    return torch.stack([torch.as_tensor(v, dtype=torch.float64) for v in vectors])


def by_name(row: torch.Tensor) -> dict[str, float]:
    return dict(zip(FIGURES, figures_of(row.tolist()), strict=True))


@given(VALUES)
@settings(max_examples=60, deadline=None)
def test_figures_are_the_formulas(g: np.ndarray) -> None:
    found = by_name(moments(rows_of(g))[0])
    deviation = g - g.mean()
    assert found["l2"] == pytest.approx(math.sqrt(sum(float(x) ** 2 for x in g)), rel=1e-13)
    assert found["l1"] == pytest.approx(np.abs(g).sum(), rel=1e-13)
    assert found["max"] == np.abs(g).max()
    assert found["mean"] == pytest.approx(np.abs(g).mean(), rel=1e-13)
    assert found["std"] == pytest.approx(g.std(), rel=1e-9, abs=1e-13 * np.abs(g).max())
    assert found["nonfinite"] == 0
    if np.ptp(g) == 0:
        assert math.isnan(found["kurtosis"])
        assert found["std"] == 0
    elif g.std() > 1e-3 * np.abs(g).max():
        assert found["kurtosis"] == pytest.approx((deviation**4).mean() / (deviation**2).mean() ** 2, rel=1e-8)


def test_the_kurtosis_of_a_normal_distribution_is_three() -> None:
    g = torch.randn(1, 400_000, generator=torch.Generator().manual_seed(1))
    assert by_name(moments(g)[0])["kurtosis"] == pytest.approx(3, abs=0.05)


@pytest.mark.parametrize("exponent", [-1060, -600, -60, 0, 60, 600, 1018])
def test_figures_scale_with_the_vector_over_the_whole_range_of_float64(exponent: int) -> None:
    g = torch.tensor([[3.0, -1.0, 0.5, 0.0, 2.0]], dtype=torch.float64)
    plain, scaled = (by_name(moments(v)[0]) for v in (g, torch.ldexp(g, torch.tensor(exponent))))
    for name in ("l2", "l1", "max", "mean", "std"):
        # below the normal numbers float64 itself has a resolution of 5e-324 only
        assert scaled[name] == pytest.approx(math.ldexp(plain[name], exponent), rel=1e-14, abs=2e-323)
    assert scaled["kurtosis"] == pytest.approx(plain["kurtosis"], rel=1e-14)
    assert float(norms(torch.ldexp(g, torch.tensor(exponent)))) == scaled["l2"]


def test_single_precision_is_summed_in_double() -> None:
    g = torch.full((1, 1_000_000), 0.1, dtype=torch.float32)
    found = by_name(moments(g)[0])
    assert found["l1"] == pytest.approx(1e6 * float(np.float32(0.1)), rel=1e-13)
    assert math.isnan(found["kurtosis"])


def test_non_finite_entries_are_counted_and_stay_in_their_own_row() -> None:
    rows = rows_of([1.0, math.nan, math.inf, 2.0], [3.0, 4.0, 0.0, 0.0], [math.inf, 1.0, -1e300, 0.0])
    bad, good, infinite = (by_name(row) for row in moments(rows))
    assert bad["nonfinite"] == 2
    assert math.isnan(bad["l2"])
    assert good == by_name(moments(rows[1:2])[0])
    assert good["l2"] == 5
    assert infinite["nonfinite"] == 1
    assert infinite["l2"] == infinite["max"] == infinite["l1"] == math.inf


@given(VALUES, st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_quantiles_are_numpys_and_pass_over_what_is_not_finite(g: np.ndarray, q: float) -> None:
    spoiled = np.concatenate([[np.nan, np.inf, -np.inf], g])
    clean = np.concatenate([g, g[:3], np.resize(g, 3)])[: len(spoiled)]
    found = quantiles(rows_of(spoiled, clean), q)
    assert float(found[0]) == pytest.approx(np.quantile(g, q), rel=1e-12, abs=1e-12)
    assert float(found[1]) == pytest.approx(np.quantile(clean, q), rel=1e-12, abs=1e-12)


def test_a_row_without_finite_entries_has_no_quantile() -> None:
    found = quantiles(rows_of([math.nan, math.inf], [1.0, 3.0]), 0.5)
    assert math.isnan(float(found[0]))
    assert float(found[1]) == 2


@given(VALUES)
@settings(max_examples=60, deadline=None)
def test_a_histogram_is_numpys_over_the_common_span(g: np.ndarray) -> None:
    rows = rows_of(g, 0.1 * g[::-1].copy())
    span = linear_span(rows)
    top = max(np.quantile(np.abs(row), 0.999) for row in rows.numpy())
    edge = top or np.abs(g).max() or 1.0
    assert span.tolist() == pytest.approx([-edge, edge], rel=1e-12)
    low, high = span.tolist()
    for row, cells in zip(rows.numpy(), histogram(rows, span).tolist(), strict=True):
        found = to_histogram(cells)
        edges = low * (1 - np.linspace(0, 1, 101)) + high * np.linspace(0, 1, 101)
        assert found.counts == np.histogram(row, bins=edges)[0].tolist()
        assert (found.below, found.above) == ((row < low).sum(), (row > high).sum())
        assert sum(found.counts) + found.below + found.above == len(row)


def test_outliers_and_non_finite_entries_lie_outside_the_bins() -> None:
    g = torch.cat([torch.linspace(-1, 1, 20_001), torch.tensor([50.0, -70.0, math.nan, math.inf])])
    found = to_histogram(histogram(g[None], linear_span(g[None]))[0].tolist())
    assert found.high < 1.01
    assert (found.low, found.nonfinite, found.zeros) == (-found.high, 2, 0)
    assert found.above >= 1
    assert found.below >= 1
    assert sum(found.counts) + found.above + found.below + found.nonfinite == g.numel()


@pytest.mark.parametrize(
    ("g", "edge"),
    [([0.0] * 2000 + [5.0], 5.0), ([0.0, 0.0], 1.0), ([math.nan, math.nan], 1.0), ([1e-320, 0.0, -1e-320], 1e-320)],
)
def test_a_span_is_never_empty(g: list[float], edge: float) -> None:
    span = linear_span(rows_of(g))
    assert float(span[1]) == pytest.approx(edge, rel=2e-3)
    found = to_histogram(histogram(rows_of(g), span)[0].tolist())
    assert sum(found.counts) + found.nonfinite + found.below + found.above == len(g)


def test_logarithms_of_magnitudes_count_zeros_apart_and_share_their_bins() -> None:
    rng = np.random.default_rng(5)
    first = 10 ** rng.uniform(-6, -2, 5000) * rng.choice([-1, 1], 5000)
    second = np.where(rng.random(5000) < 0.3, 0.0, 1e3 * first)
    second[:2] = np.nan, np.inf
    rows = rows_of(first, second)
    span = _statistics.log_magnitude_span(rows)
    nonzero = second[2:][second[2:] != 0]
    assert float(span[0]) == pytest.approx(np.log10(np.quantile(np.abs(first), 0.001)), rel=1e-12)
    assert float(span[1]) == pytest.approx(np.log10(np.abs(nonzero).max()), rel=1e-12)
    one, two = (to_histogram(c) for c in _statistics.log_magnitude_histogram(rows, span).tolist())
    edges = np.linspace(*span.tolist(), 101)
    assert sum(one.counts) + one.below == 5000
    assert one.below == (np.log10(np.abs(first)) < one.low).sum() > 0
    assert np.abs(np.array(two.counts) - np.histogram(np.log10(np.abs(nonzero)), bins=edges)[0]).sum() <= 2
    assert (two.zeros, two.nonfinite) == ((second == 0).sum(), 2)
    assert (one.low, one.high) == (two.low, two.high)


def test_logarithms_without_any_magnitude_have_an_empty_axis() -> None:
    rows = rows_of([0.0, 0.0, math.nan])
    span = _statistics.log_magnitude_span(rows)
    found = to_histogram(_statistics.log_magnitude_histogram(rows, span)[0].tolist())
    assert (found.low, found.high, sum(found.counts), found.zeros, found.nonfinite) == (-1, 0, 0, 2, 1)


def test_tables_come_back_in_their_shapes() -> None:
    tables = [torch.arange(6.0).reshape(2, 3), torch.ones(1, 1), torch.zeros(0, 4)]
    assert fetch(tables) == [[[0, 1, 2], [3, 4, 5]], [[1]], []]
