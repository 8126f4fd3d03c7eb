"""The names of the files in a run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

__all__ = ["Layout"]


@final
@dataclass(frozen=True)
class Layout:
    """Paths in a run folder.

    Attributes:
        folder: the folder.
    """

    folder: Path

    @property
    def header(self) -> Path:
        """`run.json`: what the run is; its presence makes a folder a run."""
        return self.folder / "run.json"

    @property
    def records(self) -> Path:
        """`records.jsonl`: one line for each thing measured, append only."""
        return self.folder / "records.jsonl"

    @property
    def arrays(self) -> Path:
        """`arrays/`: histograms and Lanczos coefficients, one safetensors file each and step."""
        return self.folder / "arrays"

    @property
    def state(self) -> Path:
        """`state.pt`: step number and scheme, to go on after an interruption."""
        return self.folder / "state.pt"

    @property
    def lock(self) -> Path:
        """`writer.lock`: the process that writes the run, while it does."""
        return self.folder / "writer.lock"

    @property
    def diagnosis(self) -> Path:
        """`diagnosis.json`."""
        return self.folder / "diagnosis.json"

    @property
    def report(self) -> Path:
        """`report.html`."""
        return self.folder / "report.html"

    @property
    def exists(self) -> bool:
        """Whether a run lies here."""
        return self.header.is_file()
