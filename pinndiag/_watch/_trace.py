"""What becomes of the gradient that the evaluations of a step leave behind: taken by the optimizer, or thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor
from torch.utils.hooks import RemovableHandle

__all__ = ["Trace"]


@final
class Trace:
    """Follows a gradient into `.grad`, where a loop may throw it away before the optimizer steps.

    A loop does so after a gradient that is not finite, a gradient scaler by itself. A gradient that a loop takes by
    `torch.autograd.grad` never comes there, and is not followed.
    """

    def __init__(self) -> None:
        self._parameters: list[Tensor] = []
        self._landed = False
        self._handle: RemovableHandle | None = None

    def follow(self, parameters: Sequence[Tensor]) -> None:
        """A backward pass is about to add to the gradient of these parameters."""
        self.forget()
        self._parameters = [p for p in parameters if p.is_leaf and p.requires_grad]
        if self._parameters:
            self._handle = self._parameters[0].register_post_accumulate_grad_hook(self._land)

    def forget(self) -> None:
        """Nothing is followed any more."""
        self._landed, self._parameters = False, []
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    @property
    def gone(self) -> bool:
        """It came into `.grad`, and is no longer there. Waits for the device where `.grad` was set to zero."""
        return self._landed and not any(p.grad is not None and p.grad.any() for p in self._parameters)

    @property
    def broken(self) -> bool:
        """`.grad` holds NaN or infinity. Waits for the device."""
        return any(p.grad is not None and not p.grad.isfinite().all() for p in self._parameters)

    def _land(self, parameter: Tensor) -> None:
        self._landed = True
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
