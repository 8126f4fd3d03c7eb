"""Activations inside the network: saturated and dead units, spread over the points."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag._records import Activation, Activations
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View

__all__ = ["SATURATED", "SATURATED_POINTS", "activations"]

SATURATED = 0.99  # |tanh| beyond which a unit passes (nearly) nothing back (design 4.3)
SATURATED_POINTS = 0.9  # share of the points on which a unit must be saturated to be called so (design 4.3)

Units = Inexact[Tensor, "points units"]

# Functions that flatten out on both sides, and how their value is brought to (-1, 1). For others there is no
# saturation to speak of (sin, GELU, ReLU, SiLU, ...).
_SQUASHING: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda value: value,
    "hardtanh": lambda value: value,
    "softsign": lambda value: value,
    "erf": lambda value: value,
    "sigmoid": lambda value: 2 * value - 1,
    "hardsigmoid": lambda value: 2 * value - 1,
}


@runtime_checkable
class SeesActivations(Protocol):
    """Terms that can show the activations of the network at a term's points (captured ones can)."""

    def activations(self, term: str) -> list[tuple[str, str, Tensor]]:
        """In the network's order: the layer whose output is squashed, the function, its values (points, units)."""


def activations(subject: PINN | View) -> Activations:
    """Look at every activation of the network, at the points of every term.

    A unit is saturated if |tanh| > 0.99 (of a sigmoid s: |2 s - 1|) on more than 90 % of the points; `saturated_pairs`
    is the share of such (unit, point) pairs. `spread` is the standard deviation of a unit over the points (divided by
    their number), mean over units; NaN where there is one point. A dead unit has the same output, up to rounding, at
    all of two or more points.

    In the order of the terms, and for each term in the network's order.

    Raises:
        PinndiagError: the terms cannot be captured as a graph, so that what happens inside the network is not seen; or
            there is no activation in it.

    Cost: one forward pass of each term on a captured twin (capturing a live PINN: a few evaluations of its terms).

    Source of saturation as a sign: Glorot, Bengio 2010 (AISTATS, 249).
    """
    pinn = View.of(subject).pinn
    terms = pinn.terms if isinstance(pinn.terms, SeesActivations) else pinn.copy().terms
    if not isinstance(terms, SeesActivations):
        raise PinndiagError(
            "the activations of the network cannot be seen",
            where=f"terms of type {type(terms).__name__}",
            cause="the terms came in a form that keeps no record of what happens inside the network",
            fix="wrap the live model with pinndiag.wrap, or load a file written by pinn.save",
        )
    layers = [
        _look(layer, function, term, values.detach())
        for term in pinn.names
        for layer, function, values in terms.activations(term)
    ]
    if not layers:
        raise PinndiagError(
            "no activation was seen inside the network",
            where=f"terms: {', '.join(pinn.names)}",
            cause="the network is linear, or its activation is built from other operators",
            fix="use the activation of torch.nn or torch, such as torch.tanh, if this figure is wanted",
        )
    return Activations(layers=layers)


def _look(layer: str, function: str, term: str, values: Units) -> Activation:
    points, units = values.shape
    squashed = _squashed(function, values)
    saturated = None if squashed is None else squashed.abs() > SATURATED
    deviation = (values - values.mean(0)).abs().double()
    spread = float(deviation.square().mean(0).sqrt().mean()) if points > 1 else math.nan
    return Activation(
        layer=layer,
        function=function,
        term=term,
        units=units,
        saturated_units=None
        if saturated is None
        else float((saturated.double().mean(0) > SATURATED_POINTS).double().mean()),
        saturated_pairs=None if saturated is None else float(saturated.double().mean()),
        spread=spread,
        dead_units=_dead(values) if points > 1 else 0,
    )


def _squashed(function: str, values: Units) -> Float[Tensor, "points units"] | None:
    if function not in _SQUASHING or values.is_complex():  # the complex tanh has poles, it does not saturate
        return None
    return _SQUASHING[function](values)


def _dead(values: Units) -> int:
    """Units with the same value at all points, up to the rounding of a matrix product."""
    rounding = 8 * torch.finfo(values.dtype).eps
    return int(((values - values[0]).abs().amax(0) <= rounding * values[0].abs()).sum())
