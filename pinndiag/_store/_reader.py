"""Read a run folder, also while it is being written, and whatever a killed process left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pinndiag._errors import PinndiagError
from pinndiag._records import RUN_SCHEMA, Line, RunHeader, from_plain
from pinndiag._store._layout import Layout
from pinndiag._store._run import Run

__all__ = ["lines", "read_header", "read_run"]

HEADER_LIMIT = 64 * 2**20  # bytes
LINE_LIMIT = 16 * 2**20  # bytes

_DECODER = msgspec.json.Decoder(Line, strict=False)  # not strict: "NaN" and "Infinity" stand for numbers


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
    except (OSError, ValueError, RecursionError) as error:
        raise PinndiagError(
            f"{folder} is not the folder of a run",
            where=f"{layout.header}: {error}",
            cause="a run folder is what pinndiag.watch(..., to=FOLDER) writes; it holds run.json",
            fix="give the folder that was passed as to=",
        ) from None
    schema = plain.get("schema") if isinstance(plain, dict) else None
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


def lines(layout: Layout, notes: list[str]) -> Iterator[Line]:
    """Every record that is whole. A torn last line is dropped with a note; so is a line that cannot be read.

    The file is read a line at a time: memory does not grow with the run.
    """
    damaged = 0
    if not layout.records.is_file():
        return
    with layout.records.open("rb") as file:
        while True:
            raw = file.readline(LINE_LIMIT)
            if not raw:
                break
            whole = raw.endswith(b"\n")
            if raw.strip():
                try:
                    yield _DECODER.decode(raw)
                except (msgspec.DecodeError, RecursionError):
                    damaged += whole
                    if not whole:
                        notes.append("the last record was cut short and is left out (the process was killed)")
    if damaged:
        notes.append(f"{damaged} record{'s' if damaged > 1 else ''} could not be read and were left out")


def read_run(folder: Path) -> Run:
    """The whole run. Records that a resumed run wrote anew replace the older ones of the same steps.

    Raises:
        PinndiagError: see `read_header`.
    """
    layout = Layout(folder)
    run = Run(layout, read_header(folder))
    for line in lines(layout, run.notes):
        run.take(line)
    return run
