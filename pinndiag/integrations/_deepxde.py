"""DeepXDE with its PyTorch backend: a tap on `model.data.losses_train`, which gives the terms at every evaluation.

The terms' names are "pde" (numbered where there are several outputs) and those of the boundary conditions: `bc.name`
where the user has set one, else the class, numbered. They follow DeepXDE's order, which is that of `loss_weights`.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable
from typing import Any, final

import torch
from torch import Tensor

from pinndiag.integrations._framework import About, AbstractFramework, Trained
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, Replaced, beneath, tapped
from pinndiag.integrations._terms import Terms, named, together

__all__ = ["DeepXDE"]


@final
class DeepXDE(AbstractFramework):
    """A `deepxde.Model`. The weights of a scheme act in the step that they were found in."""

    about = About(
        key="deepxde",
        package="deepxde",
        distribution="deepxde",
        tested=("1.15.0",),
        takes="a deepxde.Model after compile(), with DDE_BACKEND=pytorch",
        has=("data.losses_train", "net.parameters", "opt.param_groups"),
        caution="DeepXDE's loss history, train_state.best_*, ModelCheckpoint and EarlyStopping compare weighted sums, "
        "which mean little while a scheme moves the weights; compare the terms in the run's records",
    )

    def trained(self) -> Trained:
        """See `AbstractFramework`."""
        model = self.subject
        outside = {f"variable_{i}": variable for i, variable in enumerate(model.external_trainable_variables)}
        return Trained(model.net, outside, [model.opt])

    def attach(self, observe: Observer) -> list[Removable]:
        """See `AbstractFramework`."""
        model = self.subject
        weights = [Replaced(model, "loss_weights", model.loss_weights)] if observe.balanced else []

        def losses_train(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            losses = method(*args, **kwargs)
            if any(parameter.requires_grad for parameter in model.net.parameters()):  # else it only looks at its losses
                terms = _named(model, losses)
                asked = observe(terms, _weights(model, terms))
                for replaced in weights:
                    replaced.set(list(asked.values()))
            return losses

        return [tapped(model.data, "losses_train", losses_train), *weights]

    def terms(self) -> Terms:
        """See `AbstractFramework`. Terms that are mean squares come as residuals; the equations' take their points."""
        model, state = self.subject, copy.copy(self.subject.train_state)
        if state.X_train is None:  # before the training
            state.set_data_train(*model.data.train_next_batch())
        start = sum(getattr(model.data, "num_bcs", ()))  # the conditions' points come before the equations'

        def evaluated(x: Tensor | None = None) -> dict[str, Tensor]:
            inputs = state.X_train if x is None else torch.cat([torch.as_tensor(state.X_train[:start]), x])
            return _named(model, _evaluated(model, inputs, state.y_train, state.train_aux_vars))

        found, points = evaluated(), {}
        if _pointwise(model.data):
            x = torch.as_tensor(state.X_train[start:]).clone()
            equations = list(found)[: len(found) - len(model.data.bcs)]
            points = {name: x for name in equations if found[name].ndim}
        return Terms(together(evaluated, found, at=points), points, _weights(model, found))


def _named(model: Any, losses: Any) -> dict[str, Tensor]:
    terms, data = losses if isinstance(losses, list) else [losses], model.data
    conditions = getattr(data, "bcs", None) or getattr(getattr(data, "pde", None), "bcs", None) or []
    own = [getattr(bc, "name", None) or type(bc).__name__ for bc in conditions][: len(terms)]
    first = "pde" if getattr(data, "pde", None) is not None else "data"
    return named([first] * (len(terms) - len(own)) + own, terms)


def _weights(model: Any, names: Iterable[str]) -> dict[str, float]:
    given = dict.fromkeys(names, 1.0)
    return given if model.loss_weights is None else dict(zip(given, map(float, model.loss_weights), strict=True))


def _pointwise(data: Any) -> bool:
    """Whether the equations can be evaluated at points of one's own: the ordinary case of `dde.data.PDE`."""
    ordinary = getattr(type(data), "losses", None) is sys.modules["deepxde"].data.pde.PDE.losses
    return ordinary and data.pde is not None and data.auxiliary_var_fn is None


def _evaluated(model: Any, *points: Any) -> list[Tensor]:
    """All terms by DeepXDE's own code, which alone knows the losses: residuals where they are the mean square."""
    mean_square = sys.modules["deepxde"].losses.mean_squared_error
    plain, caught = beneath(model.data, "losses_train"), []

    def residual(loss_fn: Any) -> Any:
        return (lambda true, found: found - true) if loss_fn is mean_square else loss_fn

    def losses_train(targets: Any, outputs: Any, loss_fn: Any, *args: Any, **kwargs: Any) -> Tensor:
        listed = list(map(residual, loss_fn)) if isinstance(loss_fn, (list, tuple)) else residual(loss_fn)
        found = plain(targets, outputs, listed, *args, **kwargs)
        caught.extend(found if isinstance(found, list) else [found])
        return torch.zeros(())

    net = model.net
    mode, auxiliary = net.training, net.auxiliary_vars
    taps = Replaced(model.data, "losses_train", losses_train), Replaced(model, "loss_weights", None)
    try:
        with taps[0], taps[1]:
            model.outputs_losses_train(*points)
    finally:
        net.train(mode)
        net.auxiliary_vars = auxiliary
    return caught
