"""Run the stages of an analysis: none may cost another its figures, and long experiments use a second core."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, final

import torch

from pinndiag._analysis._plan import Event, Stage
from pinndiag._capture import CapturedTerms
from pinndiag._errors import PinndiagError
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View

__all__ = ["run_stages"]


@final
class _Results:
    """What the stages gave: records, reasons where there is none, and seconds."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.found: dict[str, Any] = {}
        self.reasons: dict[str, str] = {}
        self.seconds: dict[str, float] = {}

    def run(self, stage: Stage, view: View) -> None:
        """Run one stage; what it raises becomes a reason."""
        began = time.perf_counter()
        try:
            self.found[stage.name] = stage.run(view, self.seed)
        except PinndiagError as error:
            self.reasons[stage.name] = error.what + (f" ({error.cause})" if error.cause else "")
        except Exception as error:
            self.reasons[stage.name] = f"the analyzer failed with {type(error).__name__}: {error}"
        self.seconds[stage.name] = time.perf_counter() - began


def run_stages(
    chosen: Sequence[Stage], pinn: PINN, seed: int, progress: Callable[[Event], None] | None
) -> tuple[dict[str, Any], dict[str, str], dict[str, float]]:
    """Records, reasons and seconds of every stage, by name.

    Stages marked `beside` work on copies of their own. For a PINN from a file, and where torch has more than one
    thread, they run in a second thread that takes half of torch's: several small operations at once use two cores
    better than one small operation cut in two. A live PINN calls the user's code, so there all run one after another.
    """
    results = _Results(seed)
    view = View.of(pinn)
    threads = torch.get_num_threads()
    together = threads > 1 and isinstance(pinn.terms, CapturedTerms)
    beside = [stage for stage in chosen if stage.beside] if together else []
    here = [stage for stage in chosen if stage not in beside]
    order = [*here, *beside]

    def announce(stage: Stage) -> None:
        if progress is not None:
            progress(Event(stage.words, order.index(stage), len(order), stage.cost))

    def work() -> None:
        torch.set_num_threads(threads - threads // 2)
        for stage in beside:
            results.run(stage, View(pinn))

    worker = threading.Thread(target=work, daemon=True)  # a daemon: Ctrl-C does not wait for it
    try:
        if beside:
            torch.set_num_threads(threads // 2)
            worker.start()
        for stage in here:
            announce(stage)
            results.run(stage, view)
        if beside:
            announce(beside[-1])
            worker.join()
    finally:
        torch.set_num_threads(threads)
    return results.found, results.reasons, results.seconds
