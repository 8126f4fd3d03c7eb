"""neurodiffeq: taps on `solver.loss_fn`, which is given the residuals of all equations, and on `additional_loss`.

Conditions are built into the solution, so that the terms are the equations, "eq_0", "eq_1", ..., and "additional" where
the solver overrides `additional_loss`. A loss that is not the mean of that of the equations is one term, "equations".
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn

from pinndiag._randomness import RandomState, replayed
from pinndiag._solution import Solution
from pinndiag._terms import mean_square
from pinndiag.integrations._framework import About, AbstractFramework, Terms, Trained
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, beneath, tapped

__all__ = ["Neurodiffeq"]

Form = Literal["squares", "parts", "whole"]


@final
class Neurodiffeq(AbstractFramework):
    """A solver of neurodiffeq. The weights of a scheme act in the step that they were found in."""

    about: ClassVar[About] = About(
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
        live: dict[str, Tensor] = {}
        apart: list[bool] = []  # looked at once: it waits for the device

        def loss_fn(method: Callable[..., Any], residuals: Tensor, *where: Any) -> Any:
            loss: Tensor = method(residuals, *where)
            if solver._phase == "train":
                parts = {f"eq_{i}": method(column, *where) for i, column in enumerate(residuals.split(1, dim=1))}
                if not apart:
                    apart.append(_is(torch.stack(list(parts.values())).mean(), loss))
                live.clear()
                live.update(parts if apart[0] else {"equations": loss})
            return loss

        def additional_loss(method: Callable[..., Any], residuals: Tensor, *where: Any) -> Any:
            more = method(residuals, *where)
            if solver._phase != "train":
                return more
            loss, terms = sum(live.values()) / len(live), dict(live)
            weights = dict.fromkeys(live, 1 / len(live))
            if isinstance(more, Tensor):
                terms["additional"], weights["additional"] = more, 1.0
            asked = observe(terms, weights)
            # loss_fn has returned already: its part is taken away again, together with its gradient
            return sum(asked[name] * term for name, term in terms.items()) - loss if observe.balanced else more

        return [tapped(solver, "loss_fn", loss_fn), tapped(solver, "additional_loss", additional_loss)]

    def saved(self) -> Mapping[str, Tensor]:
        """See `AbstractFramework`: of several networks, those of `torch.nn.ModuleList(solver.nets)`."""
        return nn.ModuleList(self.subject.nets).state_dict(keep_vars=True)

    def terms(self) -> Terms:
        """See `AbstractFramework`. All take the points that a copy of the generator draws, as columns."""
        solver = self.subject
        with replayed(RandomState.now()):
            drawn = copy.deepcopy(solver.generator["train"]).get_examples()
        points = tuple(column.detach().reshape(-1, 1).clone() for column in drawn)
        evaluated = _Evaluated(solver, points)
        names = [*evaluated.equations(evaluated.form), *evaluated.more]
        equations = [name for name in names if name not in evaluated.more]
        weights = dict.fromkeys(names, 1.0) | dict.fromkeys(equations, 1 / len(equations))
        terms = {name: functools.partial(_term, solver, evaluated.form, name) for name in names}
        return Terms(terms, dict.fromkeys(names, points), weights)


def _functions(solver: Any, columns: list[Tensor]) -> list[Tensor]:
    pairs = zip(solver.nets, solver.conditions, strict=True)
    return [solver.compute_func_val(net, condition, *columns) for net, condition in pairs]


def _is(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.detach(), b.detach(), rtol=1e-5)


def _term(solver: Any, form: Form, name: str, points: tuple[Tensor, ...]) -> Tensor:
    evaluated = _Evaluated(solver, points)
    return evaluated.more[name] if name in evaluated.more else evaluated.equations(form)[name]


@final
class _Evaluated:
    """All terms at some points, as the solver evaluates them."""

    def __init__(self, solver: Any, points: tuple[Tensor, ...]) -> None:
        columns = [column.clone().requires_grad_() for column in points]
        functions = _functions(solver, columns)
        self._where = functions, columns
        self._residuals = torch.cat(solver.diff_eqs(*functions, *columns), dim=1)
        self._loss_fn = beneath(solver, "loss_fn")
        more = beneath(solver, "additional_loss")(self._residuals, *self._where)
        self.more = {"additional": more} if isinstance(more, Tensor) else {}

    @property
    def form(self) -> Form:
        """How the loss is made up: the mean square, the mean over the equations, or neither."""
        loss = self._loss_fn(self._residuals, *self._where)
        if _is(mean_square(self._residuals), loss):
            return "squares"
        return "parts" if _is(torch.stack(list(self.equations("parts").values())).mean(), loss) else "whole"

    def equations(self, form: Form) -> dict[str, Tensor]:
        """The equations' terms: residuals, losses, or one loss for all."""
        if form == "whole":
            return {"equations": self._loss_fn(self._residuals, *self._where)}
        columns = self._residuals.split(1, dim=1)
        taken = columns if form == "squares" else [self._loss_fn(column, *self._where) for column in columns]
        return {f"eq_{i}": term for i, term in enumerate(taken)}
