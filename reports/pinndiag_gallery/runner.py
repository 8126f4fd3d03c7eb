"""Train what a story asks for and is not there yet."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import final

from pinndiag_gallery import store
from pinndiag_gallery.cost import measure_rates
from pinndiag_gallery.overhead import overheads
from pinndiag_gallery.results import Results, Run
from pinndiag_gallery.stories import STORIES
from pinndiag_gallery.story import Arm, Story
from pinndiag_gallery.training import trained

__all__ = ["run", "stored"]


@final
@dataclass(frozen=True)
class Job:
    """A run that is to be made; small enough to be handed to a process."""

    story: str
    full: bool
    arm: str
    seed: int
    folder: Path

    def __call__(self) -> None:
        """Train it and write it, unless another process did."""
        arm = STORIES[self.story](full=self.full).arm(self.arm)
        path = store.place(self.folder, arm, self.seed)
        if path.exists():
            return
        began = time.perf_counter()
        run = trained(arm, self.seed)
        store.write(path, run)
        took = time.perf_counter() - began
        print(
            f"{self.story} {arm.key} seed {self.seed}: error {run.late:.3g}, {run.seconds:.0f} s CPU, {took:.0f} s",
            file=sys.stderr,
            flush=True,
        )


def run(names: Sequence[str], *, full: bool, folder: Path, jobs: int, most: int | None = None) -> None:
    """Train what is missing of some stories: one seed of every arm of all of them, then the next.

    Args:
        names: of the stories.
        full: the published sizes.
        folder: where runs are kept.
        jobs: processes, with one torch thread each.
        most: seeds of an arm; None for those of the story.
    """
    arms = [(name, arm) for name in names for arm in STORIES[name](full=full).arms]
    wanted = [
        Job(name, full, arm.key, seed, folder)
        for seed in range(most or max(arm.seeds for _, arm in arms))
        for name, arm in arms
        if seed < arm.seeds and not store.place(folder, arm, seed).exists()
    ]
    if jobs == 1:
        for job in wanted:
            job()
    elif wanted:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            for done in [pool.submit(job) for job in wanted]:
                done.result()
    for name in names:  # alone: a process beside it would disturb it
        _time(name, full=full, folder=folder)
        measure_rates(STORIES[name](full=True), folder)


def stored(story: Story, folder: Path) -> Results:
    """What there is of a story."""
    found = {
        arm.key: [
            run for seed in range(arm.seeds) if (run := store.known(store.place(folder, arm, seed), Run)) is not None
        ]
        for arm in story.arms
    }
    timed = store.known(store.place_of_overheads(folder, _timed(story)), dict[str, float])
    return Results({key: runs for key, runs in found.items() if runs}, timed or {})


def _timed(story: Story) -> list[Arm]:
    return [story.arm(key) for key in story.timed]


def _time(name: str, *, full: bool, folder: Path) -> None:
    """Measure the overhead of a story's schemes, unless it is known."""
    arms = _timed(STORIES[name](full=full))
    path = store.place_of_overheads(folder, arms)
    if arms and not path.exists():
        store.write(path, overheads(arms))
