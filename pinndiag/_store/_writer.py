"""Write a run folder: records are appended and flushed line by line, everything else appears whole."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, final

import msgspec
import torch
from safetensors.torch import save_file
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag._files import replaced, write_atomically
from pinndiag._records import Line, RunHeader, to_plain
from pinndiag._store._layout import Layout
from pinndiag._store._lock import Lock
from pinndiag._store._reader import read_header, read_run
from pinndiag._store._run import Run

__all__ = ["RunWriter", "encoded"]


def encoded(line: Line) -> bytes:
    """One line of records.jsonl, without the newline; NaN and infinities as strings.

    >>> from pinndiag._records import EventLine
    >>> encoded(EventLine(step=3, event="term", text="came"))
    b'{"kind":"event","step":3,"event":"term","text":"came"}'
    """
    text = msgspec.json.encode(line)
    # absent fields are left out, so a null can only be a number that JSON does not know (or part of a name)
    return json.dumps(to_plain(line), allow_nan=False).encode() if b"null" in text else text


@final
class RunWriter:
    """The one writer of a run folder.

    Args:
        folder: the run folder; made if need be.
        header: what the run is.
        resume: go on with a run that lies there; it stays as it is until something is written.
        overwrite: replace a run that lies there; other files of the folder stay.

    Raises:
        PinndiagError: a run lies there and neither was asked; another process is writing it; or the folder cannot be
            written.
    """

    def __init__(self, folder: Path, header: RunHeader, *, resume: bool = False, overwrite: bool = False) -> None:
        self.layout = layout = Layout(folder)
        if layout.exists and not resume and not overwrite:
            raise PinndiagError(
                f"{folder} already holds a run",
                where=str(layout.header),
                cause="the training was started before with the same to=",
                fix="choose another folder, or pass resume=True to go on, or overwrite=True to begin anew",
            )
        self._waits = layout.exists and resume
        try:
            layout.arrays.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(layout.lock)
            try:
                self._header = self._prepared(header)
                self._file: IO[bytes] = layout.records.open("ab", buffering=0)
            except BaseException:
                self._lock.release()
                raise
        except OSError as error:
            raise PinndiagError(
                f"the run folder {folder} cannot be written",
                where=str(error),
                cause="no permission, no space, or a file of that name",
                fix="choose another folder with to=",
            ) from None
        if self._lock.dead and not self._waits:
            warnings.warn(
                f"pinndiag: {self._lock.dead} had begun a run in {folder} and died; it is replaced",
                RuntimeWarning,
                stacklevel=4,
            )

    @property
    def header(self) -> RunHeader:
        """The header as it stands in run.json."""
        return self._header

    def update(self, header: RunHeader) -> None:
        """Write run.json anew."""
        self._begin()
        self._header = header
        write_atomically(self.layout.header, _text(header))

    def write(self, line: Line) -> None:
        """Append a record; it is with the operating system when this returns, so a killed process does not lose it."""
        self._begin()
        self._file.write(encoded(line) + b"\n")

    def arrays(self, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
        """Write arrays to a file of their own, whole; returns its path relative to the folder."""
        path = self.layout.arrays / f"{name}.safetensors"
        with replaced(path) as temporary:
            save_file({key: value.contiguous() for key, value in tensors.items()}, temporary, dict(metadata))
        return f"{self.layout.arrays.name}/{path.name}"

    def state(self, state: Mapping[str, Any]) -> None:
        """Write what is needed to go on."""
        self._begin()
        with replaced(self.layout.state) as temporary:
            torch.save(dict(state), temporary)
        self._lock.beat()

    def close(self) -> None:
        """No more records. A fork of the process that writes has none to close."""
        self._file.close()
        self._lock.release()

    def run(self) -> Run:
        """The run as it lies on disk."""
        return read_run(self.layout.folder)

    def _prepared(self, header: RunHeader) -> RunHeader:
        """The folder made ready for records under this header."""
        if self._waits:  # what is resumed began then, with those terms
            before = read_header(self.layout.folder)
            header = msgspec.structs.replace(header, created=before.created, terms=before.terms)
        else:
            if self.layout.exists:
                self._clear()
            write_atomically(self.layout.header, _text(header))
        _mend(self.layout.records)
        return header

    def _begin(self) -> None:
        """Something is about to be written.

        Raises:
            PinndiagError: this process is a fork of the one that writes.
        """
        if not self._lock.own:
            raise PinndiagError(
                "a fork of the process that writes the run records nothing",
                where=f"process {os.getpid()}; {self._lock.path}",
                cause="the watched training went on in a child process",
                fix="call pinndiag.watch in the process that trains",
            )
        if self._waits:
            self._waits = False
            write_atomically(self.layout.header, _text(self._header))

    def _clear(self) -> None:
        for path in (self.layout.records, self.layout.state, self.layout.diagnosis, self.layout.report):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.layout.arrays, ignore_errors=True)
        self.layout.arrays.mkdir()


def _text(header: RunHeader) -> str:
    return json.dumps(to_plain(header), allow_nan=False, indent=1) + "\n"


def _mend(path: Path) -> None:
    """End a line that a killed process left unfinished, so that the next record begins on a line of its own."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    with path.open("rb+") as file:
        file.seek(-1, 2)
        if file.read(1) != b"\n":
            file.write(b"\n")
