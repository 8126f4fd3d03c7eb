"""How a file that cannot be used is refused: four parts, and nothing from the file printed as it stands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import final

from pinndiag._errors import CheckpointError

__all__ = ["Refusal", "listed", "quoted"]

LONGEST = 80
DAMAGED = "the file was cut short or changed after it was written"
WRITE_AGAIN = "copy the file again from where it was written, or write it again with pinn.save()"


@final
class Refusal:
    """Errors about one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, what: str, *, where: str = "", cause: str = DAMAGED, fix: str = WRITE_AGAIN) -> CheckpointError:
        """The error that says `what` of the file; defaults are those of a file that is damaged."""
        return CheckpointError(f"{self.path.name}: {what}", where=where or str(self.path), cause=cause, fix=fix)


def quoted(value: object) -> str:
    """A string from a file on one line, in ASCII, of bounded length."""
    text = value if isinstance(value, str) else type(value).__name__
    return ascii(text if len(text) <= LONGEST else text[: LONGEST - 3] + "...")


def listed(names: Iterable[str], most: int = 6) -> str:
    """Some of the names, quoted, and how many more there are."""
    names = list(names)
    shown = ", ".join(quoted(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "") or "none"
