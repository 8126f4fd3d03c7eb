"""neurodiffeq: a tap on `solver.additional_loss`, which is given the residuals of all equations after `loss_fn`.

Conditions are built into the solution, so that the terms are the equations, "eq_0", "eq_1", ..., and "additional" where
the solver overrides `additional_loss`. A loss that is not the mean of that of the equations is one term, "equations".
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, final

import torch
from torch import Tensor, nn

from pinndiag._terms._randomness import RandomState, replayed
from pinndiag._terms._solution import Solution
from pinndiag.integrations._applied import weighted_sum
from pinndiag.integrations._framework import About, AbstractFramework, Trained
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, beneath, tapped
from pinndiag.integrations._terms import Terms, together

__all__ = ["Neurodiffeq"]

Split = Callable[..., dict[str, Tensor]]  # loss_fn, residuals, functions, coordinates -> the equations' terms


@final
class Neurodiffeq(AbstractFramework):
    """A solver of neurodiffeq. The weights of a scheme act in the step that they were found in."""

    about = About(
        key="neurodiffeq",
        package="neurodiffeq",
        distribution="neurodiffeq",
        tested=("0.7.0",),
        takes="a solver of neurodiffeq",
        has=("nets", "diff_eqs", "loss_fn"),
        caution="neurodiffeq keeps best_nets by the plain loss of the validation, or, where n_batches_valid=0, by the "
        "weighted one of the training, which means little while a scheme moves the weights",
    )

    def trained(self) -> Trained:
        """See `AbstractFramework`."""
        solver = self.subject
        networks = nn.ModuleList({id(net): net for net in solver.nets}.values())

        def call(*points: Tensor) -> Tensor:
            columns = points[0].split(1, dim=1) if len(points) == 1 else points
            return torch.cat(_functions(solver, [column.reshape(-1, 1) for column in columns]), dim=1)

        return Trained(Solution(networks[0] if len(networks) == 1 else networks, call), {}, [solver.optimizer])

    def attach(self, observe: Observer) -> list[Removable]:
        """See `AbstractFramework`."""
        solver = self.subject
        splits: dict[Any, Split] = {}  # by the loss function, which a callback may replace

        def additional_loss(method: Callable[..., Any], residuals: Tensor, *where: Any) -> Any:
            more, loss_fn = method(residuals, *where), solver.loss_fn
            if solver._phase != "train":
                return more
            if loss_fn not in splits:  # to find out waits for the device
                splits[loss_fn] = _split(loss_fn, residuals, *where)
            equations = splits[loss_fn](loss_fn, residuals, *where)
            terms = {**equations, **_additional(more)}
            asked = observe(terms, dict.fromkeys(equations, 1 / len(equations)))
            # what loss_fn has returned already is taken away again, together with its gradient
            return weighted_sum(terms, asked) - loss_fn(residuals, *where) if observe.balanced else more

        return [tapped(solver, "additional_loss", additional_loss)]

    def terms(self) -> Terms:
        """See `AbstractFramework`. All take the points that a copy of the generator draws, as columns."""
        solver, points = self.subject, _points(self.subject)
        split = _split(solver.loss_fn, *_evaluated(solver, points))

        def evaluated(points: tuple[Tensor, ...]) -> dict[str, Tensor]:
            found = _evaluated(solver, points)
            return {**split(solver.loss_fn, *found), **_additional(beneath(solver, "additional_loss")(*found))}

        names = list(evaluated(points))
        equations = [name for name in names if name != "additional"]
        weights = dict.fromkeys(names, 1.0) | dict.fromkeys(equations, 1 / len(equations))
        return Terms(together(evaluated, names, at=names), dict.fromkeys(names, points), weights)

    def saved(self) -> Mapping[str, Tensor]:
        """See `AbstractFramework`: of several networks, those of `torch.nn.ModuleList(solver.nets)`."""
        return nn.ModuleList(self.subject.nets).state_dict(keep_vars=True)


def _split(loss_fn: Any, *evaluated: Any) -> Split:
    """How a loss is made up of the equations': as the mean square, as the mean of their losses, or in neither way."""
    loss = loss_fn(*evaluated)
    for split in (_columns, _losses):
        terms = split(loss_fn, *evaluated)
        if torch.allclose(weighted_sum(terms, dict.fromkeys(terms, 1 / len(terms))), loss, rtol=1e-5):
            return split
    return _whole


def _columns(loss_fn: Any, residuals: Tensor, *where: Any) -> dict[str, Tensor]:
    return {f"eq_{i}": column for i, column in enumerate(residuals.split(1, dim=1))}


def _losses(loss_fn: Any, residuals: Tensor, *where: Any) -> dict[str, Tensor]:
    return {name: loss_fn(column, *where) for name, column in _columns(loss_fn, residuals).items()}


def _whole(loss_fn: Any, residuals: Tensor, *where: Any) -> dict[str, Tensor]:
    return {"equations": loss_fn(residuals, *where)}


def _additional(more: Any) -> dict[str, Tensor]:
    return {"additional": more} if isinstance(more, Tensor) else {}


def _points(solver: Any) -> tuple[Tensor, ...]:
    with replayed(RandomState.now()):
        drawn = copy.deepcopy(solver.generator["train"]).get_examples()
    return tuple(column.detach().reshape(-1, 1).clone() for column in drawn)


def _functions(solver: Any, columns: list[Tensor]) -> list[Tensor]:
    pairs = zip(solver.nets, solver.conditions, strict=True)
    return [solver.compute_func_val(net, condition, *columns) for net, condition in pairs]


def _evaluated(solver: Any, points: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The residuals of all equations side by side, the functions and the coordinates."""
    columns = [column.clone().requires_grad_() for column in points]
    functions = _functions(solver, columns)
    return torch.cat(solver.diff_eqs(*functions, *columns), dim=1), functions, columns
