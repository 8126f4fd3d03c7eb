"""A problem of the literature as one plain value: what is solved, on which points, by which network and optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.lr_scheduler import ExponentialLR

from pinndiag._terms._pinn import PINN
from pinndiag._terms._wrap import wrap
from pinndiag.problems._box import Points, Sampler
from pinndiag.problems._setup import Setup

__all__ = ["About", "Problem", "Term", "adam", "descent", "equals"]

Residual = Callable[[Points], Tensor]


@final
@dataclass(frozen=True)
class About:
    """What a problem is, in words.

    Attributes:
        name: the key under which it is made.
        title: its equation and domain in one line.
        source: where its set-up comes from.
    """

    name: str
    title: str
    source: str


@final
@dataclass(frozen=True)
class Term:
    """One loss term: the mean square of a residual over its points.

    Attributes:
        residual: of points, of shape (points, ...), unweighted.
        points: those it is analysed at, and trained on unless the next two say otherwise.
        draw: fresh points.
        weight: the fixed weight in the source's loss (a sum over edges is so many times their mean).
        resampled: as many fresh points are drawn for every step.
        part: so many of the points, drawn anew, make one step; None for all.
    """

    residual: Residual
    points: Points
    draw: Sampler
    weight: float = 1.0
    resampled: bool = False
    part: int | None = None

    def batch(self) -> Points:
        """The points of one step."""
        if self.resampled:
            return self.draw(len(self.points))
        if self.part is not None:
            return self.points[torch.randint(len(self.points), (self.part,), device=self.points.device)]
        return self.points


@final
@dataclass(frozen=True, eq=False)
class Problem:
    """A problem made in some size with some seed. Its model and optimizer change in training, all else stays.

    Attributes:
        about: what it is.
        setup: how it was made.
        model: the module that represents the solution; the terms refer to it.
        terms: by name; the residual of the equation first.
        solution: (points, values of shape (points, outputs)) of the reference solution.
        schedule: the learning rate, and with it the optimizer.
        steps: of training.
        initial: the model's state dict before training.
    """

    about: About
    setup: Setup
    model: nn.Module
    terms: Mapping[str, Term]
    solution: tuple[Points, Float[Tensor, "points outputs"]]
    schedule: ExponentialLR
    steps: int
    initial: Mapping[str, Tensor] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "initial", {k: v.detach().clone() for k, v in self.model.state_dict().items()})

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer, over the model's parameters."""
        return self.schedule.optimizer

    @property
    def weights(self) -> dict[str, float]:
        """The fixed weights of the source's loss."""
        return {name: term.weight for name, term in self.terms.items()}

    def wrap(self) -> PINN:
        """The PINN at its present parameters, with all that `pinndiag.wrap` can be given."""
        return wrap(
            self.model,
            {name: term.residual for name, term in self.terms.items()},
            points={name: term.points for name, term in self.terms.items()},
            sampler={name: term.draw for name, term in self.terms.items()},
            solution=self.solution,
            weights=self.weights,
            optimizer=self.optimizer,
            initial=self.initial,
        )

    def error(self) -> float:
        """The relative L2 error against the reference solution, pooled over outputs."""
        points, values = self.solution
        with torch.no_grad():
            return float((self.model(points) - values).norm() / values.norm())


def equals(net: nn.Module, values: Callable[[Points], Tensor]) -> Residual:
    """The residual of a condition on the solution itself: the network's output minus its values."""

    def difference(x: Points) -> Tensor:
        output: Tensor = net(x)
        return output - values(x)

    return difference


def adam(model: nn.Module, *, lr: float = 1e-3, decay: float = 1.0) -> ExponentialLR:
    """Adam with betas (0.9, 0.999), whose learning rate falls by the factor `decay` in 1000 steps, continuously."""
    return _decaying(torch.optim.Adam(model.parameters(), lr=lr, fused=True), decay)


def descent(model: nn.Module, *, lr: float) -> ExponentialLR:
    """Plain gradient descent at a constant learning rate."""
    return _decaying(torch.optim.SGD(model.parameters(), lr=lr), 1.0)


def _decaying(optimizer: torch.optim.Optimizer, decay: float) -> ExponentialLR:
    return ExponentialLR(optimizer, gamma=decay ** (1 / 1000))
