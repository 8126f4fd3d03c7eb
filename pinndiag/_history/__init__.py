"""A training over time: reduced for a report, and judged."""

from pinndiag._history._diagnose import diagnose_run
from pinndiag._history._pareto import non_dominated

__all__ = ["diagnose_run", "non_dominated"]
