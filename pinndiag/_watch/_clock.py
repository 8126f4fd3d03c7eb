"""Count optimizer steps, and tell which evaluations of the loss belong to one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final
from weakref import WeakMethod, WeakSet

import torch
from torch.utils.hooks import RemovableHandle

__all__ = ["Clock", "weakly"]

Ended = Callable[[torch.optim.Optimizer | None, bool], None]


@final
class Clock:
    """The optimizer's step, counted by its own hooks.

    Evaluations outside of `optimizer.step()` are micro-batches of the step to come; inside, where a closure calls for
    them, only the first belongs to the step's record (L-BFGS evaluates many times, away from where the step began).
    Of several optimizers that step on one evaluation, the first counts.

    Args:
        optimizers: those in use; without any, `tick` counts.
        ended: called at the end of a step, with the optimizer and whether it was taken: a gradient scaler tells a fused
            optimizer to leave it out.

    Attributes:
        optimizers: those in use now.
        step: optimizer steps taken so far.
        evaluations: evaluations since the last step.
    """

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer], ended: Ended) -> None:
        self.step = 0
        self.evaluations = 0
        self.optimizers = list(optimizers)
        self._inside: torch.optim.Optimizer | None = None
        self._within = 0
        self._ended = ended
        self._handles: list[RemovableHandle] = []
        self._known: WeakSet[torch.optim.Optimizer] = WeakSet()
        self.open()

    def open(self) -> None:
        """Put the hooks on the optimizers, if they are not there."""
        for optimizer in self.optimizers:
            if optimizer not in self._known:
                self._hook(optimizer)

    def follows(self, optimizer: torch.optim.Optimizer) -> bool:
        """Whether its steps count."""
        return optimizer in self._known

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Count the steps of this one, too; it takes the others' place."""
        self.optimizers = [optimizer]
        self._hook(optimizer)

    def evaluated(self) -> None:
        """The loss is about to be evaluated."""
        self.evaluations += 1
        self._within += self.inside

    @property
    def inside(self) -> bool:
        """Whether an optimizer is evaluating a closure."""
        return self._inside is not None

    @property
    def first(self) -> bool:
        """Whether the present evaluation is the first of its step."""
        return self.evaluations == 1

    @property
    def counted(self) -> bool:
        """Whether the present evaluation belongs into the record of the step."""
        return self._within <= 1

    def abandon(self, evaluations: int = 0) -> None:
        """The step that all but the last `evaluations` belonged to will not be taken."""
        self.evaluations = evaluations

    def tick(self, optimizer: torch.optim.Optimizer | None = None, *, taken: bool = True) -> None:
        """The step under way is over."""
        if self.evaluations == 0:  # another optimizer has counted it
            return
        self._ended(optimizer, taken)
        self.step += taken
        self.evaluations = 0

    def close(self) -> None:
        """Take the hooks off the optimizers."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._known, self._inside = [], WeakSet(), None

    def _hook(self, optimizer: torch.optim.Optimizer) -> None:
        self._known.add(optimizer)
        self._handles.append(optimizer.register_step_pre_hook(weakly(self._before)))
        self._handles.append(optimizer.register_step_post_hook(weakly(self._after)))

    def _before(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self._inside, self._within = optimizer, 0

    def _after(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self._inside, self._within = None, 0
        found = getattr(optimizer, "found_inf", None)  # what a gradient scaler tells a fused optimizer
        self.tick(optimizer, taken=not (isinstance(found, torch.Tensor) and bool(found)))


def weakly(method: Callable[..., None]) -> Callable[..., None]:
    """A hook that does not keep the method's object alive: an optimizer may outlive the watch."""
    known = WeakMethod(method)

    def call(*given: Any) -> None:
        alive = known()
        if alive is not None:
            alive(*given)

    return call
