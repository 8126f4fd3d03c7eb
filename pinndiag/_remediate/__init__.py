"""Train a wrapped PINN on, as it is and under balancing schemes, and compare."""

from pinndiag._remediate._comparison import Comparison
from pinndiag._remediate._remediate import remediate

__all__ = ["Comparison", "remediate"]
