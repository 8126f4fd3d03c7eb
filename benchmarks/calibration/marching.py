"""The treatment that is no change of a setup: a network for each time window, started from the end of the one before.

Krishnapriyan et al. 2021 (arXiv 2109.01050), section 4.2, with the weight of the window's start set once, by gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor, nn

from benchmarks.calibration.equation import Equation, Residual, Term
from benchmarks.calibration.training import Phase, Setup, Training

__all__ = ["marched"]

WINDOWS = 10


@final
@dataclass(frozen=True)
class _Window:
    """A trained window: its equation as it was posed, and its network."""

    low: float
    equation: Equation
    model: nn.Module


def marched(setup: Setup, budget: int) -> float | None:
    """The relative L2 error after so many evaluations in ten windows of the first coordinate, by L-BFGS in float64.

    None where no term lies wholly at the beginning, or no solution is known.
    """
    setup = replace(setup, dtype=torch.float64)
    equation = Training(setup).equation
    starts = _starts(equation)
    if not starts or equation.solution is None:
        return None
    low, high = equation.box.low[0], equation.box.high[0]
    done: list[_Window] = []
    for k in range(WINDOWS):
        ends = [low + (high - low) * part / WINDOWS for part in (k, k + 1)]
        done.append(_trained(setup, ends[0], ends[1], starts, done[-1] if done else None, budget // WINDOWS))
    x, exact = equation.solution
    found = torch.zeros_like(exact)
    with torch.no_grad():
        for window in done:  # later ones overwrite what lies beyond their beginning
            later = x[:, 0] >= window.low
            found[later] = window.model(x[later])
    return float((found - exact).norm() / exact.norm())


def _starts(equation: Equation) -> list[str]:
    low = equation.box.low[0]
    drawn = {n: t.draw(16) if t.points is None else t.points for n, t in equation.terms.items()}
    return [n for n, x in drawn.items() if bool((x[:, 0] == low).all())]


def _trained(setup: Setup, low: float, high: float, starts: list[str], before: _Window | None, budget: int) -> _Window:
    posed: list[Equation] = []

    def change(equation: Equation) -> Equation:
        posed[:] = [equation]
        into = _into(equation, low, high)
        terms = {
            n: replace(t, residual=_shifted(n, t, into, before if n in starts else None))
            for n, t in equation.terms.items()
        }
        box = replace(
            equation.box, low=(low, *equation.box.low[1:]), high=(high, *equation.box.high[1:])
        )  # which the network maps to [-1, 1]
        return replace(equation, terms=terms, box=box)

    window = setup.posed(change)
    window = window.weighted(**_balanced(Training(window), starts))
    phase = Phase("lbfgs", budget=budget)
    training = Training(replace(window, phases=(phase,), scheme=None))
    total = training.total()
    training.setup = replace(training.setup, scale=1e4 / total if total > 0 else 1.0)
    training.run()
    return _Window(low, posed[0], training.model.requires_grad_(False))


def _into(equation: Equation, low: float, high: float) -> Callable[[Tensor], Tensor]:
    first, last = equation.box.low[0], equation.box.high[0]

    def into(x: Tensor) -> Tensor:
        t = low + (x[:, :1] - first) / (last - first) * (high - low)
        return torch.cat([t, x[:, 1:]], dim=1)

    return into


def _shifted(name: str, term: Term, into: Callable[[Tensor], Tensor], before: _Window | None) -> Residual:
    """A residual in the window; of a start, against what the window before has there."""

    def residual(net: nn.Module, x: Tensor) -> Tensor:
        x = into(x)
        found = term.residual(net, x)
        if before is None:
            return found
        return found - before.equation.terms[name].residual(before.model, x).detach()

    return residual


def _balanced(training: Training, starts: list[str]) -> dict[str, float]:
    """Weights with which the terms at the start pull as hard as the first other term, or as they do."""
    norms = {n: _norm(training, n) for n in training.equation.terms}
    center = next((n for n in norms if n not in starts), starts[0])
    return {n: max(training.equation.terms[n].weight, norms[center] / norms[n]) for n in starts if norms[n] > 0}


def _norm(training: Training, name: str) -> float:
    term = training.equation.terms[name]
    loss = term.residual(training.model, training.points[name]).square().mean()
    parts = torch.autograd.grad(loss, list(training.model.parameters()), allow_unused=True)
    return float(sum(p.square().sum() for p in parts if p is not None)) ** 0.5
