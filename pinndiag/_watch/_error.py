"""The relative L2 error during a training, as often as it is cheap."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import final

import torch
from torch import Tensor, nn

from pinndiag._engine import Evaluation
from pinndiag._statistics import _statistics
from pinndiag._terms import _parameters
from pinndiag._terms._pinn import Reference
from pinndiag._terms._points import PointSet
from pinndiag._terms._randomness import RandomState, replayed

__all__ = ["ErrorGauge"]

MOST_APART = 100  # steps; and
APART = 10  # how many, where there are as many reference points as residuals


@final
class ErrorGauge:
    """Measures |u - solution| / |solution|, at most every `APART` steps: a percent or so of the time.

    Args:
        reference: the known solution.
        solve: the network's output at points.
        modules: whose buffers an evaluation may change.
    """

    def __init__(
        self, reference: Reference, solve: Callable[[PointSet], Tensor], modules: Mapping[str, nn.Module]
    ) -> None:
        self._reference, self._solve, self._modules = reference, solve, modules
        self._last = -MOST_APART

    def measured(self, evaluation: Evaluation) -> Tensor | None:
        """The error of the present network, on its device; None where it is too early. Cost: one forward pass."""
        residuals = sum(output.numel() for output in evaluation.outputs.values() if output.ndim)
        apart = math.ceil(APART * self._reference.points.count / residuals) if residuals else MOST_APART
        if evaluation.step - self._last < min(apart, MOST_APART):
            return None
        self._last = evaluation.step
        buffers = [(b, b.detach().clone()) for module in self._modules.values() for b in module.buffers()]
        now = evaluation.parameters  # the model may have been moved, or given another precision
        device = now[0].device
        try:
            with torch.no_grad(), replayed(RandomState.now()):
                points = self._reference.points.to(dtype=_parameters.widest(now), device=device)
                return _relative(self._solve(points), self._reference.values.to(device))
        finally:  # running statistics that the evaluation moved
            for buffer, value in buffers:
                buffer.data.copy_(value)


def _relative(output: Tensor, values: Tensor) -> Tensor:
    error = output.detach().reshape(values.shape) - values
    lengths = _statistics.norms(torch.stack([_flat(error), _flat(values)]))
    return lengths[0] / lengths[1]


def _flat(values: Tensor) -> Tensor:
    return (torch.view_as_real(values.resolve_conj()) if values.is_complex() else values).double().reshape(-1)
