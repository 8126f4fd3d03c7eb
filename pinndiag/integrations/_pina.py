"""PINA: a tap on `solver.weighting`, which is given the terms by the names of their conditions and weighs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag.integrations._applied import applied
from pinndiag.integrations._framework import About, AbstractFramework, Terms, Trained
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, Replaced, tapped

__all__ = ["PINA"]


@final
class PINA(AbstractFramework):
    """A solver of PINA. The weights of a scheme act in the step that they were found in."""

    about: ClassVar[About] = About(
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

        def aggregate(method: Callable[..., Any], losses: Mapping[str, Tensor]) -> Any:
            total = method(losses)
            if solver.trainer.training:
                observe(losses, applied(total, losses))
            return total

        def update_weights(method: Callable[..., Any], losses: Mapping[str, Tensor]) -> dict[str, float]:
            if solver.trainer.training:
                asked = observe(losses, {})
                saved.set(asked)  # where the weighting puts it, too
                return asked
            return {name: weighting.last_saved_weights().get(name, 1.0) for name in losses}

        if not observe.balanced:
            return [tapped(weighting, "aggregate", aggregate)]
        saved = Replaced(weighting, "_saved_weights", weighting.last_saved_weights())
        return [
            saved,
            tapped(weighting, "update_weights", update_weights),
            Replaced(weighting, "update_every_n_epochs", 1),
            Replaced(weighting, "aggregator_fn", torch.sum),
        ]

    def terms(self) -> Terms:
        """See `AbstractFramework`. Terms that are mean squares come as residuals; the equations' take their points.

        Raises:
            PinndiagError: the solver weighs points or adds penalties inside of its terms.
        """
        solver = self.subject
        _refuse_regularised(solver)
        conditions = solver.problem.conditions
        points = {name: _points(solver.problem, condition) for name, condition in conditions.items()}
        weighting = solver.weighting
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
        residual = residual.as_subclass(Tensor)
        if isinstance(solver._loss_fn, torch.nn.MSELoss) and solver._reduction == "mean":
            return residual
        found: Tensor = solver._apply_reduction(solver._loss_fn(residual, torch.zeros_like(residual)))
        return found

    if not hasattr(condition, "equation"):
        batch = dict(condition.data.to_batch())
        return lambda: loss(condition.evaluate({**batch, "input": batch["input"].clone()}, solver))

    def at(x: Tensor) -> Tensor:
        labelled = x.clone().as_subclass(type(points))
        labelled.labels = points.labels
        labelled.requires_grad_(True)
        return loss(condition.equation.residual(labelled, solver.forward(labelled), solver._params))

    return at


def _refuse_regularised(solver: Any) -> None:
    for name in ("_compute_condition_loss", "_regularize_condition_loss", "_loss_from_residual"):
        owner = next(cls for cls in type(solver).__mro__ if name in vars(cls))
        if owner.__name__ != "BaseSolver":
            raise PinndiagError(
                f"the terms of {type(solver).__name__} cannot be evaluated out of band",
                where=f"{owner.__name__}.{name}",
                cause="the solver weighs points or adds penalties inside of its terms, and remembers them",
                fix="watch its training with pinndiag.attach, or name the terms: pinndiag.wrap(solver.model, terms)",
            )
