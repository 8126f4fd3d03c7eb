"""The weighted sum of the terms as one loss whose backward pass forms each term's gradient on its own.

Its inputs are the parameters themselves, so that autograd accumulates the result as it would for any loss: hooks,
gradient accumulation, `torch.autograd.grad(loss, parameters)` and DistributedDataParallel work as usual.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag._engine._evaluation import Evaluation, Matrix, Pulled
from pinndiag._errors import PinndiagError

__all__ = ["Combination", "Measured", "joined"]

Measured = Callable[[Evaluation, Matrix | None], None]


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

    Where nobody asks for the gradients of single terms, or they cannot be formed, it is the plain weighted sum, and its
    backward pass is the plain one. Else each term's gradient is formed on its own: in the forward pass if a scheme has
    asked for it already, else in the backward pass. The graphs are gone after it, as after any backward pass.

    Args:
        evaluation: the terms.
        combination: their weights.
        measured: called in the backward pass, once `evaluation.gradients` is known, with the evaluation and the rows
            that are summed (without w_i, with the points' weights), or with None where they could not be formed and
            `evaluation.whole` says why; None: nobody wants them.

    Raises:
        PinndiagError: in the backward pass, when it is to be differentiated again.
    """
    losses = evaluation.weighted(combination.points)
    unasked = measured is None and (not evaluation.formed or evaluation.keep)
    if not combination.direction and (evaluation.whole or unasked):
        plain = _total(losses, combination.weights)
        if measured is not None and plain.requires_grad:
            plain.register_hook(_Passed(evaluation, measured))
        return plain
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


def _usable(upstream: Tensor) -> Tensor:
    """What the passes begin with, and what is divided out afterwards: 1 in the place of zero, NaN and infinity."""
    if upstream.device.type == "cpu":  # where the question costs no waiting
        factor = upstream.item()
        return upstream if factor != 0 and math.isfinite(factor) else torch.ones_like(upstream)
    return torch.where(torch.isfinite(upstream) & (upstream != 0), upstream, 1.0)


@final
@dataclass(frozen=True, eq=False)
class _Passed:
    """A hook on the plain sum: tells that its backward pass has begun. The gradient stays as it is."""

    evaluation: Evaluation
    measured: Measured

    def __call__(self, upstream: Tensor) -> None:
        self.evaluation.upstream = upstream.detach()
        self.measured(self.evaluation, None)


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
        evaluation = self._evaluation
        evaluation.upstream = upstream
        if self._pulled is None:
            evaluation.enter()
            self._pulled, pulled = self._first(upstream)
            if self._measured is not None:
                self._measured(evaluation, None if evaluation.whole else self._applied(self._pulled))
            self._losses.clear()
            evaluation.release()
        else:
            pulled = self._pulled.scaled(upstream)
        weights = self._combination.weights
        return pulled.sums(torch.ones_like(weights[:1]) if evaluation.whole else weights)

    def _applied(self, pulled: Pulled) -> Matrix:
        evaluation = self._evaluation
        return evaluation.reduced(pulled.rows) if self._combination.points else evaluation.gradients

    def _first(self, upstream: Tensor) -> tuple[Pulled, Pulled]:
        """The rows as they are, and times `upstream`. Half precision needs the factor inside, so it is put there."""
        evaluation, points = self._evaluation, self._combination.points
        if evaluation.formed and not points and not evaluation.keep:
            return evaluation.pulled, evaluation.pulled.scaled(upstream)
        seed = _usable(upstream)
        plain: dict[str, Tensor] = {}
        if points and self._measured is not None and not evaluation.formed:
            # figures are those of the unweighted terms: the weighted ones need a pass of their own
            plain = {name: evaluation.losses[name] for name in points}
        apart = evaluation.pull(plain, seed, keep=True) if plain else None
        try:
            inside = evaluation.pull(self._losses, seed, keep=evaluation.verify > 0)
            inside = self._verified(inside, seed) if evaluation.verify else inside
        except RuntimeError as error:
            inside = self._together(seed, error)
        outside = inside.divided(seed)
        if not evaluation.whole and not evaluation.formed and (self._measured is not None or not points):
            own = (
                outside
                if apart is None
                else outside.replaced([evaluation.names.index(name) for name in points], apart.divided(seed))
            )
            evaluation.take(own)
        return outside, inside if seed is upstream else outside.scaled(upstream)

    def _verified(self, inside: Pulled, seed: Tensor) -> Pulled:
        """The rows if they add up to the gradient of the sum; else that gradient, as a single row."""
        evaluation, weights = self._evaluation, self._combination.weights
        if self._combination.direction:  # no gradient of any sum
            return inside
        whole = evaluation.pull(self._sum(), seed)
        scale = weights.abs().to(inside.rows.dtype) @ torch.linalg.vector_norm(inside.rows, dim=1)
        apart = torch.linalg.vector_norm(weights.to(inside.rows.dtype) @ inside.rows - whole.rows[0])
        apart, scale = evaluation.reduced(torch.stack([apart, scale])).unbind()  # one answer for all processes
        if bool(apart <= evaluation.verify * scale) or not bool(apart.isfinite()):
            return inside
        evaluation.whole = (
            "a hook or a function inside the graphs is not linear in the gradient: those of the terms do not add up"
        )
        return whole

    def _sum(self) -> dict[str, Tensor]:
        with torch.enable_grad():
            return {"": _total(self._losses, self._combination.weights)}

    def _together(self, seed: Tensor, error: RuntimeError) -> Pulled:
        """The gradient of the sum as a single row, where those of single terms failed.

        Raises:
            RuntimeError: the first error, where the sum's own backward pass fails as well.
        """
        evaluation = self._evaluation
        if self._combination.direction or not evaluation.alone:  # other processes wait for these rows
            raise error
        try:
            whole = evaluation.pull(self._sum(), seed)
        except RuntimeError:
            error.add_note(
                "pinndiag formed the gradient of each term by itself here; if the plain loop goes through, leave this "
                "run unmeasured (every=0, histograms=0, curvature=0) and report it"
            )
            raise error from None
        evaluation.whole = str(error).strip().partition("\n")[0] or type(error).__name__
        return whole


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
