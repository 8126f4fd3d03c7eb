"""The records of a file that may still grow: each once, whatever a killed process or a stranger left between them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, final

import msgspec

from pinndiag._records import Line

__all__ = ["Tail"]

LINE_LIMIT = 16 * 2**20  # bytes; a step of a hundred terms has half a million

_DECODER = msgspec.json.Decoder(Line, strict=False)  # not strict: "NaN" and "Infinity" stand for numbers


@final
class Tail:
    """Reads `records.jsonl` a line at a time, so that memory does not grow with the file.

    Args:
        path: the file; it need not be there yet.

    Attributes:
        damaged: lines so far that could not be read.
        torn: the file ends in a piece of a line, by a kill or because it is being written just now.
    """

    def __init__(self, path: Path) -> None:
        self.damaged = 0
        self.torn = False
        self._path = path
        self._offset = 0
        self._skipping = False
        self._file: tuple[int, int] | None = None

    @property
    def replaced(self) -> bool:
        """Whether another file lies under the name now: the run was begun anew."""
        try:
            status = self._path.stat()
        except OSError:
            return self._file is not None
        return self._file not in (None, (status.st_dev, status.st_ino)) or status.st_size < self._offset

    def new(self) -> Iterator[Line]:
        """The whole records that came since the last call. A piece of a line stays for the next one."""
        self.torn = False
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            self._file = (status.st_dev, status.st_ino)
            file.seek(self._offset)
            while raw := file.readline(LINE_LIMIT):
                ended = raw.endswith(b"\n")
                if self._skipping or (not ended and len(raw) == LINE_LIMIT):
                    self._skip(file, ended)
                    continue
                try:
                    line = _DECODER.decode(raw) if raw.strip() else None
                except (msgspec.DecodeError, RecursionError):
                    if not ended:
                        self.torn = True
                        return
                    self.damaged += 1
                    line = None
                self._offset = file.tell()
                if line is not None:
                    yield line

    def _skip(self, file: IO[bytes], ended: bool) -> None:
        """A part of a line that is too long to be one of pinndiag's; it is counted once, at its end."""
        self._skipping = not ended
        self._offset = file.tell()
        self.damaged += ended
