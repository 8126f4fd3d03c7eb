"""What becomes of the gradient that the evaluations of a step leave behind: taken by the optimizer, or thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge
from torch.utils.hooks import RemovableHandle

__all__ = ["Trace"]

NONE = -1  # no backward pass runs


@final
class Trace:
    """Follows a gradient into `.grad`, where a loop may throw it away before the optimizer steps.

    A loop does so after a gradient that is not finite, a gradient scaler by itself. A gradient that a loop takes by
    `torch.autograd.grad` never comes there, and is not followed.
    """

    def __init__(self) -> None:
        self._parameters: list[Tensor] = []
        self._landed = False
        self._pass = NONE  # the backward pass that brings it into `.grad`, maybe later than it asks what became of it
        self._handle: RemovableHandle | None = None

    def follow(self, parameters: Sequence[Tensor]) -> None:
        """A backward pass adds to the gradient of these parameters: the one that runs, or one that is to come."""
        self.forget()
        self._parameters = [p for p in parameters if p.is_leaf and p.requires_grad]
        if not self._parameters:
            return
        first, self._pass = self._parameters[0], torch._C._current_graph_task_id()
        if self._pass == NONE:
            self._handle = first.register_post_accumulate_grad_hook(self._land)
        else:
            self._landed = _accumulates(first)

    def forget(self) -> None:
        """Nothing is followed any more."""
        self._landed, self._pass, self._parameters = False, NONE, []
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    @property
    def gone(self) -> bool:
        """It came into `.grad`, and is no longer there. Waits for the device where `.grad` was set to zero."""
        if not self._landed or torch._C._current_graph_task_id() == self._pass != NONE:
            return False
        return not any(p.grad is not None and p.grad.any() for p in self._parameters)

    @property
    def broken(self) -> bool:
        """`.grad` holds NaN or infinity. Waits for the device."""
        return any(p.grad is not None and not p.grad.isfinite().all() for p in self._parameters)

    def _land(self, parameter: Tensor) -> None:
        self._landed = True
        if self._handle is not None:
            self._handle.remove()
            self._handle = None


def _accumulates(leaf: Tensor) -> bool:
    """Whether the backward pass that runs brings the gradient of a leaf into `.grad`; cheaper to ask than a hook."""
    try:
        return bool(torch._C._will_engine_execute_node(get_gradient_edge(leaf).node))
    except RuntimeError:  # so the engine answers within torch.autograd.grad
        return False
