"""Files appear whole or not at all."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pinndiag._files import replaced, write_atomically


def test_a_file_is_written_with_the_usual_permissions(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "a.txt", "é")
    (tmp_path / "b.txt").touch()
    assert path.read_text(encoding="utf-8") == "é"
    assert path.stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "a.txt", "old")
    with contextlib.suppress(KeyboardInterrupt), replaced(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
