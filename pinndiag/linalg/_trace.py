"""Trace of a symmetric operator from random probes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from pinndiag.linalg._operator import SymmetricOperator

__all__ = ["TraceEstimate", "mean_and_error", "rademacher", "trace"]


@final
@dataclass(frozen=True)
class TraceEstimate:
    """A random estimate.

    Attributes:
        value: mean over the probes.
        error: its standard error (NaN with a single probe).
        probes: number of probes.
    """

    value: float
    error: float
    probes: int


def trace(operator: SymmetricOperator, *, probes: int = 4, seed: int = 0) -> TraceEstimate:
    """Trace by Hutchinson's estimator: the mean of v.Av over random v with entries +-1.

    Exact for a diagonal operator; else the variance of one probe is 2 * (sum of squares off the diagonal).

    Args:
        operator: the operator.
        probes: random vectors.
        seed: of the probes; the same on every device.

    Cost: one product a probe. `Quadrature.trace` gives the same figure from products that were made already.

    Reference: Hutchinson 1990, "A stochastic estimator of the trace of the influence matrix".
    """
    samples = []
    for probe in rademacher(operator.size, probes, seed):
        v = probe.to(operator.device)
        samples.append(float(v @ operator(v.to(operator.dtype)).detach().to(torch.float64)))
    return mean_and_error(samples)


def mean_and_error(samples: Sequence[float]) -> TraceEstimate:
    """Mean and standard error of independent samples; NaN when one is not finite."""
    count = len(samples)
    if not all(map(math.isfinite, samples)):
        return TraceEstimate(math.nan, math.nan, count)
    error = statistics.stdev(samples) / math.sqrt(count) if count > 1 else math.nan
    return TraceEstimate(statistics.fmean(samples), error, count)


def rademacher(size: int, count: int, seed: int) -> Iterator[Float64[Tensor, " size"]]:
    """`count` vectors of independent signs, drawn on the CPU so that a seed means the same on every device."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        yield torch.randint(0, 2, (size,), generator=generator).to(torch.float64) * 2 - 1
