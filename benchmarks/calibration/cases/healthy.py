"""Networks that solve their problem, or are on the best way to it: nothing may be called a problem."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.calibration.case import Case
from benchmarks.calibration.equation import Equation
from benchmarks.calibration.equations import (
    burgers,
    decay_inverse,
    fit,
    heat,
    layer,
    literature,
    logistic,
    oscillator,
    poisson,
    square,
)
from benchmarks.calibration.training import Phase, Setup, mlp
from pinndiag import schemes
from pinndiag.nn import ModifiedMLP, Normalisation

__all__ = ["CASES"]

GOOD = (Phase(budget=1500, lr=5e-3, decay=0.1), Phase("lbfgs", budget=800))
ADAM = (Phase(budget=2500, lr=5e-3, decay=1e-3),)


class Sine(nn.Module):
    """The activation of SIREN."""

    def forward(self, x: Tensor) -> Tensor:
        """The sine."""
        return torch.sin(x)


def _modified(equation: Equation) -> nn.Module:
    scaling = Normalisation.unit(equation.box.low, equation.box.high)
    return ModifiedMLP(len(equation.box.low), equation.outputs, width=16, depth=2, scaling=scaling)


def _exactly(setup: Setup) -> Setup:
    """With its condition satisfied by construction, so that one term is left."""
    known = setup.pose(setup.dtype).exact
    assert known is not None
    one = setup.posed(lambda e: replace(e, terms={n: t for n, t in e.terms.items() if n not in known.dropped}))
    return one.built(lambda net, equation: known.network(net))


def _as_loss(equation: Equation) -> Equation:
    """Terms that give a scalar loss instead of residuals."""
    terms = {
        n: replace(t, residual=lambda net, x, t=t: t.residual(net, x).square().mean())
        for n, t in equation.terms.items()
    }
    return replace(equation, terms=terms)


def _case(name: str, setup: Setup, strength: str, **more: object) -> Case:
    return Case(f"healthy/{name}", "healthy", setup, strength=strength, **more)  # type: ignore[arg-type]


CASES = [
    _case("heat/adam-lbfgs", Setup(heat(), phases=GOOD), "Adam, then L-BFGS", quick=True),
    _case("square/adam-lbfgs", Setup(square(), phases=GOOD), "Adam, then L-BFGS"),
    _case("burgers/float64", Setup(burgers(), phases=GOOD, dtype=torch.float64), "float64", quick=True),
    _case("inverse/float64", Setup(decay_inverse(), phases=GOOD, dtype=torch.float64), "a coefficient that is found"),
    _case(
        "poisson/exact-ends", _exactly(Setup(poisson(0.5, points=200), phases=GOOD)), "one term, ends satisfied exactly"
    ),
    _case("oscillator/exact-start", _exactly(Setup(oscillator(), phases=GOOD)), "one term, start satisfied exactly"),
    _case("fit/adam", Setup(fit(), phases=ADAM), "a plain fit by Adam"),
    _case("poisson/adam", Setup(poisson(0.5), phases=ADAM), "Adam with a decaying rate", subset=False),
    _case("oscillator/modified", Setup(oscillator(), _modified, GOOD), "the modified network"),
    _case("poisson/sine", Setup(poisson(points=200), mlp(activation=Sine), GOOD), "sine units"),
    _case("layer/lbfgs", Setup(layer(0.2), phases=GOOD), "a layer that is resolved: saturated units, steep residual"),
    _case("heat/heavy-conditions", Setup(heat(), phases=GOOD).weighted(bc=100.0, ic=100.0), "weights that are right"),
    _case("logistic/solved", Setup(logistic(0.3, rate=3.0), phases=GOOD), "an equation with fixed points, solved"),
    _case("square/resampled", Setup(square(), phases=ADAM).terms(resample=1), "fresh points at every step"),
    _case(
        "heat/little-given",
        Setup(heat(), phases=GOOD),
        "closures only: no points, no solution, no optimizer, no start",
        given=frozenset(),
    ),
    _case("poisson/scalar-losses", Setup(poisson(0.5), phases=GOOD).posed(_as_loss), "terms that are scalar losses"),
    _case(
        "fit/young-run",
        Setup(fit(dimensions=2), phases=(Phase(budget=400),)),
        "young: 400 steps",
        judged="live",
        solved=math.inf,
        quick=True,
    ),
    _case(
        "heat/young-run", Setup(heat(), phases=(Phase(budget=500),)), "young: 500 steps", judged="live", solved=math.inf
    ),
    _case("burgers/run", Setup(burgers(), phases=ADAM), "a run of Adam", judged="run", subset=False),
    _case(
        "square/balanced-run",
        replace(Setup(square(), phases=ADAM), scheme=lambda: schemes.DynamicNorm(reference="pde")),
        "a run under a scheme",
        judged="run",
    ),
    _case(
        "regression/literature", Setup(*literature("regression"), phases=GOOD), "a fit of the literature", subset=False
    ),
]
