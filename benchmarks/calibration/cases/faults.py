"""Faults of the program: a line of code is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.calibration.case import Case
from benchmarks.calibration.equation import Equation, Term
from benchmarks.calibration.equations import burgers, decay_inverse, heat, oscillator, poisson, square
from benchmarks.calibration.training import Phase, Setup, mlp
from pinndiag.nn import derivatives

__all__ = ["CASES"]

Residual = Callable[[nn.Module, Tensor], Tensor]
SHORT = (Phase(budget=600),)


def _with(setup: Setup, name: str, change: Callable[[Residual], Residual]) -> Setup:
    """With one residual changed."""

    def posed(equation: Equation) -> Equation:
        term = equation.terms[name]
        return replace(equation, terms={**equation.terms, name: replace(term, residual=change(term.residual))})

    return setup.posed(posed)


def _also(setup: Setup, name: str, make: Callable[[Equation], Term]) -> Setup:
    """With one more term."""
    return setup.posed(lambda e: replace(e, terms={**e.terms, name: make(e)}))


def _radius(guarded: bool, hole: float = 0.0) -> Residual:
    """A term with the root of a distance to the origin, hidden by `where`: a NaN in the backward pass only."""

    def residual(net: nn.Module, x: Tensor) -> Tensor:
        u: Tensor = net(x) - net(torch.zeros_like(x))
        square = u.square().sum(dim=1, keepdim=True) + hole
        inside = square > 0
        safe = torch.where(inside, square, torch.ones_like(square)) if guarded else square
        return torch.where(inside, safe.sqrt(), torch.zeros_like(square)) - x.norm(dim=1, keepdim=True)

    return residual


def _origin(guarded: bool, hole: float = 0.0) -> Callable[[Equation], Term]:
    """At ten points, the origin among them."""

    def make(equation: Equation) -> Term:
        x = equation.box.grid(10 if len(equation.box.low) == 1 else 4)
        return Term(_radius(guarded, hole), equation.box.inside, len(x), x)

    return make


def _logarithm(guarded: bool) -> Callable[[Residual], Residual]:
    """The logarithm of an output that is negative somewhere."""

    def change(residual: Residual) -> Residual:
        def changed(net: nn.Module, x: Tensor) -> Tensor:
            u: Tensor = net(x)
            known = residual(net, x)
            return known + 1e-3 * torch.log(u.clamp(min=1e-6) if guarded else u)

        return changed

    return change


def _detached(share: float) -> Callable[[Residual], Residual]:
    """So much of the residual does not depend on the network."""

    def change(residual: Residual) -> Residual:
        def changed(net: nn.Module, x: Tensor) -> Tensor:
            r = residual(net, x)
            return share * r.detach() + (1 - share) * r

        return changed

    return change


def _half_burgers(share: float) -> Callable[[Residual], Residual]:
    """So much of the convection's factor u is detached."""

    def change(residual: Residual) -> Residual:
        def changed(net: nn.Module, x: Tensor) -> Tensor:
            u, u_x = derivatives(net, x, "x", axes="tx")
            return residual(net, x) + share * (u.detach() - u) * u_x

        return changed

    return change


def _no_second(net: nn.Module, x: Tensor) -> Tensor:
    """The second derivative of units whose second derivative vanishes: it leaves the source only."""
    x = x.detach().requires_grad_(True)
    (first,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True, allow_unused=True, materialize_grads=True)
    return second + (2 * math.pi) ** 2 * torch.sin(2 * math.pi * x)


def _numbered(residual: Residual) -> Residual:
    """The coefficient enters as a number."""

    def changed(net: nn.Module, x: Tensor) -> Tensor:
        u, u_t = derivatives(net, x, "t", axes="t")
        return u_t + net.coefficient.detach() * u

    return changed


def _twice(factor: float, *, shifted: bool = False) -> Callable[[Equation], Equation]:
    """The first term again; `shifted`: at other points, so that it is not the same."""

    def posed(equation: Equation) -> Equation:
        name, first = next(iter(equation.terms.items()))
        points = equation.box.inside(first.count)
        other = equation.box.inside(first.count) if shifted else points
        again = replace(first, residual=lambda net, x: factor * first.residual(net, x), points=other)
        return replace(equation, terms={**equation.terms, name: replace(first, points=points), "again": again})

    return posed


def _exchanged(equation: Equation) -> Equation:
    """The first two names exchanged."""
    (a, first), (b, second), *rest = equation.terms.items()
    return replace(equation, terms={b: first, a: second, **dict(rest)})


_radial = replace(Setup(poisson()), phases=SHORT)
_log = Setup(heat(), phases=SHORT)
_heat = Setup(heat(), phases=SHORT)
_bend = Setup(poisson(), mlp(activation=nn.ReLU), phases=SHORT)
_inverse = Setup(decay_inverse(), phases=SHORT)
_burgers = Setup(burgers(), phases=(Phase(budget=800),))
_ode = Setup(oscillator(), phases=(Phase(budget=800),))
_square = Setup(square(), phases=SHORT)

PLANTS = [
    Case(
        "nonfinite/poisson/where-hides-a-root",
        "sick",
        _also(replace(_radial, phases=(Phase(budget=1, lr=0.0),)), "radius", _origin(False)),
        "nonfinite",
        strength="one point of ten at the zero of a root, in the backward pass only",
        curable="a guard on the argument",
        code={"safe_where": _also(_radial, "radius", _origin(True))},
        quick=True,
    ),
    Case(
        "nonfinite/heat/logarithm",
        "sick",
        _with(replace(_log, phases=(Phase(budget=1, lr=0.0),)), "pde", _logarithm(False)),
        "nonfinite",
        strength="log of a negative output at some points",
        curable="a guard on the argument",
        code={"safe_where": _with(_log, "pde", _logarithm(True))},
        subset=False,
    ),
    Case(
        "nonfinite/square/diverged",
        "sick",
        Setup(square(), phases=(Phase("sgd", lr=3.0, budget=300, settings={"momentum": 0.9}),)),
        "nonfinite",
        also=("lr_too_high",),
        strength="plain descent far beyond its limit",
        curable="a smaller learning rate",
    ),
    Case(
        "nonfinite/poisson/large-but-finite",
        "short",
        _also(_radial, "radius", _origin(True, hole=1e-12)),
        "nonfinite",
        strength="the slope of the root reaches 1e6, and stays finite",
        subset=False,
    ),
    Case(
        "no_gradient/heat/detached-condition",
        "sick",
        _with(_heat, "ic", _detached(1.0)),
        "no_gradient",
        strength="the initial condition has no gradient at all",
        curable="the line of code",
        code={"attach_term": _heat},
        quick=True,
    ),
    Case(
        "no_gradient/poisson/relu",
        "sick",
        _with(_bend, "pde", lambda residual: _no_second),
        "no_gradient",
        strength="units without a second derivative",
        curable="another activation",
        code={"attach_term": replace(_radial, phases=SHORT)},
    ),
    Case(
        "no_gradient/inverse/coefficient-as-number",
        "sick",
        _with(_inverse, "ode", _numbered),
        "no_gradient",
        strength="the coefficient that is sought gets no gradient",
        curable="the line of code",
        code={"use_coefficient": _inverse},
    ),
    Case(
        "no_gradient/heat/nearly-detached",
        "short",
        _with(_heat, "ic", _detached(0.5)),
        "no_gradient",
        strength="half of the condition's gradient is lost: wrong, but not gone",
        subset=False,
    ),
    Case(
        "wrong_gradient/burgers/factor-detached",
        "sick",
        _with(_burgers, "pde", _half_burgers(1.0)),
        "wrong_gradient",
        strength="a factor of the convection is detached",
        curable="the line of code",
        code={"check_create_graph": _burgers},
        quick=True,
    ),
    Case(
        "wrong_gradient/oscillator/part-detached",
        "sick",
        _with(_ode, "ode", _detached(0.08)),
        "wrong_gradient",
        strength="just beyond: 8 % of the residual is detached (threshold 5 %)",
        code={"check_create_graph": _ode},
    ),
    Case(
        "wrong_gradient/square/second-derivative",
        "sick",
        _with(_square, "pde", _detached(0.3)),
        "wrong_gradient",
        strength="30 % of the residual is detached",
        code={"check_create_graph": _square},
        subset=False,
    ),
    Case(
        "wrong_gradient/oscillator/hardly",
        "short",
        _with(_ode, "ode", _detached(0.03)),
        "wrong_gradient",
        strength="just short: 3 % of the residual is detached (threshold 5 %)",
    ),
    Case(
        "duplicate_term/heat/twice",
        "sick",
        _heat.posed(_twice(2.0)),
        "duplicate_term",
        strength="the residual is there twice, once with a factor 2",
        code={"one_term": _heat},
    ),
    Case(
        "duplicate_term/poisson/twice",
        "sick",
        _radial.posed(_twice(1.0)),
        "duplicate_term",
        strength="the residual is there twice",
        code={"one_term": _radial},
    ),
    Case(
        "duplicate_term/heat/other-points",
        "short",
        _heat.posed(_twice(1.0, shifted=True)),
        "duplicate_term",
        strength="the same residual at other points: cosine near 1, not 1",
        subset=False,
    ),
    Case(
        "mislabeled_term/square/exchanged",
        "sick",
        replace(_square, phases=(Phase(budget=150),)).posed(_exchanged),
        "mislabeled_term",
        strength='the term called "bc" is the residual of the equation',
    ),
    Case(
        "mislabeled_term/heat/exchanged",
        "sick",
        replace(_heat, phases=(Phase(budget=100),)).posed(_exchanged),
        "mislabeled_term",
        strength='the term called "bc" is the residual of the equation',
    ),
    Case(
        "mislabeled_term/square/plain-names",
        "short",
        _square.posed(lambda e: replace(e, terms={"first": e.terms["bc"], "second": e.terms["pde"]})),
        "mislabeled_term",
        strength="names that claim nothing, the condition first",
        subset=False,
    ),
]

CASES = [replace(case, unsolved=0.0) for case in PLANTS]  # a fault is one whatever the network came to
