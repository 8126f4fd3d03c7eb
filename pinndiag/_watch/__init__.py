"""Instrumentation inside a training loop."""

from pinndiag._watch._rates import When
from pinndiag._watch._watch import Watch, watch

__all__ = ["Watch", "When", "watch"]
