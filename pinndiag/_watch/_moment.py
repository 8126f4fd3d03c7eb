"""One step of a training as a wrapped PINN, so that the analyzers of a checkpoint measure it on its live graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from pinndiag._engine import Evaluation
from pinndiag._errors import PinndiagError
from pinndiag._records import Work
from pinndiag._terms import _parameters
from pinndiag._terms._optimizer import OptimizerState
from pinndiag._terms._pinn import PINN
from pinndiag._terms._points import PointSet
from pinndiag._terms._terms import AbstractTerms, TermInfo, square
from pinndiag._terms._view import View
from pinndiag.analyzers._work import over

__all__ = ["GraphTerms", "moment", "work"]

PROBES = 8  # random signs for the mean squared row of a Jacobian; its relative error is about 0.5 at worst


@final
class GraphTerms(AbstractTerms):
    """Terms whose graphs exist already, at the points and parameters of one step."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._outputs = evaluation.outputs
        self.infos = {
            name: TermInfo(name, "loss" if output.ndim == 0 else "residual", tuple(output.shape))
            for name, output in evaluation.outputs.items()
        }

    def outputs(self, names: Sequence[str], points: Mapping[str, PointSet] | None = None) -> dict[str, Tensor]:
        """See `AbstractTerms`; other points cannot be had."""
        return {name: self._outputs[name] for name in names}

    def solve(self, points: PointSet) -> Tensor:
        """See `AbstractTerms`."""
        raise PinndiagError("the graphs of one step hold no network that could be evaluated elsewhere")


def moment(
    evaluation: Evaluation,
    parameters: Mapping[str, Tensor],
    weights: Mapping[str, float],
    optimizer: torch.optim.Optimizer | None,
) -> View:
    """A view of the step. The graphs must be kept while it is in use; nothing is evaluated again."""
    names = {id(tensor): name for name, tensor in parameters.items()}
    pinn = PINN(
        parameters,
        GraphTerms(evaluation),
        weights=weights,
        state={},
        initial=None,
        optimizer=None if optimizer is None else OptimizerState.of(optimizer, names),
        reference=None,
        samplers={},
    )
    losses = dict(zip(evaluation.names, evaluation.values.tolist(), strict=True))
    return View.known(pinn, losses, dict(zip(evaluation.names, evaluation.gradients.unbind(), strict=True)))


def work(view: View, seed: int = 0) -> dict[str, Work]:
    """Remaining work of every term, mean(r^2) / mean_p |d r_p / d theta|^2, from the graphs of the step.

    The mean squared row of the Jacobian is estimated by E |J^T z|^2 with random signs z (Hutchinson 1989); of a scalar
    loss it is 4 L^2 / |g|^2.

    Cost: 8 backward passes of each term that came as residuals.
    """
    return {name: _work(view, name, seed) for name in view.pinn.names}


def _work(view: View, name: str, seed: int) -> Work:
    loss = view.losses[name]
    output = view.pinn.outputs([name])[name]
    if output.ndim == 0:
        slope = float(view.gradients[name].double().square().sum())
        return Work(value=over(4 * loss**2, slope), how="scalar", points=1)
    if not output.requires_grad:
        return Work(value=over(loss, 0.0), how="residuals", points=output.numel())
    generator = torch.Generator().manual_seed(seed)
    total = 0.0
    for _ in range(PROBES):
        signs = (torch.randint(0, 2, output.shape, generator=generator) * 2 - 1).to(output.device, output.dtype)
        if output.is_complex():  # |r|^2 counts both parts: independent signs for each
            other = (torch.randint(0, 2, output.shape, generator=generator) * 2 - 1).to(output.device, output.dtype)
            signs = signs + 1j * other
        pulled = torch.autograd.grad(output, view.pinn.tensors, signs, retain_graph=True, allow_unused=True)
        total += float(square(_parameters.flatten(pulled, view.pinn.tensors)).sum(dtype=torch.float64))
    return Work(value=over(loss, total / PROBES / output.numel()), how="residuals", points=output.numel())
