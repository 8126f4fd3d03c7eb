"""The account of a watched training: records on their way out, time spent, and what went wrong."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import msgspec
import torch

from pinndiag._engine import Evaluation
from pinndiag._errors import PinndiagError
from pinndiag._records import EventLine, Line, OptimizerCard, RunTerm
from pinndiag._store import LANCZOS, Sink
from pinndiag._terms._look import reach
from pinndiag._watch._pending import Pending, flush
from pinndiag.linalg import LanczosResult

__all__ = ["Ledger"]

# seconds between two writings of what is needed to go on; at least so many times what one takes; and at most
STATE_EVERY, STATE_COST, STATE_SELDOM = 1.0, 500.0, 30.0


@final
class Ledger:
    """Takes measurements, brings them over in batches, writes them, and keeps the time.

    Args:
        sink: where records go; None in a process that does not write.
        waiting: most measurements that wait for one transfer.
    """

    def __init__(self, sink: Sink | None, waiting: int) -> None:
        self.sink = sink
        self._waiting = waiting
        self._pending: list[Pending] = []
        self._told: set[str] = set()
        self._began = self._last = time.perf_counter()
        self._state_due = self._began
        self._spent = 0.0

    @property
    def time(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self._began

    def go_on(self, seconds: float) -> None:
        """The run had lasted for `seconds` before."""
        self._began -= seconds

    def share(self) -> float | None:
        """Share of the wall time since the last call that was spent in watching."""
        now = time.perf_counter()
        passed, spent = now - self._last, self._spent
        self._last, self._spent = now, 0.0
        return min(1.0, spent / passed) if passed > 0 else None

    def measuring(self, what: str, step: int) -> _Measuring:
        """A block of measuring: its time is kept, and whatever it raises does not reach the training.

        It is recorded and shown, once for each kind of measurement.
        """
        return _Measuring(self, what, step)

    def add(self, entry: Pending) -> None:
        """Take a measurement; it is written when enough wait, on the CPU at once."""
        self._pending.append(entry)
        if len(self._pending) >= self._waiting or entry.layers:
            self.flush()

    def flush(self) -> None:
        """Write everything that waits."""
        entries, self._pending = self._pending, []
        if self.sink is not None and entries:
            flush(entries, self.sink)

    def write(self, line: Line) -> None:
        """Write a record, after those that wait."""
        self.flush()
        if self.sink is not None:
            self.sink.write(line)

    def coefficients(self, step: int, processes: Mapping[str, LanczosResult]) -> str:
        """Keep the Lanczos coefficients of a step; returns where they are."""
        if self.sink is None or not processes:
            return ""
        rows = {
            LANCZOS + name: torch.tensor([found.diagonal, found.off_diagonal], dtype=torch.float64)
            for name, found in processes.items()
        }
        return self.sink.arrays(f"lanczos-{step:09d}", rows, {"step": str(step)})

    def event(self, event: str, text: str, step: int) -> None:
        """Record something that happened once."""
        self.write(EventLine(step=step, event=event, text=text, time=self.time))

    def complain(self, text: str, step: int) -> None:
        """Record that something looks wrong, and show it; each text once."""
        if text not in self._told:
            self.event("warning", text, step)
            self.once(text, f"pinndiag, step {step}: {text}")

    def once(self, what: str, text: str) -> None:
        """Show something the first time that it happens."""
        if what not in self._told:
            self._told.add(what)
            warnings.warn(text, RuntimeWarning, stacklevel=2)

    def terms(self, evaluation: Evaluation) -> None:
        """Enter terms that came for the first time into the header."""
        if self.sink is None:
            return
        known = self.sink.header.terms
        early = all(term.since >= evaluation.step for term in known.values())
        new = {
            name: RunTerm(
                kind="loss" if output.ndim == 0 else "residual",
                shape=list(output.shape),
                since=evaluation.step,
                reached=reach(output, evaluation.parameters),
            )
            for name, output in evaluation.outputs.items()
            if name not in known
        }
        if new and not early:
            for name in new:
                self.event("term", f"the term {name!r} came", evaluation.step)
        if new:
            self.sink.update(msgspec.structs.replace(self.sink.header, terms={**known, **new}))

    def optimizers(self, cards: Sequence[OptimizerCard]) -> None:
        """Enter other optimizers into the header."""
        if self.sink is not None:
            self.sink.update(msgspec.structs.replace(self.sink.header, optimizers=list(cards)))

    def state(self, state: Callable[[], Mapping[str, Any]], *, now: bool = False) -> None:
        """Keep what is needed to go on: every second or so, less often where that takes long, or now."""
        began = time.perf_counter()
        if self.sink is not None and (now or began >= self._state_due):
            self.sink.state({**state(), "seconds": self.time})
            after = time.perf_counter()
            self._state_due = after + min(max(STATE_EVERY, STATE_COST * (after - began)), STATE_SELDOM)

    def spent(self, seconds: float) -> None:
        """Time went into watching."""
        self._spent += seconds

    def failed(self, what: str, step: int, error: Exception) -> None:
        """Record that something could not be measured, and show it; once for each kind."""
        if what in self._told:
            return
        self._told.add(what)
        words = error.what if isinstance(error, PinndiagError) else f"{type(error).__name__}: {error}"
        text = f"{what} failed: {words}"
        try:
            self.event("analyzer_failed", text, step)
        except Exception as second:  # the disk may be the reason
            text += f" (and could not be recorded: {second})"
        warnings.warn(f"pinndiag, step {step}: {text}; the training goes on without it", RuntimeWarning, stacklevel=2)


@final
class _Measuring:
    """As `Ledger.measuring` says; a class, for a generator costs several times as much at every step."""

    __slots__ = ("_began", "_ledger", "_step", "_what")

    def __init__(self, ledger: Ledger, what: str, step: int) -> None:
        self._ledger, self._what, self._step = ledger, what, step

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if isinstance(error, Exception):
            self._ledger.failed(self._what, self._step, error)
        self._ledger.spent(time.perf_counter() - self._began)
        return isinstance(error, Exception)


def loaded(path: Any) -> dict[str, Any]:
    """What `Ledger.state` wrote; empty where there is none."""
    if not path.is_file():
        return {}
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # whatever a damaged or foreign file makes of the reader
        raise PinndiagError(
            f"{path} cannot be read",
            where=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            cause="the file is damaged, or is not what pinndiag wrote",
            fix="remove it to go on after the last record with a fresh state of the scheme",
        ) from None
    return state
