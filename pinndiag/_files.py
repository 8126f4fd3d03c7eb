"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pinndiag._errors import PinndiagError

__all__ = ["read_json", "replaced", "write_atomically"]

LIMIT = 64 * 2**20  # bytes; a diagnosis.json has a few hundred thousand


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; a result should have the usual permissions
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, text: str) -> Path:
    """Write UTF-8 text so that a reader sees the old file or the whole new one."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def read_json(path: Path, what: str, fix: str) -> Any:
    """The content of a JSON file.

    Args:
        path: the file.
        what: what it should be, with its article, for the message.
        fix: what to do if it is not.

    Raises:
        PinndiagError: missing, too large, or not JSON.
    """
    try:
        size = path.stat().st_size
        if size > LIMIT:
            raise PinndiagError(
                f"{path} is too large to be {what}",
                where=f"{size} bytes, at most {LIMIT} are read",
                cause="another file was given",
                fix=fix,
            )
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PinndiagError(
            f"cannot read {path} as {what}",
            where=str(error),
            cause="the file is missing, is not JSON, or was cut short",
            fix=fix,
        ) from None
