"""Linear algebra on symmetric operators known only by their products; knows nothing of networks.

    ends = lanczos(operator, start)                # both ends of the spectrum, with residuals
    rule = spectral_density(operator)              # stochastic Lanczos quadrature
    rule.trace(), trace(operator)                  # from random probes

An operator is anything with `size`, `dtype`, `device` and a product `operator(v)` (see `SymmetricOperator`).
"""

from pinndiag.linalg._lanczos import LanczosResult, RitzPair, basis_limit, lanczos
from pinndiag.linalg._operator import Dense, Scaled, SymmetricOperator, WeightedSum
from pinndiag.linalg._quadrature import Quadrature, spectral_density
from pinndiag.linalg._trace import TraceEstimate, trace

__all__ = [
    "Dense",
    "LanczosResult",
    "Quadrature",
    "RitzPair",
    "Scaled",
    "SymmetricOperator",
    "TraceEstimate",
    "WeightedSum",
    "basis_limit",
    "lanczos",
    "spectral_density",
    "trace",
]
