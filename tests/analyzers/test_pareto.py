"""The smallest norm in a convex hull, against an enumeration of its faces in exact rational arithmetic."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

import pinndiag
from pinndiag import PINN
from pinndiag.analyzers._gradients import gradients
from pinndiag.analyzers._pareto import STALLED, pareto, smallest_in_hull
from tests.cases import CASES


def solved(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction] | None:
    """Gauss and Jordan; None for a singular matrix."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(len(rows)):
        pivot = next((k for k in range(i, len(rows)) if rows[k][i] != 0), None)
        if pivot is None:
            return None
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for k, row in enumerate(rows):
            if k != i:
                rows[k] = [x - row[i] * y for x, y in zip(row, rows[i], strict=True)]
    return [row[-1] for row in rows]


def exact(vectors: np.ndarray) -> float:
    """The smallest norm in the hull: the best of all faces whose own nearest point lies inside them."""
    entries = [[Fraction(float(x)) for x in v] for v in vectors]
    gram = [[sum((a * b for a, b in zip(u, v, strict=True)), Fraction(0)) for v in entries] for u in entries]
    best: Fraction | None = None
    for size in range(1, len(vectors) + 1):
        for face in itertools.combinations(range(len(vectors)), size):
            border = [Fraction(1)] * size
            matrix = [[gram[i][j] for j in face] + [Fraction(1)] for i in face] + [[*border, Fraction(0)]]
            found = solved(matrix, [Fraction(0)] * size + [Fraction(1)])
            if found is not None and min(a := found[:-1]) >= 0:
                pairs = itertools.product(range(size), repeat=2)
                square = sum((a[p] * a[q] * gram[face[p]][face[q]] for p, q in pairs), Fraction(0))
                best = square if best is None else min(best, square)
    assert best is not None
    exponent = (best.numerator.bit_length() - best.denominator.bit_length()) // 2
    return math.ldexp(math.sqrt(float(best / Fraction(4) ** exponent)), exponent)


@pytest.mark.parametrize("spread", [0, 3, 15])
@pytest.mark.parametrize("kind", ["any", "one side", "opposed", "repeated", "flat"])
def test_the_hull_against_exact_arithmetic(kind: str, spread: int) -> None:
    rng = np.random.default_rng([spread, len(kind)])
    for _ in range(12):
        terms, size = int(rng.integers(2, 5)), int(rng.integers(1, 7))
        vectors = rng.standard_normal((terms, size))
        if kind == "one side":
            vectors += 2 * rng.standard_normal(size)
        if kind == "opposed":
            vectors[-1] = -vectors[0]
        if kind == "repeated":
            vectors[-1] = vectors[0]
        if kind == "flat":
            vectors = vectors[:, :1] * rng.standard_normal(size)
        vectors *= 10.0 ** rng.uniform(-spread, spread, (terms, 1))
        norm, lengths, shares = smallest_in_hull(torch.tensor(vectors))
        assert lengths == pytest.approx(np.linalg.norm(vectors, axis=1), rel=1e-13)
        # opposed vectors cancel to their own rounding, whatever the shortest of the others is
        near = 1e-15 * lengths.sum() if kind == "opposed" else 1e-9 * lengths.min()
        assert norm == pytest.approx(exact(vectors), rel=1e-9, abs=near)
        assert shares.min() >= 0
        assert shares.sum() == pytest.approx(1)
        if spread == 0:
            assert np.linalg.norm(shares @ vectors) == pytest.approx(norm, abs=1e-13)


def test_many_terms_end_without_a_gap() -> None:
    rng = np.random.default_rng(2)
    for trial in range(30):
        vectors = rng.standard_normal((25, 60)) + (trial % 3) * rng.standard_normal(60)
        vectors[5:10] = vectors[:5]
        norm, _, shares = smallest_in_hull(torch.tensor(vectors))
        nearest = shares @ vectors
        # the nearest point p of a convex set is the one with v.p >= p.p for all its members
        assert (vectors @ nearest).min() >= norm**2 * (1 - 1e-9)


def constant(*vectors: list[float], weights: dict[str, float] | None = None) -> PINN:
    """Terms "0", "1", ... with the given gradients."""
    k = torch.zeros(len(vectors[0]), dtype=torch.float64, requires_grad=True)
    terms = {str(i): (lambda v=v: (k * torch.tensor(v, dtype=torch.float64)).sum()) for i, v in enumerate(vectors)}
    return pinndiag.wrap(lambda p, x: x, terms, parameters={"k": k}, weights=weights)


def test_two_terms_in_closed_form() -> None:
    a, b = np.array([3.0, 1.0, 0.0]), np.array([-1.0, 2.0, 0.5])
    t = (b - a) @ b / ((a - b) @ (a - b))
    found = pareto(constant(a.tolist(), b.tolist()))
    assert found.multipliers == pytest.approx({"0": t, "1": 1 - t}, rel=1e-13)
    assert found.smallest_norm == pytest.approx(np.linalg.norm(t * a + (1 - t) * b), rel=1e-13)
    assert found.ratio == pytest.approx(found.smallest_norm / (np.linalg.norm(a) + np.linalg.norm(b)), rel=1e-13)
    assert not found.stalled


def test_the_shorter_of_two_alike_is_the_nearest() -> None:
    found = pareto(constant([1.0, 0.0], [5.0, 1.0]))
    assert found.smallest_norm == pytest.approx(1)
    assert found.multipliers == pytest.approx({"0": 1.0, "1": 0.0})


def test_weights_are_part_of_the_hull() -> None:
    plain = pareto(constant([6.0, 0.0], [0.0, 2.0]))
    weighted = pareto(constant([3.0, 0.0], [0.0, 4.0], weights={"0": 2.0, "1": 0.5}))
    assert weighted == plain


def test_opposed_terms_are_stalled() -> None:
    found = pareto(constant([1.0, 0.02], [-2.0, 0.03]))
    assert found.ratio < STALLED
    assert found.stalled
    exactly = pareto(constant([1.0, 2.0], [-2.0, -4.0]))
    assert exactly.smallest_norm == pytest.approx(0, abs=1e-15)
    assert exactly.stalled
    assert exactly.multipliers == pytest.approx({"0": 2 / 3, "1": 1 / 3})


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15, 1e-160, 1e150])
def test_a_common_scale_changes_nothing_but_the_norm(scale: float) -> None:
    vectors = [[3.0, 1.0, 0.0], [-1.0, 2.0, 0.5], [0.1, 0.2, -1.0]]
    plain = pareto(constant(*vectors))
    found = pareto(constant(*((scale * np.array(v)).tolist() for v in vectors)))
    assert found.smallest_norm == pytest.approx(scale * plain.smallest_norm, rel=1e-12)
    assert found.ratio == pytest.approx(plain.ratio, rel=1e-12)
    assert found.multipliers == pytest.approx(plain.multipliers, rel=1e-12)


def test_the_order_of_the_terms_does_not_matter() -> None:
    vectors = [[3.0, 1.0, 0.0], [-1.0, 2.0, 0.5], [0.1, 0.2, -1.0]]
    plain, turned = pareto(constant(*vectors)), pareto(constant(*vectors[::-1]))
    assert turned.smallest_norm == pytest.approx(plain.smallest_norm)
    assert list(turned.multipliers.values())[::-1] == pytest.approx(list(plain.multipliers.values()))


def test_a_term_without_gradient_puts_zero_into_the_hull() -> None:
    found = pareto(constant([0.0, 0.0], [1.0, 1.0]))
    assert (found.smallest_norm, found.ratio, found.stalled) == (0, 0, True)
    assert found.multipliers == {"0": 1, "1": 0}


def test_a_term_of_weight_zero_is_not_trained_and_does_not_count() -> None:
    found = pareto(constant([0.5, 9.0], [1.0, 1.0], weights={"0": 0.0}))
    assert found.smallest_norm == pytest.approx(math.sqrt(2))
    assert found.multipliers == pytest.approx({"0": 0.0, "1": 1.0})
    nothing = pareto(constant([0.5, 9.0], weights={"0": 0.0}))
    assert math.isnan(nothing.ratio)
    assert not nothing.stalled


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_spoiled_gradient_gives_no_number(bad: float) -> None:
    found = pareto(constant([bad, 0.0], [1.0, 1.0]))
    assert math.isnan(found.smallest_norm)
    assert math.isnan(found.ratio)
    assert math.isnan(found.multipliers["1"])
    assert not found.stalled


def test_all_gradients_zero() -> None:
    found = pareto(constant([0.0, 0.0], [0.0, 0.0]))
    assert found.smallest_norm == 0
    assert math.isnan(found.ratio)
    assert not found.stalled


@pytest.mark.parametrize("name", CASES)
def test_no_point_of_the_hull_that_is_tried_is_nearer(name: str) -> None:
    pinn = CASES[name]()
    found = pareto(pinn)
    measured = gradients(pinn)
    sizes = [pinn.weights[n] * measured.terms[n].grad_l2 for n in pinn.names]
    assert found.smallest_norm <= min(sizes) * (1 + 1e-6)
    assert found.ratio == pytest.approx(found.smallest_norm / sum(sizes), rel=1e-6)
    # the mean of all w_i g_i is one point of the hull: the cancellation divided by the number of terms
    assert found.ratio <= measured.cancellation / len(sizes) * (1 + 1e-6)
