"""Checkpoint files: the self-contained kind that pinndiag writes, and everybody else's."""

from pinndiag._checkpoint._foreign import NoTermsError
from pinndiag._checkpoint._load import load
from pinndiag._checkpoint._write import save

__all__ = ["NoTermsError", "load", "save"]
