"""The same network at its initial parameters: what was wrong before the first step."""

from __future__ import annotations

import math

import torch

from pinndiag._derivatives._hessian import Hessians
from pinndiag._derivatives._jacobian import generator
from pinndiag._errors import PinndiagError
from pinndiag._records import Activation
from pinndiag._records._experiments import Start
from pinndiag._terms import _parameters
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View
from pinndiag.analyzers._activations import activations
from pinndiag.analyzers._held_out import held_out
from pinndiag.analyzers._kernel import kernel
from pinndiag.analyzers._work import work
from pinndiag.linalg import lanczos

__all__ = ["first_step", "require_initial", "start"]

SIGN_LIKE = ("Adam", "AdamW", "NAdam", "RAdam", "Adamax")


def start(subject: PINN | View, *, seed: int = 0) -> Start:
    """Losses, gradient norms, remaining work, held-out residuals, activations and slow share before training.

    Wrong scaling of inputs or outputs, aliasing, a bad initialisation and a step size that is too large show here, in
    a copy at the stored initial parameters.

    Args:
        subject: a wrapped PINN, or a view of it.
        seed: of every choice of points.

    Raises:
        PinndiagError: the initial parameters are unknown, or are those of the checkpoint.
        CaptureError: a term cannot be captured, so that there is no copy.

    Cost: one gradient, at most 160 Jacobian rows of each term, a forward pass at 4096 fresh points; with plain gradient
    descent also 5 to 15 Hessian-vector products of the total.
    """
    pinn = View.of(subject).pinn
    require_initial(pinn)
    view = View(pinn.copy(initial=True))
    reasons: dict[str, str] = {}
    fresh, kernels = held_out(view, seed=seed), kernel(view, seed=seed)
    reasons |= {f"held_out.{name}": why for name, why in fresh.reasons.items()}
    reasons |= {f"slow_share.{name}": why for name, why in kernels.reasons.items()}
    layers: list[Activation] = []
    try:
        layers = activations(view).layers
    except PinndiagError as error:
        reasons["activations"] = error.what
    return Start(
        losses=view.losses,
        grad_l2={name: float(gradient.double().norm()) for name, gradient in view.gradients.items()},
        work=dict(work(view, seed=seed)),
        held_out=dict(fresh),
        saturation=_largest(layers, "saturated_pairs"),
        spread=_largest(layers, "spread"),
        slow_share={name: found.slow_share for name, found in kernels.terms.items()},
        lr_sigma_max=_edge(view, seed),
        update=_update(view),
        reasons=reasons,
    )


def require_initial(pinn: PINN) -> None:
    """Refuse a PINN whose initial parameters are unknown or are its present ones."""
    if pinn.initial is None:
        raise PinndiagError(
            "the initial parameters are unknown",
            cause="the file does not hold them",
            fix="pass initial=, the state dict before training, to wrap",
        )
    if all(torch.equal(pinn.initial[name], tensor.detach()) for name, tensor in pinn.parameters.items()):
        raise PinndiagError(
            "the initial parameters are those of the checkpoint",
            cause="the model was wrapped after training without initial=, or it was not trained",
            fix="wrap before training, or pass initial=, the state dict before training",
        )


def _largest(layers: list[Activation], figure: str) -> dict[str, float]:
    """The largest finite figure of each layer over the terms; one at a single point has no spread."""
    found: dict[str, float] = {}
    for layer in layers:
        value = getattr(layer, figure)
        if value is not None and math.isfinite(value):
            found[layer.layer] = max(value, found.get(layer.layer, value))
    return found


def first_step(kind: str, rate: float, size: float, *, moved: float, gradient: float) -> float | None:
    """Length of an optimizer's first step against that of the parameters; None for other optimizers.

    Args:
        kind: class of the optimizer.
        rate: its first learning rate.
        size: l2 norm of the parameters.
        moved: how many of them have a gradient other than zero.
        gradient: l2 norm of the total's gradient.

    >>> first_step("Adam", 0.1, 2.0, moved=100.0, gradient=math.nan)
    0.5
    >>> first_step("SGD", 0.1, 2.0, moved=100.0, gradient=5.0)
    0.25
    """
    if kind in SIGN_LIKE:  # m / sqrt(v) is the sign of the gradient at the first step
        step = moved**0.5
    elif kind == "SGD":
        step = gradient
    else:
        return None
    return abs(rate) * step / size if size > 0 and math.isfinite(step) else None


def _update(view: View) -> float | None:
    optimizer = view.pinn.optimizer
    rate = None if optimizer is None else optimizer.settings.get("initial_lr", optimizer.lr)
    if optimizer is None or not isinstance(rate, (int, float)):
        return None
    size = float(_parameters.flatten(view.pinn.tensors, view.pinn.tensors).detach().double().norm())
    moved, gradient = float(view.total.count_nonzero()), float(view.total.double().norm())
    return first_step(optimizer.kind, rate, size, moved=moved, gradient=gradient)


def _edge(view: View, seed: int) -> float | None:
    """Learning rate times sigma_max of the total for plain gradient descent; the edge is 2 (1 + momentum)."""
    optimizer = view.pinn.optimizer
    if optimizer is None or optimizer.kind != "SGD" or optimizer.lr is None or not bool(view.total.isfinite().all()):
        return None
    noise = torch.randn(view.pinn.size, generator=generator(seed), dtype=torch.float64).to(view.total.device)
    towards = torch.nn.functional.normalize(view.total.double(), dim=0) + 0.3 * noise / noise.norm()
    return optimizer.lr * lanczos(Hessians(view.pinn).total, towards).largest.value
