"""One look at a PINN: what several analyzers need at the same parameters, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from pinndiag._terms import _parameters
from pinndiag._terms._parameters import Vector
from pinndiag._terms._pinn import PINN

__all__ = ["View"]


@final
class View:
    """A wrapped PINN at its present parameters. Analyzers take a `PINN` or a `View`; a view shares their work.

    A view is only valid while the parameters stay as they are.
    """

    def __init__(self, pinn: PINN) -> None:
        self.pinn = pinn

    @staticmethod
    def of(subject: PINN | View) -> View:
        """The view itself, or a new one of a PINN."""
        return subject if isinstance(subject, View) else View(subject)

    @staticmethod
    def known(pinn: PINN, losses: Mapping[str, float], gradients: Mapping[str, Vector]) -> View:
        """A view whose losses and gradients were had elsewhere."""
        view = View(pinn)
        view.__dict__["_first_order"] = {name: (losses[name], gradients[name], 1.0) for name in pinn.names}
        return view

    @cached_property
    def losses(self) -> dict[str, float]:
        """Unweighted loss of each term."""
        return {name: loss for name, (loss, _, _) in self._first_order.items()}

    @cached_property
    def gradients(self) -> dict[str, Vector]:
        """Gradient of each unweighted loss over all P trainable parameters, detached."""
        return {name: gradient for name, (_, gradient, _) in self._first_order.items()}

    @cached_property
    def reached(self) -> dict[str, float]:
        """Share of the trainable entries that each term's graph reaches."""
        return {name: reached for name, (_, _, reached) in self._first_order.items()}

    @cached_property
    def total(self) -> Vector:
        """G = sum_i w_i g_i."""
        weighted = [self.pinn.weights[name] * gradient for name, gradient in self.gradients.items()]
        return torch.stack(weighted).sum(0)

    @cached_property
    def _first_order(self) -> dict[str, tuple[float, Vector, float]]:
        """Loss, gradient and reach of every term. Cost: one forward and one backward pass of each term."""
        pinn = self.pinn
        tensors = pinn.tensors
        sizes = _parameters.sizes(tensors)
        found: dict[str, tuple[float, Vector, float]] = {}
        together = [name for name in pinn.names if not pinn.splits(name)]
        losses = pinn.losses(together) if together else {}
        for name in pinn.names:
            loss, gradient = 0.0, torch.zeros(sum(sizes), dtype=pinn.dtype, device=pinn.device)
            reach = [False] * len(tensors)
            for piece in [losses.pop(name)] if name in losses else pinn.pieces(name):
                # terms may share a forward pass, so the graph must outlive this pass
                pulled = torch.autograd.grad(piece, tensors, retain_graph=bool(losses), allow_unused=True)
                reach = [known or g is not None for known, g in zip(reach, pulled, strict=True)]
                gradient += _parameters.flatten([_detached(g) for g in pulled], tensors).to(gradient.dtype)
                loss += float(piece.detach())
            share = sum(n for n, hit in zip(sizes, reach, strict=True) if hit) / sum(sizes)
            found[name] = (loss, gradient, share)
        return found


def _detached(gradient: Tensor | None) -> Tensor | None:
    return None if gradient is None else gradient.detach()
