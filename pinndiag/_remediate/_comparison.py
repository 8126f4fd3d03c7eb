"""What `remediate` returns: before and after as a value that prints, saves and renders itself; the treated PINN."""

from __future__ import annotations

from typing import ClassVar, final

from pinndiag._diagnosis._document import AbstractDocument
from pinndiag._errors import PinndiagError
from pinndiag._records import RemedyRecord
from pinndiag._terms._pinn import PINN

__all__ = ["Comparison"]


@final
class Comparison(AbstractDocument[RemedyRecord]):
    """Before and after."""

    renderers: ClassVar[str] = "remedy_"

    def __init__(self, record: RemedyRecord, treated: PINN | None) -> None:
        self.record = record
        self._treated = treated

    @property
    def treated(self) -> PINN:
        """The network that the chosen arm trained (seed 0), with its last weights as fixed weights.

        Raises:
            PinndiagError: nothing was treated.
        """
        if self._treated is None:
            raise PinndiagError(
                "nothing was treated",
                where=self.record.text,
                cause=self.record.reason,
                fix="name a scheme to treat it all the same: schemes=['lra']",
            )
        return self._treated

    @property
    def text(self) -> str:
        """The verdict."""
        return self.record.text
