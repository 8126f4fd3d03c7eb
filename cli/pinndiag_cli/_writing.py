"""Write results to files; a folder that cannot be written to is an error with a way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pinndiag import PinndiagError

__all__ = ["writing"]


def writing(write: Callable[[Path], Any], path: Path) -> Path:
    """Call `write(path)`.

    Raises:
        PinndiagError: the file system refused.
        FileExistsError: `write` makes new files only, and `path` is there.
    """
    try:
        write(path)
    except FileExistsError:
        raise
    except OSError as error:
        raise PinndiagError(
            f"cannot write {path}",
            where=error.strerror or str(error),
            cause="the folder does not exist" if not path.parent.is_dir() else "no permission, or no space",
            fix="give another place with -o PATH",
        ) from None
    return path
