"""A run as a value: its header and its records, in the order of the steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load_file

from pinndiag._errors import PinndiagError
from pinndiag._records import (
    CurvatureLine,
    EventLine,
    Gradients,
    HistogramLine,
    Line,
    RunHeader,
    StepLine,
    Tridiagonal,
)
from pinndiag._statistics._gradient_tables import Key, read
from pinndiag._store._columns import Columns
from pinndiag._store._layout import Layout
from pinndiag._store._lock import alive

__all__ = ["LANCZOS", "Run", "packed"]

Page = list[list[float]]

LANCZOS = "lanczos "  # before the name of a Hessian, where its alpha and beta lie as two rows
ARRAYS_LIMIT = 256 * 2**20  # bytes


@final
@dataclass
class Run:
    """A run.

    Attributes:
        layout: where it lies; None where it is in memory only.
        header: what the run is.
        steps: the optimizer steps that were measured, by column.
        curvature: the sparse measurements of curvature.
        histograms: the sparse measurements of histograms; `gradients` gives their content.
        events: what happened once.
        notes: what was lost or superseded, in words.
        disordered: step records that came after one of a later step, and are left out; no run of ours has any. (Two of
            one step are in order: the first may have been skipped.)
        kept: arrays of a run in memory, by name.
    """

    layout: Layout | None
    header: RunHeader
    steps: Columns = field(default_factory=Columns)
    curvature: list[CurvatureLine] = field(default_factory=list)
    histograms: list[HistogramLine] = field(default_factory=list)
    events: list[EventLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    disordered: int = 0
    kept: dict[str, Mapping[str, Page]] = field(default_factory=dict)

    @property
    def last_step(self) -> int:
        """The last step that anything is known of; -1 where nothing is."""
        known = [self.steps.last_step]
        known += [line.step for line in self.curvature[-1:]] + [line.step for line in self.histograms[-1:]]
        return max(known)

    @property
    def last_time(self) -> float:
        """Seconds from the beginning of the run to the last step record; 0 where there is none."""
        return self.steps.last_time

    @property
    def ended(self) -> bool:
        """Whether the training was closed in order; a killed one never is."""
        return bool(self.events) and self.events[-1].event == "closed"

    def take(self, line: Line) -> None:
        """Add a record. A run that was resumed at a step replaces what was recorded from there on."""
        match line:
            case StepLine() if line.step < self.steps.last_step:
                self.disordered += 1
            case StepLine():
                self.steps.append(line)
            case CurvatureLine():
                self.curvature.append(line)
            case HistogramLine():
                self.histograms.append(line)
            case EventLine():
                if line.event == "resumed":
                    self._cut(line.step)
                self.events.append(line)

    def gradients(self, line: HistogramLine) -> Gradients:
        """What the gradient analyzer would have given at that step: figures per layer and histograms.

        Raises:
            PinndiagError: the file of arrays is missing or damaged.
        """
        pages = self._pages(line)
        try:
            return read(
                {_unpacked(key): page for key, page in pages.items()},
                line.layers,
                names=line.terms,
                losses=line.losses,
                weights=line.weights,
                reached=dict.fromkeys(line.terms, 1.0),
            )
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise _stranger(line, error) from None

    def lanczos(self, line: CurvatureLine) -> dict[str, Tridiagonal]:
        """The Lanczos coefficients of a measurement of curvature; none where it has no file.

        Returns:
            "total", "terms.NAME", and "stability" where the optimizer scales the Hessian -> coefficients.

        Raises:
            PinndiagError: the file of arrays is missing or damaged.

        """
        if not line.file:
            return {}
        try:
            return {
                key.removeprefix(LANCZOS): Tridiagonal(alpha=alpha, beta=beta)
                for key, (alpha, beta) in self._pages(line).items()
            }
        except (ValueError, TypeError) as error:
            raise _stranger(line, error) from None

    @property
    def alive(self) -> bool | None:
        """Whether it is still being written; None where nobody can tell."""
        if self.ended:
            return False
        return True if self.layout is None else alive(self.layout.lock)

    def _pages(self, line: CurvatureLine | HistogramLine) -> Mapping[str, Page]:
        return self.kept[line.file] if self.layout is None else _load(self.layout, line)

    def _cut(self, step: int) -> None:
        self.steps.cut(step)
        self.curvature = [line for line in self.curvature if line.step < step]
        self.histograms = [line for line in self.histograms if line.step < step]


def packed(key: Key) -> str:
    """A table's key as one string: what was measured, then the layer, whose name may hold any character.

    >>> packed(("net.0", "figures")), _unpacked("figures net.0")
    ('figures net.0', ('net.0', 'figures'))
    """
    layer, what = key
    return f"{what} {layer}"


def _unpacked(text: str) -> Key:
    what, _, layer = text.partition(" ")
    return layer, what


def _stranger(line: CurvatureLine | HistogramLine, error: Exception) -> PinndiagError:
    return PinndiagError(
        f"the arrays of step {line.step} do not fit the run",
        where=f"{line.file}: {type(error).__name__}: {error}",
        cause="the file belongs to another run, or was edited",
        fix="leave it out: the other steps can still be read",
    )


def _load(layout: Layout, line: CurvatureLine | HistogramLine) -> dict[str, Page]:
    path = layout.folder / line.file
    try:
        if not path.resolve().is_relative_to(layout.arrays.resolve()):
            raise ValueError("it does not lie in the folder of arrays")
        if path.stat().st_size > ARRAYS_LIMIT:
            raise ValueError("it is larger than 256 MiB")
        return {key: tensor.tolist() for key, tensor in load_file(path).items()}
    except (OSError, ValueError, SafetensorError, msgspec.MsgspecError) as error:
        raise PinndiagError(
            f"the arrays of step {line.step} cannot be read",
            where=f"{path}: {error}",
            cause="the file was removed, or the disk was full",
            fix="leave it out: the other steps can still be read",
        ) from None
