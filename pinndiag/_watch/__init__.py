"""Instrumentation inside a training loop."""

from pinndiag._watch._watch import Watch, watch

__all__ = ["Watch", "watch"]
