"""What is solved: terms with their points, and the solution where it is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from pinndiag.problems import Box

__all__ = ["Equation", "Exact", "Term", "equals"]

Residual = Callable[[nn.Module, Tensor], Tensor]


@final
@dataclass(frozen=True)
class Term:
    """One loss term.

    Attributes:
        residual: of the network and its points; a 0-dimensional value is a loss.
        draw: fresh points.
        count: how many of them are drawn to train on.
        points: those to train on, where they are not drawn.
        weight: the fixed weight in the loss.
        resample: as many fresh points are drawn every so many steps; 0: never.
        batch: so many of the points, drawn anew, make one step; 0: all.
    """

    residual: Residual
    draw: Callable[[int], Tensor]
    count: int
    points: Tensor | None = None
    weight: float = 1.0
    resample: int = 0
    batch: int = 0


@final
@dataclass(frozen=True)
class Exact:
    """A network that satisfies conditions by construction, and the terms that are then dropped."""

    network: Callable[[nn.Module], nn.Module]
    dropped: tuple[str, ...]


@final
@dataclass(frozen=True)
class Equation:
    """A problem.

    Attributes:
        box: its domain.
        terms: by name.
        solution: (points, values), where it is known.
        outputs: of the network.
        coefficient: first guess of a trainable coefficient, which terms find as `net.coefficient`; None: there is none.
        exact: how its conditions can be satisfied exactly.
    """

    box: Box
    terms: Mapping[str, Term]
    solution: tuple[Tensor, Tensor] | None
    outputs: int = 1
    coefficient: float | None = None
    exact: Exact | None = None


def equals(values: Callable[[Tensor], Tensor]) -> Residual:
    """The network's output minus given values."""

    def residual(net: nn.Module, x: Tensor) -> Tensor:
        output: Tensor = net(x)
        return output - values(x)

    return residual
