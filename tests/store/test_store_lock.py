"""One writer a run folder; a dead one holds nothing, whatever its number is given to later."""

from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pinndiag import PinndiagError
from pinndiag._store import RunWriter, read_run
from pinndiag._store._lock import SILENT, Lock, alive
from tests.store.runs import CLOSED, header, put


def written(path: Path, **fields: object) -> Path:
    path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "born": "", **fields}))
    return path


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_writer_that_is_closed_again_leaves_the_next_one_its_lock(tmp_path: Path) -> None:
    first = RunWriter(tmp_path / "run", header())
    first.close()
    second = RunWriter(tmp_path / "run", header(), resume=True)
    first.close()  # as when a watch that was closed is thrown away
    assert alive(second.layout.lock)
    with pytest.raises(PinndiagError, match="this process is writing the run"):
        RunWriter(tmp_path / "run", header(), resume=True)
    second.close()
    assert not second.layout.lock.exists()


def test_a_second_writer_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    first = RunWriter(tmp_path / "run", header())
    text = first.layout.header.read_text()
    for options in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(PinndiagError, match="this process is writing the run") as raised:
            RunWriter(tmp_path / "run", header(("other",)), **options)
        assert "watch.close()" in raised.value.fix
    first.write(CLOSED)
    assert first.layout.header.read_text() == text
    assert alive(first.layout.lock)
    first.close()
    assert not first.layout.lock.exists()
    assert alive(first.layout.lock) is None
    RunWriter(tmp_path / "run", header(), resume=True).close()


def test_another_process_is_refused(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from pinndiag._store._lock import Lock\n"
        "lock = Lock(Path(sys.argv[1])); print('has it', flush=True); time.sleep(100)"
    )
    path = tmp_path / "writer.lock"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
        assert alive(path)
        with pytest.raises(
            PinndiagError, match=f"process {process.pid} on {socket.gethostname()} is writing"
        ) as raised:
            Lock(path)
        assert "stop the other training" in raised.value.fix
        process.kill()
    assert alive(path) is False
    lock = Lock(path)
    assert lock.dead == f"process {process.pid} on {socket.gethostname()}"
    lock.release()


def test_a_number_that_was_given_to_another_process_holds_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "writer.lock", pid=os.getppid(), born="1")
    if not Path("/proc/self/stat").exists():
        pytest.skip("the system does not tell when a process began")
    assert alive(path) is False
    Lock(path).release()


def test_a_lock_of_this_process_that_nobody_has_any_more_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "writer.lock"
    lock = Lock(path)
    del lock
    gc.collect()
    assert path.exists()
    again = Lock(path)
    assert again.dead
    again.release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}'])
def test_what_cannot_be_read_is_waited_for_and_then_taken(tmp_path: Path, text: str) -> None:
    path = tmp_path / "writer.lock"
    path.write_text(text)  # perhaps it is being written just now
    with pytest.raises(PinndiagError, match="another process is writing"):
        Lock(path)
    os.utime(path, (time.time() - 60, time.time() - 60))
    Lock(path).release()


def test_another_machine_is_believed_while_it_gives_signs(tmp_path: Path) -> None:
    path = written(tmp_path / "writer.lock", pid=ended_process(), host="elsewhere")
    with pytest.raises(PinndiagError, match="on elsewhere is writing") as raised:
        Lock(path)
    assert "10 minutes after its last sign of life" in raised.value.fix
    past = time.time() - SILENT - 1
    os.utime(path, (past, past))
    lock = Lock(path)
    assert "elsewhere" in lock.dead
    os.utime(path, (past, past))
    lock.beat()
    assert time.time() - path.stat().st_mtime < 60
    lock.release()


def test_a_lock_that_another_one_took_is_not_given_back(tmp_path: Path) -> None:
    path = tmp_path / "writer.lock"
    lock = Lock(path)
    written(path, pid=1)
    lock.release()
    assert path.exists()


def test_a_run_that_died_is_told_of_when_it_is_replaced(tmp_path: Path) -> None:
    folder = put(tmp_path / "run", [])
    written(folder / "writer.lock", pid=ended_process())
    with pytest.warns(RuntimeWarning, match="had begun a run in .* and died; it is replaced"):
        RunWriter(folder, header(), overwrite=True).close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_writes_nothing_and_gives_nothing_back(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "run", header())
    child = os.fork()
    if child == 0:
        try:
            writer.write(CLOSED)
        except PinndiagError:
            writer.close()
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert writer.layout.lock.exists()
    assert writer.layout.records.read_bytes() == b""
    writer.close()


def test_a_run_is_known_to_be_written_or_killed(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "run", header())
    assert read_run(tmp_path / "run").alive is True
    written(writer.layout.lock, pid=ended_process())
    assert read_run(tmp_path / "run").alive is False
    writer.layout.lock.unlink()
    assert read_run(tmp_path / "run").alive is None  # copied from elsewhere, say
    writer.write(CLOSED)
    writer.close()
    assert read_run(tmp_path / "run").alive is False


def test_a_folder_that_holds_no_run_keeps_its_files(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    RunWriter(tmp_path, header()).close()
    assert (tmp_path / "report.html").read_text() == "mine"
