"""Read a run folder, also while it is being written, and whatever a killed process left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import final

import msgspec

from pinndiag._errors import PinndiagError
from pinndiag._records import RUN_SCHEMA, RunHeader, from_plain
from pinndiag._store._layout import Layout
from pinndiag._store._run import Run
from pinndiag._store._tail import Tail

__all__ = ["Following", "read_header", "read_run"]

HEADER_LIMIT = 64 * 2**20  # bytes


def read_header(folder: Path) -> RunHeader:
    """`run.json`.

    Raises:
        PinndiagError: the folder is not a run, is of another version, or is damaged.
    """
    layout = Layout(folder)
    try:
        if layout.header.stat().st_size > HEADER_LIMIT:
            raise ValueError("it is larger than 64 MiB")
        plain = json.loads(layout.header.read_text(encoding="utf-8"))
        if not isinstance(plain, dict) or "schema" not in plain:
            raise ValueError("it names no schema")
    except (OSError, ValueError, RecursionError) as error:
        raise PinndiagError(
            f"{folder} is not the folder of a run",
            where=f"{layout.header}: {error}",
            cause="a run folder is what pinndiag.watch(..., to=FOLDER) writes; it holds run.json",
            fix="give the folder that was passed as to=",
        ) from None
    schema = plain["schema"]
    if schema != RUN_SCHEMA:
        raise PinndiagError(
            f"{folder} was written by another version of pinndiag",
            where=f"schema is {schema!r}, this version reads {RUN_SCHEMA!r}",
            cause="the format of runs has changed",
            fix="read it with the version that wrote it",
        )
    try:
        return from_plain(plain, RunHeader)
    except (msgspec.ValidationError, RecursionError) as error:
        raise PinndiagError(
            f"{layout.header} is damaged", where=str(error), cause="the file was edited", fix="train again"
        ) from None


@final
class Following:
    """A run that may still be written, read as it grows.

    Records that a resumed run wrote anew replace the older ones of the same steps.

    Args:
        folder: the run folder.

    Attributes:
        run: what was read so far.

    Raises:
        PinndiagError: see `read_header`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tail = Tail(Layout(folder).records)
        self.run = Run(Layout(folder), read_header(folder))
        self.advance()

    def advance(self) -> int:
        """Take the records that came since the last call, all of them anew if the run was; returns how many.

        Raises:
            PinndiagError: see `read_header`.
        """
        if self._tail.replaced:
            self._tail = Tail(Layout(self._folder).records)
            self.run = Run(Layout(self._folder), read_header(self._folder))
        count = 0
        for line in self._tail.new():
            self.run.take(line)
            count += 1
        if count:
            self.run.header = read_header(self._folder)  # terms may have come
        self.run.notes = self._notes()
        return count

    def _notes(self) -> list[str]:
        damaged, disordered = self._tail.damaged, self.run.disordered
        notes = []
        if self._tail.torn:
            notes.append("the last record is not whole and was left out: the process was killed, or is writing it")
        if damaged:
            notes.append(f"{damaged} record{'s' if damaged > 1 else ''} could not be read and were left out")
        if disordered:
            notes.append(f"{disordered} record{'s' if disordered > 1 else ''} out of order left out")
        return notes


def read_run(folder: Path) -> Run:
    """The whole run, as far as it is written.

    Raises:
        PinndiagError: see `read_header`.
    """
    return Following(folder).run
