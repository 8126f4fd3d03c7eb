"""The weighted sum of the terms as one loss whose backward pass forms each term's gradient on its own.

Its inputs are the parameters themselves, so that autograd accumulates the result as it would for any loss: hooks,
gradient accumulation, `torch.autograd.grad(loss, parameters)` and DistributedDataParallel work as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag._engine._evaluation import Evaluation, Matrix, Pulled
from pinndiag._errors import PinndiagError

__all__ = ["Combination", "Measured", "joined"]

Measured = Callable[[Evaluation, Matrix], None]


@final
@dataclass(frozen=True, eq=False)
class Combination:
    """How the terms of one step are put together: the optimizer sees sum_i w_i grad(mean_j v_ij |r_ij|^2).

    Attributes:
        weights: w_i, one for each term in the order given.
        points: v, entry by entry, for the terms that have such weights.
        direction: the weights are coefficients of a direction, not of a loss; the loss shown is sum_i L_i.
    """

    weights: Float[Tensor, " terms"]
    points: Mapping[str, Tensor] = field(default_factory=dict)
    direction: bool = False


def joined(evaluation: Evaluation, combination: Combination, measured: Measured | None = None) -> Tensor:
    """The loss of a step.

    Where nobody asks for the gradients of single terms it is the plain weighted sum, and its backward pass is the plain
    one. Else each term's gradient is formed on its own: in the forward pass if a scheme has asked for it already, else
    in the backward pass. The graphs are gone after it, as after any backward pass: a further loss on the same forward
    pass has to be a term too.

    Args:
        evaluation: the terms.
        combination: their weights.
        measured: called in the backward pass, once `evaluation.gradients` is known, with the evaluation and the rows
            that are summed (without w_i, with the points' weights); None: nobody wants them.

    Raises:
        PinndiagError: in the backward pass, when it is to be differentiated again.
    """
    losses = evaluation.weighted(combination.points)
    if measured is None and not combination.direction and (not evaluation.formed or evaluation.keep):
        return _total(losses, combination.weights)
    values = evaluation.values if not combination.points else torch.stack([loss.detach() for loss in losses.values()])
    value = values.sum() if combination.direction else torch.dot(values, combination.weights.to(values.dtype))
    backward = _Backward(evaluation, combination, losses, measured)
    total: Tensor = _Join.apply(value, backward, *evaluation.parameters, *evaluation.others)  # type: ignore[no-untyped-call]
    return total


def _total(losses: Mapping[str, Tensor], weights: Float[Tensor, " terms"]) -> Tensor:
    """The weighted sum, added up in the order of the terms as a person would write it."""
    total: Tensor | None = None
    for loss, weight in zip(losses.values(), weights.unbind(), strict=True):
        part = loss * weight.to(loss.dtype)
        total = part if total is None else total + part
    assert total is not None
    return total


def _is_zero(factor: Tensor) -> bool:
    """Asked on the CPU only, where the answer costs no waiting."""
    return factor.device.type == "cpu" and factor.item() == 0.0


@final
class _Backward:
    """What the backward pass needs. The graphs go after the first pass; a second one uses the gradients it formed."""

    def __init__(
        self,
        evaluation: Evaluation,
        combination: Combination,
        losses: dict[str, Tensor],
        measured: Measured | None,
    ) -> None:
        self._evaluation, self._combination, self._losses, self._measured = evaluation, combination, losses, measured
        self._pulled: Pulled | None = None

    def run(self, upstream: Tensor) -> list[Tensor | None]:
        """Gradients for the parameters and for the other leaves."""
        evaluation, weights = self._evaluation, self._combination.weights
        evaluation.upstream = upstream
        if self._pulled is None:
            self._pulled, pulled = self._first(upstream)
            if self._measured is not None and not _is_zero(upstream):  # a factor of zero cannot be divided out
                applied = evaluation.reduced(self._pulled.rows) if self._combination.points else evaluation.gradients
                self._measured(evaluation, applied)
            self._losses.clear()
            evaluation.release()
        else:
            pulled = self._pulled.scaled(upstream)
        return pulled.sums(weights)

    def _first(self, upstream: Tensor) -> tuple[Pulled, Pulled]:
        """The rows as they are, and times `upstream`. Half precision needs the factor inside, so it is put there."""
        evaluation, points = self._evaluation, self._combination.points
        if evaluation.formed and not points and not evaluation.keep:
            pulled = evaluation.pulled
            return pulled, pulled.scaled(upstream)
        plain: dict[str, Tensor] = {}
        if points and self._measured is not None and not evaluation.formed:
            # figures are those of the unweighted terms: the weighted ones need a pass of their own
            plain = {name: evaluation.losses[name] for name in points}
        apart = evaluation.pull(plain, upstream, keep=True) if plain else None
        inside = evaluation.pull(self._losses, upstream)
        outside = inside.divided(upstream)
        if not evaluation.formed and (self._measured is not None or not points):
            own = (
                outside
                if apart is None
                else outside.replaced([evaluation.names.index(name) for name in points], apart.divided(upstream))
            )
            evaluation.take(own)
        return outside, inside


class _Join(torch.autograd.Function):
    """value and parameters in, value out; the gradient of the parameters is what `_Backward.run` gives."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, backward: _Backward, *parameters: Tensor) -> Tensor:
        ctx.backward_pass = backward
        return value.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise PinndiagError(
                "the loss that pinndiag put together cannot be differentiated twice",
                where="backward(create_graph=True), or torch.autograd.grad(..., create_graph=True), on a measured step",
                cause="an optimizer or a penalty asks for second derivatives of the training loss",
                fix="switch the measuring off for such a loop (every=0, histograms=0, curvature=0, no scheme)",
            )
        return (None, None, *ctx.backward_pass.run(upstream))
