"""What `remediate` returns: before and after as a value that prints, saves and renders itself; the treated PINN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, final

from pinndiag._diagnosis import renderer
from pinndiag._errors import PinndiagError
from pinndiag._files import write_atomically
from pinndiag._pinn import PINN
from pinndiag._records import RemedyRecord, to_plain

__all__ = ["Comparison"]


@final
class Comparison:
    """Before and after.

    Attributes:
        record: everything the page shows, as fields.
    """

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

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers."""
        plain: dict[str, Any] = to_plain(self.record)
        return plain

    def to_json(self) -> str:
        """`to_dict` as JSON, in full precision, plain ASCII."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def save(self, path: str | Path) -> Path:
        """Write `to_json`; the file appears under its name only when it is whole."""
        return write_atomically(Path(path), self.to_json() + "\n")

    def to_html(self, path: str | Path) -> Path:
        """Write the before/after report as one self-contained HTML page."""
        return write_atomically(Path(path), str(renderer("remedy_html")(self.record)))

    def __str__(self) -> str:
        return str(renderer("remedy_text")(self.record))

    def __repr__(self) -> str:
        return f"<Comparison: {self.record.text}>"

    def _repr_html_(self) -> str:
        page = str(renderer("remedy_html")(self.record)).replace("&", "&amp;").replace('"', "&quot;")
        return f'<iframe srcdoc="{page}" style="width:100%;height:80vh;border:0" sandbox="allow-scripts"></iframe>'
