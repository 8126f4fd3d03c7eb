"""Errors that say what happened, where, the likely cause, and what to do."""

from __future__ import annotations

__all__ = ["CaptureError", "CheckpointError", "PinndiagError", "TermError"]


class PinndiagError(Exception):
    """An error of pinndiag's own, worded for the person who meets it.

    Args:
        what: one sentence, without a full stop: what went wrong.
        where: names and shapes of what was looked at.
        cause: the likely cause.
        fix: what to do about it.
    """

    def __init__(self, what: str, *, where: str = "", cause: str = "", fix: str = "") -> None:
        self.what, self.where, self.cause, self.fix = what, where, cause, fix
        lines = [what]
        lines += [f"  {label}: {text}" for label, text in (("where", where), ("cause", cause), ("fix", fix)) if text]
        super().__init__("\n".join(lines))


class TermError(PinndiagError):
    """A model or a loss term that cannot be analysed as it was given."""


class CaptureError(PinndiagError):
    """A term that cannot be written as a graph of operators."""


class CheckpointError(PinndiagError):
    """A file that cannot be written or read as a checkpoint."""
