"""Lanczos against LAPACK and ARPACK, on spectra with known answers and on the cases that break cheaper methods."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from pinndiag import PinndiagError
from pinndiag.linalg import Dense, LanczosResult, Scaled, SymmetricOperator, WeightedSum, basis_limit, lanczos


def rotated(eigenvalues: Tensor, seed: int = 0) -> Tensor:
    """A dense symmetric matrix with these eigenvalues."""
    generator = torch.Generator().manual_seed(seed)
    n = len(eigenvalues)
    q = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]
    matrix = q @ torch.diag(eigenvalues.double()) @ q.T
    return (matrix + matrix.T) / 2


def gaussian(n: int, seed: int = 1) -> Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def power_iteration(operator: SymmetricOperator, seed: int, steps: int = 100, tolerance: float = 1e-3) -> float:
    """The customary rule: stop when two successive Rayleigh quotients agree to `tolerance`."""
    v = gaussian(operator.size, seed)
    before = math.inf
    for _ in range(steps):
        v = v / v.norm()
        image = operator(v)
        value = float(v @ image)
        if abs(value - before) <= tolerance * abs(value):
            return value
        before, v = value, image
    return value


SPECTRA = {
    "wishart": torch.linalg.eigvalsh((lambda a: a @ a.T / 80)(torch.randn(60, 80, generator=torch.manual_seed(0)))),
    "symmetric": torch.cat([torch.linspace(-1, 1, 58), torch.tensor([29.21, -29.62])]),
    "mostly negative": torch.cat([-torch.logspace(-3, 3, 50), torch.tensor([0.5, 2.0])]),
    "near-degenerate top": torch.cat([torch.linspace(0, 1, 60), torch.tensor([5.0, 5.0 + 1e-6])]),
    "a million to one": torch.cat([torch.tensor([1.3e6, -33.0]), torch.linspace(-20, 180, 60)]),
    "low rank": torch.cat([torch.tensor([3.0, 2.0, -1.0]), torch.zeros(57)]),
    "all negative": -torch.linspace(1, 10, 40),
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("seed", range(3))
def test_ends_equal_lapack(name: str, seed: int) -> None:
    matrix = rotated(SPECTRA[name], seed)
    true = np.linalg.eigvalsh(matrix.numpy())
    found = lanczos(Dense(matrix), gaussian(len(matrix), seed), tolerance=1e-3)
    assert found.largest.converged
    assert found.largest.residual <= 1e-3 * abs(found.largest.value)
    for pair, end in ((found.largest, true[-1]), (found.smallest, true[0])):
        # the residual is that of the pair, and an eigenvalue lies within it
        image = matrix @ pair.vector
        exact = float((image - pair.value * pair.vector).norm())
        assert exact == pytest.approx(pair.residual, rel=1e-6, abs=1e-11 * abs(true).max())
        assert np.abs(true - pair.value).min() <= pair.residual
        assert float(pair.vector.norm()) == pytest.approx(1, abs=1e-12)
        assert true[0] - 1e-9 * abs(true[0]) <= pair.value <= true[-1] + 1e-9 * abs(true[-1])
        if pair.converged:
            assert pair.value == pytest.approx(end, rel=1e-4)


@pytest.mark.parametrize("name", SPECTRA)
def test_tight_tolerance_equals_arpack(name: str) -> None:
    matrix = rotated(SPECTRA[name])
    found = lanczos(Dense(matrix), gaussian(len(matrix)), tolerance=1e-9, max_steps=len(matrix))
    operator = LinearOperator(matrix.shape, matvec=lambda v: matrix.numpy() @ v, dtype=np.float64)
    largest = eigsh(operator, k=1, which="LA", v0=np.ones(len(matrix)), return_eigenvectors=False)[0]
    assert found.largest.value == pytest.approx(largest, rel=1e-10)
    assert found.largest.converged


def test_right_where_power_iteration_is_wrong() -> None:
    """lambda_max = 29.21 beside lambda_min = -29.62: two successive values agree long before either end is found."""
    operator = Dense(rotated(SPECTRA["symmetric"]))
    powers = [power_iteration(operator, seed) for seed in range(10)]
    wrong = [value for value in powers if abs(value - 29.21) > 0.05 * 29.21]
    assert len(wrong) >= 5
    assert min(wrong) < 0
    for seed in range(10):
        found = lanczos(operator, gaussian(operator.size, seed))
        assert found.largest.value == pytest.approx(29.21, rel=1e-5)
        assert found.smallest.value == pytest.approx(-29.62, rel=1e-2)
        assert found.products <= 12


def test_single_precision_products_are_reported_with_their_noise() -> None:
    eigenvalues = SPECTRA["a million to one"]
    matrix = rotated(eigenvalues)
    found = lanczos(Dense(matrix.float()), gaussian(len(matrix)).float(), max_steps=40, tolerance=1e-9)
    assert found.largest.value == pytest.approx(1.3e6, rel=1e-6)
    assert abs(found.smallest.value + 33.0) <= found.smallest.residual
    # rounding of 1.3e6 in float32 is 0.15: no residual may claim more
    assert found.largest.residual >= torch.finfo(torch.float32).eps * 1.3e6
    assert not found.largest.converged


def test_the_residual_of_an_operator_that_is_not_symmetric_stays_honest() -> None:
    skew = torch.zeros(30, 30, dtype=torch.float64)
    skew[3, 20] = 0.5
    matrix = rotated(torch.linspace(-1, 4, 30)) + skew
    found = lanczos(Dense(matrix), gaussian(30), tolerance=1e-8)
    pair = found.largest
    assert pair.residual >= 0.9 * float((matrix @ pair.vector - pair.value * pair.vector).norm())
    assert not pair.converged


def test_the_coefficients_are_those_of_the_tridiagonal_matrix() -> None:
    matrix = rotated(SPECTRA["near-degenerate top"])
    found = lanczos(Dense(matrix), gaussian(len(matrix)), tolerance=1e-6)
    off = torch.tensor(found.off_diagonal[:-1], dtype=torch.float64)
    t = torch.diag(torch.tensor(found.diagonal, dtype=torch.float64)) + torch.diag(off, 1) + torch.diag(off, -1)
    values = torch.linalg.eigvalsh(t)
    assert len(found.diagonal) == len(found.off_diagonal) == found.products
    assert float(values[-1]) == pytest.approx(found.largest.value, rel=1e-12)
    assert float(values[0]) == pytest.approx(found.smallest.value, rel=1e-12, abs=1e-12)


def test_from_an_eigenvector_one_product_is_enough() -> None:
    matrix = rotated(torch.linspace(0, 5, 30))
    top = lanczos(Dense(matrix), gaussian(30), tolerance=1e-10).largest
    again = lanczos(Dense(matrix), 7.0 * top.vector)
    assert again.products == 1
    assert again.largest.value == pytest.approx(5.0, rel=1e-12)


def test_warm_start_saves_products() -> None:
    before, after = (rotated(torch.cat([torch.linspace(-1, 1, 70), torch.tensor([top])])) for top in (3.0, 3.1))
    cold = lanczos(Dense(after), gaussian(71))
    warm = lanczos(Dense(after), lanczos(Dense(before), gaussian(71)).largest.vector)
    assert warm.products < cold.products / 2
    assert warm.largest.value == pytest.approx(3.1, rel=1e-4)


def test_an_invariant_subspace_ends_the_process() -> None:
    found = lanczos(Dense(rotated(SPECTRA["low rank"])), gaussian(60), tolerance=0.0)
    assert found.stopped == "invariant subspace"
    assert found.products <= 5
    assert (found.largest.value, found.smallest.value) == pytest.approx((3.0, -1.0), rel=1e-9)


def test_a_start_inside_a_smaller_invariant_subspace_gives_an_eigenvalue_but_not_the_largest() -> None:
    """What the residual does not prove, as documented."""
    matrix = torch.diag(torch.tensor([1.0, 2.0, 9.0], dtype=torch.float64))
    found = lanczos(Dense(matrix), torch.tensor([1.0, 1.0, 0.0]))
    assert found.largest.value == pytest.approx(2.0)
    assert found.largest.converged


@pytest.mark.parametrize("n", [1, 2, 5])
def test_zero_operator(n: int) -> None:
    found = lanczos(Dense(torch.zeros(n, n)), torch.ones(n))
    assert (found.largest.value, found.largest.residual, found.largest.converged, found.products) == (0, 0, True, 1)
    assert found.stopped == "converged"


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_fewer_rows_than_steps(n: int) -> None:
    matrix = rotated(torch.arange(n) - 1.5)
    found = lanczos(Dense(matrix), gaussian(n), tolerance=0.0, max_steps=60)
    assert found.products <= n
    assert found.largest.value == pytest.approx(n - 2.5, rel=1e-10)
    assert found.smallest.value == pytest.approx(-1.5, rel=1e-10)


def test_a_full_basis_is_not_converged() -> None:
    found = lanczos(Dense(rotated(torch.linspace(-1, 1, 300))), gaussian(300), tolerance=1e-6, max_steps=9)
    assert found.stopped == "basis full"
    assert found.products == 9
    assert not found.largest.converged
    assert found.largest.residual > 1e-6


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("at", [0, 2])
def test_products_that_are_not_finite_are_values(bad: float, at: int) -> None:
    matrix = rotated(torch.linspace(-1, 4, 20))
    calls = itertools.count()

    class Breaking:
        size, dtype, device = 20, torch.float64, torch.device("cpu")

        def __call__(self, vector: Tensor) -> Tensor:
            return matrix @ vector * (bad if next(calls) == at else 1.0)

    found = lanczos(Breaking(), gaussian(20), tolerance=1e-12)
    assert found.stopped == "non-finite product"
    assert found.products == at + 1
    for pair in (found.largest, found.smallest):
        assert math.isnan(pair.value)
        assert math.isnan(pair.residual)
        assert not pair.converged


def test_a_start_that_is_not_finite_is_a_value() -> None:
    found = lanczos(Dense(torch.eye(3)), torch.tensor([1.0, math.nan, 0.0]))
    assert found.stopped == "non-finite product"
    assert math.isnan(found.largest.value)


def test_misuse_is_explained() -> None:
    eye = Dense(torch.eye(3))
    with pytest.raises(PinndiagError, match="start vector is zero"):
        lanczos(eye, torch.zeros(3))
    with pytest.raises(PinndiagError, match="does not fit"):
        lanczos(eye, torch.ones(4))
    with pytest.raises(PinndiagError, match="max_steps=0"):
        lanczos(eye, torch.ones(3), max_steps=0)
    for tolerance in (-1.0, math.nan):
        with pytest.raises(PinndiagError, match="tolerance="):
            lanczos(eye, torch.ones(3), tolerance=tolerance)


def test_basis_limit_is_the_smallest_bound() -> None:
    assert basis_limit(1_000, 60) == 60
    assert basis_limit(7, 60) == 7
    assert basis_limit(10_000_000, 60) == 26  # 2 GiB
    assert basis_limit(10**9, 60) == 8


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(1e-12, 1e12), length=st.floats(1e-100, 1e100), seed=st.integers(0, 1000))
def test_scaling_operator_and_start(scale: float, length: float, seed: int) -> None:
    matrix = rotated(torch.linspace(-2, 3, 25), seed)
    plain = lanczos(Dense(matrix), gaussian(25, seed))
    scaled = lanczos(Dense(scale * matrix), length * gaussian(25, seed))
    assert scaled.products == plain.products
    assert scaled.largest.value == pytest.approx(scale * plain.largest.value, rel=1e-9)
    assert scaled.largest.residual == pytest.approx(scale * plain.largest.residual, rel=1e-5)


def ends(operator: SymmetricOperator) -> tuple[float, float]:
    found: LanczosResult = lanczos(operator, gaussian(operator.size), tolerance=0.0, max_steps=operator.size)
    return found.largest.value, found.smallest.value


def test_negation_exchanges_the_ends() -> None:
    matrix = rotated(torch.cat([torch.tensor([-7.0]), torch.linspace(0, 3, 20)]))
    largest, smallest = ends(Dense(matrix))
    assert ends(WeightedSum([Dense(matrix)], [-1.0])) == pytest.approx((-smallest, -largest), rel=1e-9)


def test_weighted_sum_and_scaling_equal_dense_matrices() -> None:
    a, b = rotated(torch.linspace(-1, 2, 15)), rotated(torch.linspace(0, 5, 15), 4)
    d = torch.linspace(0.1, 3, 15, dtype=torch.float64)
    for operator, dense in (
        (WeightedSum([Dense(a), Dense(b)], [2.0, -0.5]), 2 * a - 0.5 * b),
        (Scaled(Dense(a), d), torch.diag(d) @ a @ torch.diag(d)),
    ):
        assert isinstance(operator, SymmetricOperator)
        assert (operator.size, operator.dtype, operator.device) == (15, torch.float64, torch.device("cpu"))
        v = gaussian(15, 9)
        torch.testing.assert_close(operator(v), dense @ v, rtol=1e-12, atol=1e-12)
        true = np.linalg.eigvalsh(dense.numpy())
        assert ends(operator) == pytest.approx((true[-1], true[0]), rel=1e-9)


def test_scaling_keeps_its_precision_beside_a_single_precision_operator() -> None:
    d = torch.tensor([1e4, 1e-4], dtype=torch.float64)
    found = lanczos(Scaled(Dense(torch.eye(2)), d), torch.ones(2))
    assert found.largest.value == pytest.approx(1e8, rel=1e-6)
