"""Which optimizer step a call of a scheme belongs to."""

from __future__ import annotations

import weakref
from typing import Any, final

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

__all__ = ["Calls", "stepping"]


@final
class Calls:
    """The steps of a scheme that is called as a loss.

    Each call is a step, but those from a closure within one step of an optimizer (L-BFGS) are one. Of an optimizer that
    is known, the steps count: the calls between two of them are one.

    Args:
        optimizer: whose steps count, or None.
    """

    def __init__(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        self.next = 0
        self._last = -1  # step of the last call
        self._inside = -1  # number of the optimizer step that the last call lay in
        self._optimizer = None if optimizer is None else weakref.ref(optimizer)
        if optimizer is not None:
            known = weakref.ref(self)

            def stepped(*_: Any) -> None:
                alive = known()
                if alive is not None:
                    alive.next += 1

            optimizer.register_step_post_hook(stepped)

    @property
    def optimizer(self) -> torch.optim.Optimizer | None:
        """Whose steps count."""
        return None if self._optimizer is None else self._optimizer()

    def place(self) -> tuple[int, bool]:
        """The step of a call that begins, and whether an earlier call belongs to the same."""
        now, counted = stepping(), self.optimizer
        inside, self._inside = self._inside, -1 if now is None else _number
        if counted is not None and now in (None, counted):
            again, self._last = self._last == self.next, self.next
        else:
            again = self._last >= 0 and now is not None and inside == _number
            self._last = self._last if again else self.next
            self.next = self._last + 1
        return self._last, again

    def begin(self, step: int) -> None:
        """Go on at that step."""
        self.next, self._last, self._inside = step, -1, -1

    def __getstate__(self) -> dict[str, Any]:
        """A copy counts its own calls: no optimizer knows it."""
        return {"next": self.next, "_last": -1, "_inside": -1, "_optimizer": None}


_number = 0  # of all steps of all optimizers of this process
_stepping: weakref.ref[torch.optim.Optimizer] | None = None


def stepping() -> torch.optim.Optimizer | None:
    """The optimizer whose closure is being evaluated; None outside of `optimizer.step(closure)`.

    After a closure that raised, its optimizer until the next step of any.
    """
    return None if _stepping is None else _stepping()


def _begun(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    global _number, _stepping
    _number, _stepping = _number + 1, weakref.ref(optimizer)


def _ended(*_: Any) -> None:
    global _stepping
    _stepping = None


# for every optimizer, since a scheme that is called as a loss is told of none; some microseconds a step
register_optimizer_step_pre_hook(_begun)
register_optimizer_step_post_hook(_ended)
