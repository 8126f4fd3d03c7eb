"""Remaining work: how far, in parameter space, a term is from being solved."""

from __future__ import annotations

import math

from pinndiag._derivatives._jacobian import uniform_rows
from pinndiag._records._experiments import Work
from pinndiag._records._points import PerTerm
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View

__all__ = ["over", "work"]


def work(subject: PINN | View, *, seed: int = 0) -> PerTerm[Work]:
    """Remaining work of every term: mean(r^2) / mean_p |d r_p / d theta|^2.

    The squared distance in parameter space that, to first order, makes the typical residual vanish: the same for c r as
    for r, so terms of different units can be compared. |d r_p / d theta|^2 is averaged over at most 160 residuals drawn
    uniformly; complex residuals count with their modulus. For a term that is a scalar loss it is 4 L^2 / |g|^2, which
    is the same for a single residual and larger otherwise.

    Args:
        subject: a wrapped PINN, or a view of it.
        seed: of the choice of residuals.

    Cost: at most 160 rows of each term's Jacobian, shared with `kernel` through a view (about 4 gradients of the term
    where it takes its points, 64 backward passes where not).

    >>> import torch, pinndiag
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> x = torch.full((4, 1), 2.0)
    >>> pinn = pinndiag.wrap(model, {"data": lambda: model(x) - model(x).detach() - 6})
    >>> work(pinn)["data"].value  # r = -6 everywhere, dr/dtheta = 2: theta must move by 3
    9.0
    """
    view = View.of(subject)
    energies = {n for n in view.pinn.names if view.pinn.infos[n].kind == "loss" and view.losses[n] < 0}
    return PerTerm(
        {name: _work(view, name, seed) for name in view.pinn.names if name not in energies},
        dict.fromkeys(energies, "the loss is negative, as an energy's: its least value is not zero"),
    )


def _work(view: View, name: str, seed: int) -> Work:
    loss = view.losses[name]
    if view.pinn.infos[name].kind == "loss":
        slope = float(view.gradients[name].double().square().sum())
        return Work(value=over(4 * loss**2, slope), how="scalar", points=1)
    rows = uniform_rows(view, name, seed)
    slope = float(rows.squared_norms.double().mean())
    return Work(value=over(loss, slope), how="residuals", points=len(rows.entries))


def over(residual: float, slope: float) -> float:
    """Their quotient; 0 where nothing is left to do, infinite where no parameter can do it."""
    if residual == 0:
        return 0.0
    return residual / slope if slope != 0 else math.inf
