"""The step under way: what is measured, what its evaluations add up to, and whether their gradient still stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from pinndiag._engine import Combination, Evaluation, Matrix
from pinndiag._records import CurvatureLine
from pinndiag._watch._rates import Due
from pinndiag._watch._sums import Part, Sums
from pinndiag._watch._trace import Trace

__all__ = ["Step"]


@final
class Step:
    """A measured step, from its first evaluation on.

    Args:
        index: of the step.
        time: seconds since the run began.
        due: what is measured.

    Attributes:
        error: relative L2 error, still on the device.
        curvature: the record of the Hessians, written when the step ends.
        sums: of the evaluations that went backward.
    """

    def __init__(self, index: int, time: float, due: Due) -> None:
        self.index, self.time, self.due = index, time, due
        self.error: Tensor | None = None
        self.curvature: CurvatureLine | None = None
        self.sums = Sums()
        self._trace = Trace()

    def add(self, evaluation: Evaluation, combination: Combination, applied: Matrix | None) -> None:
        """The backward pass of an evaluation runs.

        Args:
            evaluation: the evaluation.
            combination: what is applied to it.
            applied: the gradients as they go into the step, before w_i; None where they could not be formed.
        """
        rows = None if applied is None else evaluation.gradients
        self.sums.add(
            Part(
                names=evaluation.names,
                weights=combination.weights.detach().double(),
                points=_point_weights(evaluation, combination),
                losses=evaluation.values.double(),
                rows=rows,
                applied=None if applied is rows else applied,
                upstream=evaluation.upstream,
            )
        )
        reached = evaluation.parameters if rows is None else evaluation.pulled.reached
        self._trace.follow(reached, later=rows is None)

    @property
    def cleared(self) -> bool:
        """Whether the gradient of the evaluations so far was set to zero. Waits for the device where it is not None."""
        sums = self.sums
        return bool(sums.counted) and self._trace.gone and (not sums.measured or bool(sums.rows.any()))

    @property
    def lost(self) -> bool:
        """Whether the optimizer will not take the step: it was cleared, or a gradient scaler refuses it.

        Waits for the device, as the scaler does.
        """
        sums = self.sums
        if not sums.counted:
            return False
        sound = not sums.measured or bool(sums.rows.isfinite().all())
        beside = sums.upstream is None  # formed beside the training: what was scaled stands in `.grad` only
        refused = sound and self._trace.broken if beside else not sound and _scales(sums.upstream)
        return refused or self.cleared

    def again(self, names: Sequence[str]) -> Step:
        """The step without what was cleared; the present evaluation, of these terms, is its first."""
        self.sums.begun -= 1
        step = Step(self.index, self.time, self.due)
        step.error = self.error
        step.sums.begin(names)
        return step

    def end(self) -> None:
        """Nothing is followed any more."""
        self._trace.forget()


def _scales(upstream: Tensor | None) -> bool:
    """Whether a gradient scaler is at work."""
    return upstream is not None and float(upstream) > 1


def _point_weights(evaluation: Evaluation, combination: Combination) -> Tensor | None:
    """Smallest, mean and largest per-point weight of every term; ones where a term has none."""
    if not combination.points:
        return None
    ones = torch.ones(3, dtype=torch.float64, device=combination.weights.device)
    rows = []
    for name in evaluation.names:
        weights = combination.points.get(name)
        rows.append(ones if weights is None else torch.stack([*weights.double().aminmax(), weights.double().mean()]))
    return torch.stack(rows)[:, [0, 2, 1]]
