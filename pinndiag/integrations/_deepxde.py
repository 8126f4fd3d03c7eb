"""DeepXDE with its PyTorch backend: a tap on `model.data.losses_train`, which gives the terms at every evaluation.

The terms' names are "pde" (numbered where there are several outputs) and those of the boundary conditions: `bc.name`
where the user has set one, else the class, numbered. They follow DeepXDE's order, which is that of `loss_weights`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag.integrations._framework import About, AbstractFramework, Terms, Trained, unique
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, Replaced, beneath, tapped

__all__ = ["DeepXDE"]


@final
class DeepXDE(AbstractFramework):
    """A `deepxde.Model`. The weights of a scheme act in the step that they were found in."""

    about: ClassVar[About] = About(
        key="deepxde",
        package="deepxde",
        distribution="deepxde",
        tested=("1.15.0",),
        takes="a deepxde.Model after compile()",
        has=("data", "net", "external_trainable_variables"),
        caution="DeepXDE's loss history, train_state.best_*, ModelCheckpoint and EarlyStopping compare weighted sums, "
        "which mean little while a scheme moves the weights; compare the terms in the run's records",
    )

    def trained(self) -> Trained:
        """See `AbstractFramework`."""
        model = self.subject
        if not isinstance(model.net, torch.nn.Module) or not isinstance(model.opt, torch.optim.Optimizer):
            raise PinndiagError(
                "the DeepXDE model is not compiled for PyTorch",
                where=f"net {type(model.net).__name__}, optimizer {type(model.opt).__name__}",
                cause="compile() comes later, or another backend is in use",
                fix="set DDE_BACKEND=pytorch, and call pinndiag after model.compile(...)",
            )
        outside = {f"variable_{i}": variable for i, variable in enumerate(model.external_trainable_variables)}
        return Trained(model.net, outside, [model.opt])

    def attach(self, observe: Observer) -> list[Removable]:
        """See `AbstractFramework`."""
        model = self.subject
        weights = [Replaced(model, "loss_weights", model.loss_weights)] if observe.balanced else []

        def losses_train(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            losses = method(*args, **kwargs)
            if any(parameter.requires_grad for parameter in model.net.parameters()):  # else it only looks at its losses
                terms = _named(model, _listed(losses))
                asked = observe(terms, _weights(model, terms))
                for replaced in weights:
                    replaced.set(list(asked.values()))
            return losses

        return [tapped(model.data, "losses_train", losses_train), *weights]

    def terms(self) -> Terms:
        """See `AbstractFramework`. Terms that are mean squares come as residuals; the equations' take their points."""
        model = self.subject
        points = _points(model)
        outputs = _named(model, _outputs(model, points))
        names = list(outputs)
        found: dict[str, Callable[..., Tensor]] = {
            name: (lambda place=place: _outputs(model, points)[place]) for place, name in enumerate(names)
        }
        inside: dict[str, Tensor] = {}
        if _pointwise(model):
            x = torch.as_tensor(points[0])[sum(model.data.num_bcs) :].clone()
            count = len(names) - len(model.data.bcs)
            inside = {name: x for name in names[:count] if outputs[name].ndim}
            found |= {
                name: (lambda x, place=place: _equation(model, x)[place])
                for place, name in enumerate(names)
                if name in inside
            }
        return Terms(found, inside, _weights(model, names))


def _listed(losses: Any) -> list[Tensor]:
    return losses if isinstance(losses, list) else [losses]


def _named(model: Any, terms: Sequence[Tensor]) -> dict[str, Tensor]:
    data = model.data
    conditions = getattr(data, "bcs", None) or getattr(getattr(data, "pde", None), "bcs", None) or []
    own = [getattr(bc, "name", None) or type(bc).__name__ for bc in conditions][: len(terms)]
    first = "pde" if getattr(data, "pde", None) is not None else "data"
    return dict(zip(unique([first] * (len(terms) - len(own)) + own), terms, strict=True))


def _weights(model: Any, names: Collection[str]) -> dict[str, float]:
    given = model.loss_weights
    return dict(zip(names, [1.0] * len(names) if given is None else map(float, given), strict=True))


def _points(model: Any) -> tuple[Any, Any, Any]:
    """The points of the training, as they are now; none are drawn where there are some."""
    state, data = model.train_state, model.data
    if state.X_train is not None:
        return state.X_train, state.y_train, state.train_aux_vars
    if getattr(data, "train_x", None) is None:
        data.train_next_batch(model.batch_size)
    return data.train_x, data.train_y, getattr(data, "train_aux_vars", None)


def _outputs(model: Any, points: tuple[Any, Any, Any]) -> list[Tensor]:
    """All terms, evaluated by DeepXDE's own code: residuals where the loss is the mean square, else the losses."""
    library = sys.modules["deepxde"]
    mean_square = library.losses.mean_squared_error
    caught: list[Tensor] = []

    def residual(loss_fn: Any) -> Any:
        return (lambda true, found: found - true) if loss_fn is mean_square else loss_fn

    def losses_train(targets: Any, outputs: Any, loss_fn: Any, *args: Any, **kwargs: Any) -> list[Tensor]:
        listed = list(map(residual, loss_fn)) if isinstance(loss_fn, (list, tuple)) else residual(loss_fn)
        caught.extend(_listed(plain(targets, outputs, listed, *args, **kwargs)))
        return [torch.zeros(()) for _ in caught]

    plain = beneath(model.data, "losses_train")
    taps = Replaced(model.data, "losses_train", losses_train), Replaced(model, "loss_weights", None)
    with taps[0], taps[1], _training(model):
        model.outputs_losses_train(*points)
    return caught


def _pointwise(model: Any) -> bool:
    """Whether the equations can be evaluated at points of one's own: the ordinary case of `dde.data.PDE`."""
    library, data = sys.modules["deepxde"], model.data
    ordinary = getattr(type(data), "losses", None) is library.data.pde.PDE.losses and data.pde is not None
    return ordinary and data.auxiliary_var_fn is None and library.config.autodiff == "reverse"


def _equation(model: Any, x: Tensor) -> list[Tensor]:
    library = sys.modules["deepxde"]
    with _training(model):
        library.grad.clear()  # derivatives are kept by the tensors they belong to
        try:
            found = model.data.pde(x.requires_grad_(), model.net(x))
        finally:
            library.grad.clear()
    return list(found) if isinstance(found, (list, tuple)) else [found]


@contextmanager
def _training(model: Any) -> Iterator[None]:
    """The network's flags are those of a training step, and afterwards what they were."""
    net = model.net
    mode, auxiliary = net.training, getattr(net, "auxiliary_vars", None)
    net.train()
    try:
        yield
    finally:
        net.train(mode)
        net.auxiliary_vars = auxiliary
