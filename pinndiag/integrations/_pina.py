"""PINA: a tap on `solver.weighting`, which is given the terms by the names of their conditions and sums them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import torch
from torch import Tensor

from pinndiag.integrations._applied import applied, weighted_sum
from pinndiag.integrations._framework import About, AbstractFramework, Trained, no_terms
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, Replaced, tapped
from pinndiag.integrations._terms import Terms

__all__ = ["PINA"]


@final
class PINA(AbstractFramework):
    """A solver of PINA. The weights of a scheme act in the step that they were found in."""

    about = About(
        key="pina",
        package="pina",
        distribution="pina-mathlab",
        tested=("0.3.2.post2610",),
        takes="a solver of PINA",
        has=("weighting", "problem", "model"),
        caution="PINA logs train_loss and val_loss as weighted sums, which mean little to ModelCheckpoint and "
        "EarlyStopping while a scheme moves the weights; let them monitor the conditions' own losses",
    )

    def trained(self) -> Trained:
        """See `AbstractFramework`."""
        solver = self.subject
        optimizer = getattr(getattr(solver, "optimizer", None), "instance", None)
        unknown = getattr(solver.problem, "unknown_parameters", {})  # a trainer puts others in their place
        return Trained(solver.model, unknown, [] if optimizer is None else [optimizer])

    def attach(self, observe: Observer) -> list[Removable]:
        """See `AbstractFramework`. With a scheme the conditions' losses are summed, whatever the weighting did."""
        solver, weighting = self.subject, self.subject.weighting

        def watched(method: Callable[..., Any], losses: Mapping[str, Tensor]) -> Any:
            total = method(losses)
            if solver.trainer.training:
                observe(losses, applied(total, losses))
            return total

        if not observe.balanced:
            return [tapped(weighting, "aggregate", watched)]
        saved = Replaced(weighting, "_saved_weights", weighting.last_saved_weights())

        def balanced(method: Callable[..., Any], losses: Mapping[str, Tensor]) -> Tensor:
            if solver.trainer.training:
                saved.set(observe(losses, {}))  # the validation has them, too
            return weighted_sum(losses, dict.fromkeys(losses, 1.0) | weighting.last_saved_weights())

        return [saved, tapped(weighting, "aggregate", balanced)]

    def terms(self) -> Terms:
        """See `AbstractFramework`. Terms that are mean squares come as residuals; the equations' take their points.

        Raises:
            PinndiagError: the solver weighs points or adds penalties inside of its terms.
        """
        solver, weighting = self.subject, self.subject.weighting
        own = {name for cls in type(solver).__mro__ if cls.__name__ != "BaseSolver" for name in vars(cls)}
        if own & {"_compute_condition_loss", "_regularize_condition_loss", "_loss_from_residual"}:
            raise no_terms(solver, "it weighs points or adds penalties inside of its terms, and remembers them")
        conditions = solver.problem.conditions
        points = {name: _points(solver.problem, condition) for name, condition in conditions.items()}
        weights = weighting.last_saved_weights() or weighting.update_weights(dict.fromkeys(conditions, 1.0))
        return Terms(
            {name: _term(solver, condition, points[name]) for name, condition in conditions.items()},
            {name: x.detach().clone().as_subclass(Tensor) for name, x in points.items() if isinstance(x, Tensor)},
            {name: float(weight) for name, weight in weights.items()},
        )


def _points(problem: Any, condition: Any) -> Any:
    """All points of a condition, also before the trainer has handed those of its domain over."""
    data = getattr(condition, "data", None)
    return data.input if data is not None else problem.discretised_domains[condition.domain]


def _term(solver: Any, condition: Any, points: Any) -> Callable[..., Tensor]:
    """A condition as PINA evaluates it, with the residual instead of its square where the loss is that."""

    def loss(residual: Tensor) -> Tensor:
        if not isinstance(solver._loss_fn, torch.nn.MSELoss) or solver._reduction != "mean":
            residual = solver._apply_reduction(solver._loss_fn(residual, torch.zeros_like(residual)))
        return residual.as_subclass(Tensor)

    def at(x: Tensor) -> Tensor:
        inputs = x.clone().as_subclass(type(points))
        inputs.labels = points.labels
        inputs.requires_grad_(True)
        return loss(condition.equation.residual(inputs, solver.forward(inputs), solver._params))

    def supervised() -> Tensor:
        batch = dict(condition.data.to_batch())
        return loss(condition.evaluate({**batch, "input": batch["input"].clone()}, solver))

    return at if hasattr(condition, "equation") else supervised
