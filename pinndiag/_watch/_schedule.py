"""When something is measured: every so many steps, or as a function of the step says."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, SupportsIndex, final

from torch.profiler import ProfilerAction

from pinndiag._errors import PinndiagError

__all__ = ["Schedule"]


@final
@dataclass(frozen=True)
class Schedule:
    """Which steps are measured.

    Attributes:
        words: the rule, for the run's header.
        due: whether a step is measured.
        never: nothing ever is.
    """

    words: str
    due: Callable[[int], bool]
    never: bool = False

    @staticmethod
    def of(value: SupportsIndex | Callable[[int], Any], what: str) -> Schedule:
        """What the user gave: a number of steps (0: never), or a function of the step.

        A function answers with a truth value, or with a `torch.profiler.ProfilerAction`, so that
        `torch.profiler.schedule(wait=..., warmup=..., active=...)` is one; its steps to record are measured.

        Raises:
            PinndiagError: neither.

        >>> Schedule.of(100, "every").due(200), Schedule.of(0, "every").due(0)
        (True, False)
        """
        if callable(value):
            return Schedule("a function of the step", lambda step: _recorded(value(step)))
        steps = -1 if isinstance(value, bool) or not isinstance(value, SupportsIndex) else operator.index(value)
        if steps < 0:
            raise PinndiagError(
                f"{what}= is not a number of steps",
                where=f"got {value!r}",
                cause="it says after how many steps something is measured again",
                fix=f"pass {what}=100, {what}=0 for never, or a function of the step such as torch.profiler.schedule",
            )
        if steps == 0:
            return Schedule("never", lambda step: False, never=True)
        words = "every step" if steps == 1 else f"every {steps} steps"
        return Schedule(words, lambda step: step % steps == 0)


def _recorded(answer: Any) -> bool:
    if isinstance(answer, ProfilerAction):
        return answer in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
    return bool(answer)
