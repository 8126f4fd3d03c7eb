"""What the tests of checkpoint files share: errors in four parts, and files made by hand."""

from __future__ import annotations

import contextlib
import io
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from pinndiag import CheckpointError


@pytest.fixture
def refused() -> Callable[..., contextlib.AbstractContextManager[list[CheckpointError]]]:
    """A block that must raise a CheckpointError in four parts, without large allocations in Python."""

    @contextlib.contextmanager
    def check(pattern: str = "") -> Iterator[list[CheckpointError]]:
        found: list[CheckpointError] = []
        tracemalloc.start()
        try:
            with pytest.raises(CheckpointError, match=pattern or None) as raised:
                yield found
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        error = raised.value
        found.append(error)
        assert error.what
        assert error.where
        assert error.cause
        assert error.fix
        assert peak < 2**28  # torch imports some of itself at first use

    return check


@pytest.fixture
def pickled(tmp_path: Path) -> Callable[..., Path]:
    """A zip file in the form of torch.save around a pickle made by hand."""

    def make(pickle: bytes, storages: dict[str, bytes] | None = None, *, compress: bool = False) -> Path:
        path = tmp_path / "made.pt"
        kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", kind) as archive:
            archive.writestr("archive/data.pkl", pickle)
            archive.writestr("archive/byteorder", b"little")
            for key, content in (storages or {}).items():
                archive.writestr(f"archive/data/{key}", content)
            archive.writestr("archive/version", b"3\n")
        return path

    return make


@pytest.fixture
def rewritten() -> Callable[..., Path]:
    """The file of torch.save with one member replaced."""

    def make(path: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            parts = {info.filename: archive.read(info) for info in archive.infolist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, change(content) if name.endswith(member) else content)
        return path

    return make


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """A file of torch.save with the given content."""

    def make(content: object, name: str = "file.pt") -> Path:
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return make
