"""Run several trainings, one after another or in processes of their own."""

from __future__ import annotations

import functools
import math
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from pinndiag._checkpoint import load
from pinndiag._records import ArmRun, DiagnosisRecord, PointWeights
from pinndiag._remediate._measure import diagnosed, measured, point_weights
from pinndiag._remediate._training import Plan, State, advance
from pinndiag._terms._pinn import PINN

__all__ = ["Lane", "Result", "run"]

OFTEN = 20  # steps between two signs of life of a process
PIECES = 4  # of a lane, where there are more lanes than processes: the last process is not left alone for a whole one


@final
@dataclass(eq=False)
class Result:
    """What a finished training came to.

    Attributes:
        run: losses, error, history.
        diagnosis: of the trained network, where it was asked for.
        points: per-point weights at the end.
    """

    run: ArmRun
    diagnosis: DiagnosisRecord | None
    points: list[PointWeights]


@final
@dataclass(eq=False)
class Lane:
    """A training, and where it is.

    Attributes:
        plan: what is trained.
        diagnose: whether the trained network is diagnosed.
        state: where it is; None before it began.
        result: what it came to at the last step it was run to.
    """

    plan: Plan
    diagnose: bool = False
    state: State | None = None
    result: Result | None = None

    @property
    def step(self) -> int:
        """Steps taken."""
        return 0 if self.state is None else self.state.step


def run(pinn: PINN, lanes: Sequence[Lane], until: int, jobs: int, told: Callable[[int], None]) -> None:
    """Bring every lane to step `until` and measure it there; a lane is changed when it has arrived.

    Args:
        pinn: what is trained; it is not changed.
        lanes: the trainings.
        until: the step they are brought to.
        jobs: processes; 1 trains in this one.
        told: called now and then with the steps taken in all.
    """
    waiting = [lane for lane in lanes if lane.step < until or lane.result is None]
    if jobs > 1 and len(waiting) > 1:
        _in_processes(pinn, waiting, until, min(jobs, len(waiting)), told)
        return
    done = 0
    for lane in waiting:
        before = lane.step

        def step(now: int, before: int = before, done: int = done) -> None:
            told(done + now - before)

        lane.state, lane.result = _piece(pinn, lane.plan, lane.state, until, step, diagnose=lane.diagnose, last=True)
        done += until - before


def _piece(
    pinn: PINN, plan: Plan, state: State | None, until: int, told: Callable[[int], None], *, diagnose: bool, last: bool
) -> tuple[State, Result | None]:
    """Some steps, and what they came to if they are the last ones asked for."""
    now, twin = advance(pinn, plan, state, until, told)
    if not last:
        return now, None
    record = measured(twin, now, plan.seed)
    whole = diagnose and until == plan.steps and record.finite
    diagnosis = diagnosed(twin, plan.key, whole=False) if whole else None
    return now, Result(record, diagnosis, point_weights(twin, now.points))


def _in_processes(pinn: PINN, lanes: Sequence[Lane], until: int, jobs: int, told: Callable[[int], None]) -> None:
    """All lanes at once, cut into pieces where they do not come out even: a process takes whichever is behind."""
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    pieces = PIECES if len(lanes) % jobs else 1
    size = max(math.ceil((until - lane.step) / pieces) for lane in lanes)
    with _stored(pinn) as path, context.Manager() as manager:
        steps: MutableMapping[int, int] = manager.dict({place: lane.step for place, lane in enumerate(lanes)})
        before = sum(lane.step for lane in lanes)
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            waiting, running = list(range(len(lanes))), dict[Future[tuple[State, Result | None]], int]()
            try:
                while waiting or running:
                    while waiting and len(running) < jobs:
                        place = min(waiting, key=lambda place: (lanes[place].step, place))
                        waiting.remove(place)
                        lane = lanes[place]
                        end = min(lane.step + size, until)
                        task = (lane.plan, lane.state, end, lane.diagnose, end == until)
                        running[pool.submit(_worker, path, *task, steps, place)] = place
                    for future in wait(running, timeout=0.5, return_when=FIRST_COMPLETED)[0]:
                        place = running.pop(future)
                        lanes[place].state, lanes[place].result = future.result()
                        if lanes[place].result is None:
                            waiting.append(place)
                    told(sum(steps.values()) - before)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    process.terminate()
                raise


def _worker(
    path: Path,
    plan: Plan,
    state: State | None,
    until: int,
    diagnose: bool,
    last: bool,
    steps: MutableMapping[int, int],
    place: int,
) -> tuple[State, Result | None]:
    torch.set_num_threads(1)  # networks of this size wait for a second one longer than it helps

    def told(step: int) -> None:
        if step % OFTEN == 0 or step == until:
            steps[place] = step

    return _piece(_loaded(path), plan, state, until, told, diagnose=diagnose, last=last)


@functools.cache
def _loaded(path: Path) -> PINN:
    """The PINN of a file, once in each process; a training changes copies of it only."""
    return load(path)


@contextmanager
def _stored(pinn: PINN) -> Iterator[Path]:
    """The PINN in a file, for processes to read."""
    with tempfile.TemporaryDirectory(prefix="pinndiag-") as folder:
        yield pinn.save(Path(folder) / "pinn.pt")
