"""A mirror of the records in TensorBoard, beside wherever they go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag._records import (
    CurvatureLine,
    EventLine,
    Histogram,
    HistogramLine,
    Line,
    RunHeader,
    StepLine,
    TermFigures,
    TotalFigures,
)
from pinndiag._store._run import Run
from pinndiag._store._sink import Sink

__all__ = ["TensorBoardSink"]

FIGURES = ("grad_l2", "grad_max", "grad_mean", "grad_std")


@final
class TensorBoardSink:
    """Hands every record on to another sink, then writes its numbers for TensorBoard.

    Scalars are called "loss/NAME", "weight/NAME", "grad_l2/NAME", "applied/NAME", "cosine/a|b", "sigma_max/NAME",
    "work/NAME", "total/...", "lr", "rel_l2"; histograms of w_i g_i "gradient/NAME" and "gradient/LAYER/NAME". A run
    that goes on hides what TensorBoard has of the steps that are done anew.

    Args:
        sink: where the records themselves go.
        folder: of the event files.

    Raises:
        PinndiagError: TensorBoard is not installed.
    """

    def __init__(self, sink: Sink, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise PinndiagError(
                "TensorBoard is not installed",
                where=str(error),
                cause="it is an extra: nothing else in pinndiag needs it",
                fix="pip install 'pinndiag[tensorboard]'",
            ) from None
        self._sink = sink
        self._folder = Path(folder)
        self._open = SummaryWriter
        self._writer: Any = None
        self._tables: dict[str, Mapping[str, Tensor]] = {}

    @property
    def header(self) -> RunHeader:
        """See `Sink`."""
        return self._sink.header

    def update(self, header: RunHeader) -> None:
        """See `Sink`."""
        self._sink.update(header)

    def write(self, line: Line) -> None:
        """See `Sink`."""
        self._sink.write(line)
        if self._writer is None:
            resumed = isinstance(line, EventLine) and line.event == "resumed"
            self._writer = self._open(str(self._folder), purge_step=line.step if resumed else None)
        match line:
            case StepLine():
                self._scalars(_of_step(line), line.step)
            case CurvatureLine():
                self._scalars(_of_curvature(line), line.step)
            case HistogramLine():
                self._histograms(line)
            case EventLine():
                self._writer.add_text(line.event, line.text, line.step)

    def arrays(self, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
        """See `Sink`; they are kept until the record that tells what they are."""
        file = self._sink.arrays(name, tensors, metadata)
        self._tables = {file: tensors}
        return file

    def state(self, state: Mapping[str, Any]) -> None:
        """See `Sink`."""
        self._sink.state(state)

    def close(self) -> None:
        """See `Sink`."""
        self._sink.close()
        if self._writer is not None:
            self._writer.close()

    def run(self) -> Run:
        """See `Sink`."""
        return self._sink.run()

    def _scalars(self, numbers: Iterator[tuple[str, float | None]], step: int) -> None:
        for tag, value in numbers:
            if value is not None:
                self._writer.add_scalar(tag, value, step)

    def _histograms(self, line: HistogramLine) -> None:
        tables = self._tables.pop(line.file, None)
        if tables is None:
            return
        kept = {key: table.tolist() for key, table in tables.items()}
        gradients = Run(None, self.header, kept={line.file: kept}).gradients(line)
        self._bins("gradient", gradients.weighted, line.step)
        for layer in gradients.layers:
            self._bins(f"gradient/{layer.name}", layer.weighted, line.step)

    def _bins(self, tag: str, histograms: Mapping[str, Histogram], step: int) -> None:
        for name, found in histograms.items():
            width = (found.high - found.low) / len(found.counts)
            counts = [found.below, *found.counts, found.above]
            if not width > 0 or not sum(counts):
                continue  # nothing finite, or all zero
            centres = [found.low + (place - 0.5) * width for place in range(len(counts))]
            self._writer.add_histogram_raw(
                f"{tag}/{name}",
                min=found.low,
                max=found.high,
                num=sum(counts),
                sum=sum(count * centre for count, centre in zip(counts, centres, strict=True)),
                sum_squares=sum(count * centre**2 for count, centre in zip(counts, centres, strict=True)),
                bucket_limits=[found.low + place * width for place in range(len(counts))],
                bucket_counts=counts,
                global_step=step,
            )


def _of_step(line: StepLine) -> Iterator[tuple[str, float | None]]:
    for name, term in line.terms.items():
        yield f"loss/{name}", term.loss
        yield f"weight/{name}", term.weight
        yield from _figures(term, name)
    yield "total/loss", line.total.loss
    yield from ((f"total/{tag.partition('/')[0]}", value) for tag, value in _figures(line.total, ""))
    yield from ((f"applied/{name}", value) for name, value in line.applied.items())
    yield from ((f"cosine/{pair}", value) for pair, value in line.cosine.items())
    yield "lr", line.lr
    yield "rel_l2", line.rel_l2
    yield "alignment", line.alignment


def _figures(found: TermFigures | TotalFigures, name: str) -> Iterator[tuple[str, float | None]]:
    return ((f"{figure}/{name}", getattr(found, figure)) for figure in FIGURES)


def _of_curvature(line: CurvatureLine) -> Iterator[tuple[str, float | None]]:
    for name, term in line.terms.items():
        yield f"sigma_max/{name}", term.sigma_max.value
    yield "total/sigma_max", line.total.sigma_max.value
    yield from ((f"work/{name}", work.value) for name, work in line.work.items())
    if line.stability is not None:
        yield "sharpness", line.stability.sharpness
