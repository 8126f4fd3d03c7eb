"""Scales and digits."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.calibration.case import Case
from benchmarks.calibration.equation import Equation
from benchmarks.calibration.equations import fit, heat, poisson
from benchmarks.calibration.training import Phase, Setup, mlp

__all__ = ["CASES"]

RAW = mlp(scaled=False)
LONG = (Phase(budget=1500, decay=0.1),)


def _stretched(length: float, offset: float = 0.0) -> Setup:
    return Setup(poisson(length=length, offset=offset), RAW, LONG)


def _lifted(size: float) -> Setup:
    """The unknown rides on a large constant, which the network carries in float32."""

    def change(equation: Equation) -> Equation:
        def raised(net: nn.Module, x: Tensor, residual, name: str) -> Tensor:
            big = (size + net(x)) - size  # digits of the sum are lost
            return residual(net, x) + (big - net(x))

        terms = {
            n: replace(t, residual=lambda net, x, t=t, n=n: raised(net, x, t.residual, n))
            for n, t in equation.terms.items()
        }
        return replace(equation, terms=terms)

    return Setup(fit(), phases=LONG).posed(change)


def _offset(offset: float) -> Setup:
    """Coordinates far from zero that the network maps to [-1, 1] in float32."""
    return Setup(poisson(offset=offset), phases=LONG)


def _multiplied(equation: Equation, factor: float) -> Equation:
    """The first residual in other units."""
    name, term = next(iter(equation.terms.items()))
    larger = replace(term, residual=lambda net, x: factor * term.residual(net, x))
    return replace(equation, terms={**equation.terms, name: larger})


def _enlarged(equation: Equation, size: float) -> Equation:
    """Data of another size; the residual is not divided by it."""
    assert equation.solution is not None
    x, values = equation.solution
    name, term = next(iter(equation.terms.items()))

    def residual(net: nn.Module, x: Tensor) -> Tensor:
        known = net(x) - term.residual(net, x)
        return net(x) - size * known

    return replace(equation, terms={name: replace(term, residual=residual)}, solution=(x, size * values))


def _widened(equation: Equation, factor: float) -> Equation:
    """Coordinates multiplied by a factor, for a fit."""
    assert equation.solution is not None
    x, values = equation.solution
    box = replace(
        equation.box,
        low=tuple(factor * v for v in equation.box.low),
        high=tuple(factor * v for v in equation.box.high),
    )
    name, term = next(iter(equation.terms.items()))

    def residual(net: nn.Module, x: Tensor) -> Tensor:
        return net(x) - torch.sin(math.pi * x / factor)

    wide = replace(term, residual=residual, draw=box.inside)
    return replace(equation, box=box, terms={name: wide}, solution=(factor * x, values))


CASES = [
    Case(
        "input_scaling/poisson/thousands",
        "sick",
        _stretched(1000.0),
        "input_scaling",
        strength="coordinates from 0 to 1000",
        curable="inputs mapped to [-1, 1]",
        quick=True,
    ),
    Case(
        "input_scaling/poisson/offset",
        "sick",
        _stretched(1.0, offset=50.0),
        "input_scaling",
        strength="coordinates from 50 to 51",
        curable="inputs mapped to [-1, 1]",
        subset=False,
    ),
    Case(
        "input_scaling/poisson/tiny",
        "sick",
        _stretched(1e-3),
        "input_scaling",
        strength="coordinates from 0 to 0.001",
        curable="inputs mapped to [-1, 1]",
    ),
    Case(
        "input_scaling/fit/just-beyond",
        "sick",
        Setup(
            lambda dtype: _widened(fit(waves=1.0)(dtype), 200.0),
            RAW,
            LONG,
        ),
        "input_scaling",
        strength="just beyond: coordinates from -200 to 200",
        curable="inputs mapped to [-1, 1]",
    ),
    Case(
        "input_scaling/poisson/just-short",
        "short",
        _stretched(4.0),
        "input_scaling",
        strength="just short: coordinates from 0 to 4",
    ),
    Case(
        "unscaled_problem/poisson/stiff-units",
        "sick",
        Setup(poisson(pde=1e5), phases=LONG),
        "unscaled_problem",
        also=("pde_dominates",),
        strength="the residual is given in units that make it 1e5 times larger",
        curable="each term divided by its size",
        quick=True,
    ),
    Case(
        "unscaled_problem/heat/stiff-units",
        "sick",
        Setup(lambda dtype: _multiplied(heat()(dtype), 2e4), phases=LONG),
        "unscaled_problem",
        also=("pde_dominates",),
        strength="the residual is given in units that make it 2e4 times larger",
        curable="each term divided by its size",
        subset=False,
    ),
    Case(
        "unscaled_problem/poisson/large-solution",
        "sick",
        Setup(poisson(0.5, size=1e5), phases=LONG),
        "unscaled_problem",
        strength="the solution has the size 1e5",
        curable="the output scaled",
    ),
    Case(
        "unscaled_problem/fit/large-data",
        "sick",
        Setup(lambda dtype: _enlarged(fit()(dtype), 3e4), phases=LONG),
        "unscaled_problem",
        strength="the data have the size 3e4",
        curable="the output scaled",
    ),
    Case(
        "unscaled_problem/poisson/just-short",
        "short",
        Setup(poisson(0.5, size=30.0), phases=LONG),
        "unscaled_problem",
        strength="just short: the solution has the size 30",
    ),
    Case(
        "precision_floor/poisson/offset",
        "sick",
        _offset(1e6),
        "precision_floor",
        strength="coordinates from 1000000 to 1000001 in float32: 17 different ones",
        curable="shifted coordinates, or float64",
    ),
    Case(
        "precision_floor/fit/large-constant",
        "sick",
        _lifted(2e6),
        "precision_floor",
        strength="the unknown rides on 2e6 in float32",
        curable="float64",
        quick=True,
    ),
    Case(
        "precision_floor/poisson/just-short",
        "short",
        _offset(20.0),
        "precision_floor",
        strength="just short: coordinates from 20 to 21, mapped to [-1, 1] by the network",
    ),
]
