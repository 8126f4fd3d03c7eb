"""Spectral density by stochastic Lanczos quadrature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from pinndiag.linalg._lanczos import Krylov
from pinndiag.linalg._operator import SymmetricOperator
from pinndiag.linalg._trace import TraceEstimate, mean_and_error, rademacher

__all__ = ["Quadrature", "spectral_density"]


@final
@dataclass(frozen=True)
class Quadrature:
    """Gauss quadrature of a spectral density, one rule a probe.

    Attributes:
        nodes: Ritz values of each probe, ascending.
        weights: their weights; each probe's sum is 1.
        steps: most Lanczos steps a probe.
        size: n, the number of eigenvalues.
        products: products with the operator.
    """

    nodes: list[list[float]]
    weights: list[list[float]]
    steps: int
    size: int
    products: int

    def trace(self) -> TraceEstimate:
        """The trace, from the same products: n times the first moment of each probe (which is v.Av / v.v exactly)."""
        moments = [
            self.size * sum(w * x for w, x in zip(weights, nodes, strict=True))
            for weights, nodes in zip(self.weights, self.nodes, strict=True)
        ]
        return mean_and_error(moments)


def spectral_density(operator: SymmetricOperator, *, probes: int = 4, steps: int = 20, seed: int = 0) -> Quadrature:
    """Density of the eigenvalues of a symmetric operator, as weighted points.

    For a function f, n * mean over probes of sum_j w_j f(node_j) estimates trace f(A): exact in expectation for
    polynomials up to degree 2 steps - 1.

    Args:
        operator: the operator.
        probes: random vectors with entries +-1.
        steps: Lanczos steps each.
        seed: of the probes; the same on every device.

    Cost: probes * steps products; `steps` vectors of n float64 at a time.

    Reference: Ubaru, Chen, Saad 2017, "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature".

    >>> import torch
    >>> from pinndiag.linalg import Dense, spectral_density
    >>> rule = spectral_density(Dense(torch.diag(torch.tensor([1.0, 1.0, 5.0]))), probes=1)
    >>> [round(x, 4) for x in rule.nodes[0]], [round(w, 4) for w in rule.weights[0]]
    ([1.0, 5.0], [0.6667, 0.3333])
    """
    nodes, weights, products = [], [], 0
    for probe in rademacher(operator.size, probes, seed):
        space = Krylov(operator, probe.to(operator.device), steps)
        while space.ended is None:
            space.grow()
        values, vectors = space.ritz()
        nodes.append([float(x) for x in values])
        weights.append([float(w) for w in vectors[0] ** 2])
        products += space.steps
        del space
    return Quadrature(nodes, weights, min(steps, operator.size), operator.size, products)
