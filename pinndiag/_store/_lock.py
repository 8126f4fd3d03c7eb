"""One writer for a run folder, on one machine or several; a dead one holds nothing."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path
from typing import final
from weakref import WeakValueDictionary

import msgspec

from pinndiag._errors import PinndiagError

__all__ = ["Lock", "alive"]

SILENT = 600.0  # seconds after which a writer on another machine, which gives a sign every 30 s or so, counts as dead
UNFINISHED = 10.0  # seconds that it may take to write the file


class Holder(msgspec.Struct, frozen=True):
    """Who writes.

    Attributes:
        pid: process.
        host: machine.
        born: when the process began, in the system's own units ("" where it does not tell): a number may be given to
            another process later.
    """

    pid: int
    host: str
    born: str = ""

    @property
    def words(self) -> str:
        """For messages."""
        return f"process {self.pid} on {self.host}"


@final
class Lock:
    """The right to write a run folder, as a file in it that names the process.

    Args:
        path: the file.

    Attributes:
        path: the file.
        dead: who had it, and died without giving it back; "" where nobody did.

    Raises:
        PinndiagError: a living process has it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dead = ""
        self._owner = Holder(os.getpid(), socket.gethostname(), _born(os.getpid()))
        while not self._taken():
            holder = _holder(path)
            if _lives(path, holder):
                raise _refusal(path, holder)
            self.dead = "a process" if holder is None else holder.words
            path.unlink(missing_ok=True)
        _HELD[str(path.resolve())] = self

    @property
    def own(self) -> bool:
        """Whether this is the process that took it, and not a fork of it."""
        return os.getpid() == self._owner.pid

    def beat(self) -> None:
        """A sign of life, for other machines."""
        with contextlib.suppress(OSError):
            os.utime(self.path)

    def release(self) -> None:
        """Give it back; it may be another's by the second time."""
        place = str(self.path.resolve())
        if _HELD.get(place) is not self:
            return
        del _HELD[place]
        if self.own and _holder(self.path) == self._owner:
            self.path.unlink(missing_ok=True)

    def _taken(self) -> bool:
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(self._owner) + b"\n")
        return True


_HELD: WeakValueDictionary[str, Lock] = WeakValueDictionary()


def alive(path: Path) -> bool | None:
    """Whether the process that a lock names is alive: None where there is no lock."""
    return _lives(path, _holder(path)) if path.is_file() else None


def _holder(path: Path) -> Holder | None:
    """Who is named; None where nobody can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return None


def _lives(path: Path, holder: Holder | None) -> bool:
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:
        return False
    if holder is None:
        return age < UNFINISHED
    here = holder.host == socket.gethostname()
    if here and holder.pid == os.getpid():
        return str(path.resolve()) in _HELD
    if not here or os.name == "nt":  # where there is no signal that only asks
        return age < SILENT
    return _runs(holder.pid) and _born(holder.pid) == holder.born


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def _born(pid: int) -> str:
    """When a process began, as Linux tells it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _refusal(path: Path, holder: Holder | None) -> PinndiagError:
    here = holder is not None and holder.host == socket.gethostname()
    own = here and holder is not None and holder.pid == os.getpid()
    whose = "this process" if own else "another process" if holder is None else holder.words
    return PinndiagError(
        f"{whose} is writing the run in {path.parent}",
        where=str(path),
        cause="an earlier watch was not closed" if own else "the training was started twice with the same to=",
        fix="close the earlier watch: watch.close()"
        if own
        else "choose another folder, or stop the other training"
        + ("" if here else f" (if it is dead, this is noticed {SILENT / 60:.0f} minutes after its last sign of life)"),
    )
