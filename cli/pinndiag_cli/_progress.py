"""Progress on stderr: a bar on a terminal, sparse lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from pinndiag_cli._streams import note
from pinndiag_reports._names import clean

__all__ = ["Progress", "of_training", "progress"]

SPARSE = 2.0  # seconds between two lines about equal steps, at least, where stderr is not a terminal
SHORT = 1.0  # seconds after which what is under way is worth a line there
AGAIN = 10.0  # seconds after which it is worth another; the pauses grow as it goes on
LONG = 30.0  # seconds of equal steps after which a line is written in any case


class Event(Protocol):
    """A stage is about to begin; `index` counts from 0."""

    @property
    def stage(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def cost(self) -> str: ...


class Progress(Protocol):
    """What a command reports to."""

    def begin(self, what: str) -> None:
        """Something of unknown length begins."""

    def state(self, text: str) -> None:
        """Say something that stays."""

    def stage(self, event: Event) -> None:
        """A stage begins."""

    def steps(self, what: str, done: int, total: int) -> None:
        """So many of so many equal steps are done."""


class Training(Protocol):
    """How far a remediation is; `total` is 0 where something of unknown length begins."""

    @property
    def words(self) -> str: ...
    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...


def of_training(shown: Progress) -> Callable[[Training], None]:
    """What `remediate` reports to."""

    def told(now: Training) -> None:
        if now.total:
            shown.steps(now.words, now.done, now.total)
        else:
            shown.begin(now.words)

    return told


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """The kind of progress that suits stderr; on a terminal nothing of it but the statements stays."""
    if quiet:
        yield _Silent()
    elif not sys.stderr.isatty():
        lines = _Lines()
        ended = threading.Event()
        watcher = threading.Thread(target=lines.watch, args=(ended,), daemon=True)
        watcher.start()
        try:
            yield lines
        finally:
            ended.set()
            watcher.join()
    else:
        with _bar() as bar:
            yield bar


class _Silent:
    def begin(self, what: str) -> None: ...
    def state(self, text: str) -> None: ...
    def stage(self, event: Event) -> None: ...
    def steps(self, what: str, done: int, total: int) -> None: ...


class _Left:
    """How long the rest of equal steps will take, by those that were taken."""

    def __init__(self) -> None:
        self._what, self._began, self._first = "", 0.0, 0

    def words(self, what: str, done: int, total: int) -> str:
        """`training: 120 of 600, about 8 s left`."""
        now = time.monotonic()
        if what != self._what or done < self._first:
            self._what, self._began, self._first = what, now, done
        taken = done - self._first
        said = f"{what}: {done} of {total}"
        if taken > 0 and done < total and now - self._began > 0.5:
            left = (now - self._began) / taken * (total - done)
            said += f", about {left:.0f} s left" if left < 100 else f", about {left / 60:.0f} min left"
        return said


class _Lines:
    """Lines about what takes long: `watch`, in a thread of its own, writes them while the work goes on."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._left, self._tenth = _Left(), ("", 0)
        self._now: tuple[str, float] | None = None  # what is under way, and since when
        self._next = 0.0  # when to speak of it

    def begin(self, what: str) -> None:
        self._set(what)

    def state(self, text: str) -> None:
        note(text)
        self._last = time.monotonic()

    def stage(self, event: Event) -> None:
        self._set(f"[{event.index + 1}/{event.count}] {event.stage} ({event.cost})")

    def _set(self, words: str) -> None:
        now = time.monotonic()
        self._now, self._next = (words, now), now + SHORT

    def watch(self, ended: threading.Event) -> None:
        """Write lines until `ended`."""
        while not ended.wait(SHORT / 4):
            self.look()

    def look(self) -> None:
        """Write a line, if it is time to."""
        under_way, now = self._now, time.monotonic()
        if under_way is None or now < self._next:
            return
        words, since = under_way
        note(words + (f", {now - since:.0f} s so far" if now - since >= AGAIN else ""))
        self._next = now + max(AGAIN, now - since)

    def steps(self, what: str, done: int, total: int) -> None:
        self._now = None
        words = self._left.words(what, done, total)
        now, tenth = time.monotonic(), (what, 10 * done // max(total, 1))
        passed = now - self._last
        if passed >= LONG or (passed >= SPARSE and tenth != self._tenth):
            note(words)
            self._last, self._tenth = now, tenth


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (SpinnerColumn(), BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
    with Bar(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        left = _Left()

        class OnTerminal:
            def begin(self, what: str) -> None:
                bar.update(task, description=clean(what))

            def state(self, text: str) -> None:
                bar.console.print(clean(text), markup=False, highlight=False)

            def stage(self, event: Event) -> None:
                words = f"{event.index + 1}/{event.count} {event.stage} ({event.cost})"
                bar.update(task, total=event.count, completed=event.index, description=clean(words))

            def steps(self, what: str, done: int, total: int) -> None:
                bar.update(task, total=total, completed=done, description=clean(left.words(what, done, total)))

        yield OnTerminal()
