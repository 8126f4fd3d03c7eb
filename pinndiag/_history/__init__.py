"""A training over time: reduced for a report, and judged."""

from pinndiag._history._diagnose import diagnose_run

__all__ = ["diagnose_run"]
