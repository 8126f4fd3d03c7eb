"""Instrumentation inside a training loop."""

from pinndiag._watch._balance import Balance
from pinndiag._watch._ledger import Ledger
from pinndiag._watch._rates import Rates, When
from pinndiag._watch._setup import Subject, header
from pinndiag._watch._watch import Watch, watch

__all__ = ["Balance", "Ledger", "Rates", "Subject", "Watch", "When", "header", "watch"]
