"""Count optimizer steps, and tell which evaluations of the loss belong to one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final
from weakref import WeakSet

import torch
from torch.utils.hooks import RemovableHandle

__all__ = ["Clock"]


@final
class Clock:
    """The optimizer's step, counted by its own hooks.

    Evaluations outside of `optimizer.step()` are micro-batches of the step to come; inside, where a closure calls for
    them, only the first belongs to the step's record (L-BFGS evaluates many times, away from where the step began).
    Of several optimizers that step on one evaluation, the first counts.

    Args:
        optimizers: those in use; without any, `tick` counts.
        stepped: called after a step was taken, with the optimizer that took it.

    Attributes:
        optimizers: those in use now.
        step: optimizer steps taken so far.
        inside: an optimizer is evaluating a closure.
        evaluations: evaluations since the last step.
    """

    def __init__(
        self, optimizers: Sequence[torch.optim.Optimizer], stepped: Callable[[torch.optim.Optimizer | None], None]
    ) -> None:
        self.step = 0
        self.inside = False
        self.evaluations = 0
        self.optimizers = list(optimizers)
        self._within = 0
        self._stepped = stepped
        self._handles: list[RemovableHandle] = []
        self._known: WeakSet[torch.optim.Optimizer] = WeakSet()
        for optimizer in optimizers:
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
    def first(self) -> bool:
        """Whether the present evaluation is the first of its step."""
        return self.evaluations == 1

    @property
    def counted(self) -> bool:
        """Whether the present evaluation belongs into the record of the step."""
        return self._within <= 1

    def abandon(self) -> None:
        """The step that the evaluations so far belonged to will not be taken."""
        self.evaluations = 0

    def tick(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        """A step was taken."""
        if self.evaluations == 0:  # another optimizer has counted it
            return
        self._stepped(optimizer)
        self.step += 1
        self.evaluations = 0

    def close(self) -> None:
        """Take the hooks off the optimizers."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, optimizer: torch.optim.Optimizer) -> None:
        self._known.add(optimizer)
        self._handles.append(optimizer.register_step_pre_hook(self._before))
        self._handles.append(optimizer.register_step_post_hook(self._after))

    def _before(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self.inside, self._within = True, 0

    def _after(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self.inside, self._within = False, 0
        self.tick(optimizer)
