"""The exit statuses; the same for every command."""

from __future__ import annotations

from typing import Final

__all__ = ["FAILED", "FINE", "INTERRUPTED", "PROBLEMS"]

FINE: Final = 0  # no problem was found
PROBLEMS: Final = 1  # findings of severity "problem" (`compare`: in B and not in A)
FAILED: Final = 2  # the command could not do its work
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it
