"""Where a training puts its records: a run folder, or memory when no folder was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, final, runtime_checkable

from torch import Tensor

from pinndiag._records import Line, RunHeader
from pinndiag._store._run import Run

__all__ = ["MemorySink", "Sink"]


@runtime_checkable
class Sink(Protocol):
    """What a training needs of the place where its records go."""

    @property
    def header(self) -> RunHeader:
        """What the run is."""

    def update(self, header: RunHeader) -> None:
        """Replace the header."""

    def write(self, line: Line) -> None:
        """Add a record."""

    def arrays(self, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
        """Add arrays; returns the name under which a record refers to them."""

    def state(self, state: Mapping[str, Any]) -> None:
        """Keep what is needed to go on."""

    def close(self) -> None:
        """No more records."""

    def run(self) -> Run:
        """The run so far."""


@final
class MemorySink:
    """Records in memory, by column: about 100 bytes a term and step.

    Args:
        header: what the run is.
        run: the records so far, to go on with.
    """

    def __init__(self, header: RunHeader, run: Run | None = None) -> None:
        self._run = run if run is not None else Run(None, header)

    @property
    def header(self) -> RunHeader:
        """See `Sink`."""
        return self._run.header

    def update(self, header: RunHeader) -> None:
        """See `Sink`."""
        self._run.header = header

    def write(self, line: Line) -> None:
        """See `Sink`."""
        self._run.take(line)

    def arrays(self, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
        """See `Sink`."""
        self._run.kept[name] = {key: value.tolist() for key, value in tensors.items()}
        return name

    def state(self, state: Mapping[str, Any]) -> None:
        """See `Sink`; memory ends with the process, so nothing is kept."""

    def close(self) -> None:
        """See `Sink`."""

    def run(self) -> Run:
        """See `Sink`."""
        return self._run
