"""A run folder is read while it is written, after a kill, and whatever a stranger left in it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pinndiag import PinndiagError
from pinndiag._records import EventLine, HistogramLine, to_plain
from pinndiag._store import Following, RunWriter, read_run
from pinndiag._store._tail import LINE_LIMIT, Tail
from tests.store.runs import CLOSED, curvature, edited, falling, header, put, step


def histogram(index: int, file: str) -> HistogramLine:
    return HistogramLine(
        step=index, time=0.0, terms=["pde"], layers={"net": 81}, file=file, losses={"pde": 1.0}, weights={"pde": 1.0}
    )


def test_everything_that_was_written_is_read(tmp_path: Path) -> None:
    lines = [*falling(5), curvature(2), CLOSED]
    run = read_run(put(tmp_path / "run", lines))
    assert [run.steps.at(i) for i in range(5)] == lines[:5]
    assert run.curvature == [lines[5]]
    assert run.events == [CLOSED]
    assert (run.ended, run.notes, run.last_step) == (True, [], 4)


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_torn_last_line_is_left_out_and_said(tmp_path: Path, cut: int) -> None:
    put(tmp_path / "run", falling(5))
    run = read_run(edited(tmp_path / "run", lambda data: data[:-cut]))
    if cut == 1:  # all of it but the newline
        assert len(run.steps) == 5
        assert run.notes == []
    else:
        assert len(run.steps) == 4
        assert run.notes == ["the last record is not whole and was left out: the process was killed, or is writing it"]
    assert not run.ended


def test_a_line_that_is_finished_later_is_read_then(tmp_path: Path) -> None:
    path = put(tmp_path / "run", falling(3)) / "records.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    following = Following(tmp_path / "run")
    assert len(following.run.steps) == 2
    assert following.advance() == 0
    path.write_bytes(whole)
    assert following.advance() == 1
    assert following.run.notes == []
    assert [following.run.steps.at(i) for i in range(3)] == falling(3)
    with path.open("ab") as file:
        file.write(json.dumps(to_plain(CLOSED)).encode() + b"\n")
    assert following.advance() == 1
    assert following.run.ended


def test_a_run_that_was_begun_anew_is_read_anew(tmp_path: Path) -> None:
    put(tmp_path / "run", falling(50))
    following = Following(tmp_path / "run")
    writer = RunWriter(tmp_path / "run", header(("other",)), overwrite=True)
    writer.write(step(0, {"other": 1.0}, {"other": 2.0}))
    assert following.advance() == 1
    assert following.run.steps.names == ["other"]
    assert list(following.run.header.terms) == ["other"]
    assert len(following.run.steps) == 1
    writer.close()


@pytest.mark.parametrize(
    "bad",
    [
        b"not json",
        b'{"kind":"step"}',
        b'{"kind":"another","step":1}',
        b'{"step":1}',
        b"[1,2]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"kind":"event","step":-1,"event":"x","text":""}',
        b'{"kind":"event","step":99999999999999999999,"event":"x","text":""}',
        b'{"kind":"event","step":"NaN","event":"x","text":""}',
    ],
)
def test_a_line_that_cannot_be_read_is_counted_and_the_rest_is_kept(tmp_path: Path, bad: bytes) -> None:
    put(tmp_path / "run", [*falling(4), CLOSED])
    run = read_run(edited(tmp_path / "run", lambda data: data.replace(b"\n", b"\n" + bad + b"\n\n", 2)))
    assert len(run.steps) == 4
    assert run.ended
    assert run.notes == ["2 records could not be read and were left out"]


@pytest.mark.parametrize("ended", [True, False])
def test_a_line_without_end_takes_no_memory_and_hides_nothing(tmp_path: Path, ended: bool) -> None:
    put(tmp_path / "run", falling(4))
    path = tmp_path / "run" / "records.jsonl"
    with path.open("ab") as file:
        file.seek(3 * LINE_LIMIT, 2)  # a hole: no disk, 48 MB to read
        file.write(b"x\n" if ended else b"x")
    if ended:
        with path.open("ab") as file:
            file.write(json.dumps(to_plain(CLOSED)).encode() + b"\n")
    tail = Tail(path)
    assert [line.step for line in tail.new()] == [0, 1, 2, 3, *([99] if ended else [])]
    assert tail.damaged == ended


def test_a_resumed_run_replaces_what_came_after(tmp_path: Path) -> None:
    early, late = falling(10), falling(10, lr=5e-4)
    lines = [*early, curvature(3), curvature(8), EventLine(step=6, event="resumed", text="goes on"), *late[6:]]
    run = read_run(put(tmp_path / "run", lines))
    assert [run.steps.at(i) for i in range(10)] == [*early[:6], *late[6:]]
    assert [line.step for line in run.curvature] == [3]


def test_a_resumed_run_keeps_its_beginning(tmp_path: Path) -> None:
    put(tmp_path / "run", falling(3), header(("pde", "bc"), created="2026-01-01T00:00:00+00:00"))
    writer = RunWriter(tmp_path / "run", header((), created="2026-02-02T00:00:00+00:00", name="again"), resume=True)
    assert read_run(tmp_path / "run").header.name == "heat"  # nothing was written yet
    writer.write(EventLine(step=3, event="resumed", text="goes on"))
    writer.close()
    assert writer.header.created == "2026-01-01T00:00:00+00:00"
    assert list(writer.header.terms) == ["pde", "bc"]
    assert read_run(tmp_path / "run").header == writer.header
    assert writer.header.name == "again"


def test_records_out_of_order_are_left_out(tmp_path: Path) -> None:
    lines = falling(6)
    run = read_run(put(tmp_path / "run", [*lines[:4], lines[1], lines[2], lines[3], *lines[4:]]))
    assert run.steps.steps.tolist() == [0, 1, 2, 3, 3, 4, 5]  # two of one step: the first was skipped by a scaler
    assert run.notes == ["2 records out of order left out"]


def test_nan_and_infinities_make_the_round_trip(tmp_path: Path) -> None:
    odd = {"pde": math.nan, "bc": math.inf, "ic": -math.inf}
    written = step(0, odd, odd, rel_l2=math.nan, lr=math.inf, alignment=math.nan)
    path = put(tmp_path / "run", [written]) / "records.jsonl"
    assert "null" not in path.read_text()
    assert json.loads(path.read_text())["terms"]["pde"]["loss"] == "NaN"
    found = read_run(tmp_path / "run").steps.at(0)
    assert to_plain(found) == to_plain(written)
    assert found.rel_l2 is not None
    assert math.isnan(found.rel_l2)


@pytest.mark.parametrize("file", ["../../secret.safetensors", "/etc/passwd", "arrays/../../x", "arrays/link", "arrays"])
def test_arrays_are_read_from_their_folder_only(tmp_path: Path, file: str) -> None:
    put(tmp_path / "run", [histogram(0, file)])
    save_file({"figures ": torch.ones(2, 7)}, tmp_path / "secret.safetensors")
    (tmp_path / "run" / "arrays" / "link").symlink_to(tmp_path / "secret.safetensors")
    run = read_run(tmp_path / "run")
    with pytest.raises(PinndiagError, match="the arrays of step 0 cannot be read"):
        run.gradients(run.histograms[0])


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0garbage!", b"\xff" * 64, None])
def test_arrays_that_are_missing_or_damaged_are_said(tmp_path: Path, content: bytes | None) -> None:
    put(tmp_path / "run", [histogram(0, "arrays/h.safetensors")])
    if content is not None:
        (tmp_path / "run" / "arrays" / "h.safetensors").write_bytes(content)
    run = read_run(tmp_path / "run")
    with pytest.raises(PinndiagError, match="cannot be read"):
        run.gradients(run.histograms[0])


def test_arrays_of_another_run_do_not_fit(tmp_path: Path) -> None:
    put(tmp_path / "run", [histogram(0, "arrays/h.safetensors")])
    save_file({"figures ": torch.ones(1, 1)}, tmp_path / "run" / "arrays" / "h.safetensors")
    run = read_run(tmp_path / "run")
    with pytest.raises(PinndiagError, match="do not fit the run"):
        run.gradients(run.histograms[0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is not the folder of a run"),
        ("{", "is not the folder of a run"),
        ("[]", "is not the folder of a run"),
        ("{}", "is not the folder of a run"),
        ("[" * 100_000, "is not the folder of a run"),
        ('{"schema": "pinndiag.run/99"}', "was written by another version"),
        ('{"schema": "pinndiag.run/1"}', "is damaged"),
    ],
)
def test_another_folder_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(PinndiagError, match=words) as raised:
        read_run(tmp_path)
    assert raised.value.fix


def test_an_empty_run_is_a_run(tmp_path: Path) -> None:
    run = read_run(put(tmp_path / "run", []))
    assert (len(run.steps), run.last_step, run.ended, run.notes) == (0, -1, False, [])
    (tmp_path / "run" / "records.jsonl").unlink()
    assert len(read_run(tmp_path / "run").steps) == 0
