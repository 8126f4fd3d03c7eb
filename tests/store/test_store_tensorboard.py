"""The mirror hands every record on, and writes its numbers under stable names."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
import torch

import pinndiag
from pinndiag import PinndiagError
from pinndiag._records import EventLine
from pinndiag._store import MemorySink, TensorBoardSink
from tests.store.runs import CLOSED, curvature, falling, header


class Recorder:
    """In the place of SummaryWriter."""

    made: ClassVar[list[Recorder]] = []

    def __init__(self, folder: str, purge_step: int | None = None) -> None:
        self.folder, self.purge_step, self.closed = folder, purge_step, False
        self.scalars: dict[tuple[str, int], float] = {}
        self.histograms: dict[tuple[str, int], dict[str, Any]] = {}
        self.texts: list[tuple[str, str, int]] = []
        Recorder.made.append(self)

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars[tag, step] = value

    def add_histogram_raw(self, tag: str, *, global_step: int, **fields: Any) -> None:
        self.histograms[tag, global_step] = fields

    def add_text(self, tag: str, text: str, step: int) -> None:
        self.texts.append((tag, text, step))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> type[Recorder]:
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Recorder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    Recorder.made = []
    return Recorder


def test_scalars_and_events(recorder: type[Recorder], tmp_path: Path) -> None:
    inner = MemorySink(header())
    sink = TensorBoardSink(inner, tmp_path / "events")
    assert recorder.made == []  # nothing is opened before the first record
    for line in (*falling(3, rel_l2=0.5), curvature(2), CLOSED):
        sink.write(line)
    sink.close()
    (seen,) = recorder.made
    assert (seen.folder, seen.purge_step, seen.closed) == (str(tmp_path / "events"), None, True)
    assert seen.scalars["loss/pde", 0] == 100
    assert seen.scalars["grad_l2/bc", 0] == pytest.approx(0.1)
    assert seen.scalars["applied/bc", 0] == pytest.approx(0.1)
    assert seen.scalars["cosine/pde|bc", 1] == -0.25
    assert seen.scalars["total/loss", 0] == pytest.approx(100.01)
    assert {"total/grad_l2", "lr", "rel_l2", "alignment"} <= {tag for tag, _ in seen.scalars}
    assert seen.scalars["sigma_max/pde", 2] == 1000
    assert seen.scalars["work/bc", 2] == 2e-3
    assert seen.scalars["sharpness", 2] == 0.5
    assert seen.texts == [("closed", "the training ended", 99)]
    assert len(inner.run().steps) == 3  # and all of it went on
    assert sink.run() is inner.run()
    assert sink.header == inner.header


def test_a_run_that_goes_on_hides_what_is_done_anew(recorder: type[Recorder], tmp_path: Path) -> None:
    sink = TensorBoardSink(MemorySink(header()), tmp_path)
    sink.write(EventLine(step=40, event="resumed", text="goes on at step 40"))
    assert recorder.made[0].purge_step == 40


def test_histograms_hold_every_entry(recorder: type[Recorder], tmp_path: Path) -> None:
    """Those of a real watched step, so that the tables are what the training writes."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pinndiag.watch(model, optimizer, every=1, histograms=1, curvature=0) as watch:
        loss = watch({"a": model(torch.ones(4, 3)), "b": model(torch.zeros(1, 3)) - 1})
        loss.backward()
        optimizer.step()
        run = watch.run()
    (line,) = run.histograms
    sink = TensorBoardSink(MemorySink(run.header), tmp_path)
    tensors = {key: torch.tensor(page, dtype=torch.float64) for key, page in run.kept[line.file].items()}
    sink.write(line)  # arrays that were not seen are left out
    assert recorder.made[0].histograms == {}
    assert sink.arrays(line.file, tensors, {}) == line.file
    sink.write(line)
    seen = recorder.made[0].histograms
    assert {tag for tag, _ in seen} == {"gradient/a", "gradient/b", "gradient/(model)/a", "gradient/(model)/b"}
    for fields in seen.values():
        assert fields["num"] == sum(fields["bucket_counts"]) == 8
        assert len(fields["bucket_counts"]) == len(fields["bucket_limits"])


def test_without_tensorboard_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(PinndiagError, match=r"pip install 'pinndiag\[tensorboard\]'"):
        TensorBoardSink(MemorySink(header()), tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_itself_reads_it(tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    sink = TensorBoardSink(MemorySink(header()), tmp_path)
    for line in falling(3):
        sink.write(line)
    sink.close()
    found = reading.EventAccumulator(str(tmp_path))
    found.Reload()
    assert [event.value for event in found.Scalars("loss/pde")] == pytest.approx(
        [line.terms["pde"].loss for line in falling(3)]
    )
