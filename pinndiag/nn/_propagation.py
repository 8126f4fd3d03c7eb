"""Derivatives by forward propagation: how each kind of module passes a jet on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from pinndiag.nn._adaptive import AdaptiveTanh
from pinndiag.nn._fourier import FourierFeatures
from pinndiag.nn._jet import Jet
from pinndiag.nn._mlp import MLP
from pinndiag.nn._modified_mlp import ModifiedMLP
from pinndiag.nn._normalisation import Normalisation
from pinndiag.nn._plan import Plan

__all__ = ["forward", "is_known"]

Values = Float[Tensor, "points outputs"]


def is_known(module: object) -> bool:
    """Whether the module and all inside it have a rule.

    By exact class, since a subclass or a parametrised module may compute something else; and without hooks, which a
    rule would pass by.
    """
    return isinstance(module, nn.Module) and all(
        (type(m) in _RULES or type(m) is nn.ModuleList) and not (m._forward_hooks or m._forward_pre_hooks)
        for m in module.modules()
    )


def forward(net: nn.Module, x: Float[Tensor, "points d"], chosen: Plan) -> tuple[Values, ...]:
    """The output and each operator of the plan, passed on layer by layer."""
    jet = propagated(net, Jet.start(x, chosen))
    rows = iter(range(len(chosen.sums)))
    mixed = [next(rows) if chosen.mixing and order == chosen.order else None for order, _ in chosen.sums]
    found = [jet.operator(order, c, row) for (order, c), row in zip(chosen.sums, mixed, strict=True)]
    return (jet.value, *found)


def propagated(module: nn.Module, jet: Jet) -> Jet:
    """What the module makes of a jet."""
    return _RULES[type(module)](module, jet)


def _sequential(module: nn.Sequential, jet: Jet) -> Jet:
    for part in module:
        jet = propagated(part, jet)
    return jet


def _mlp(module: MLP, jet: Jet) -> Jet:
    jet = propagated(module.scaling, jet)
    for layer, activation in zip(module.hidden, module.activations, strict=True):
        jet = propagated(activation, propagated(layer, jet))
    return propagated(module.output, jet)


def _modified_mlp(module: ModifiedMLP, jet: Jet) -> Jet:
    jet = propagated(module.scaling, jet)
    u, v = (propagated(encoder, jet).tanh() for encoder in (module.encoder_u, module.encoder_v))
    difference = u - v
    for layer in module.hidden:
        jet = v + propagated(layer, jet).tanh() * difference
    return propagated(module.output, jet)


def _fourier(module: FourierFeatures, jet: Jet) -> Jet:
    phase = jet.linear(module.phases, None)
    return phase.cos().joined(phase.sin())


_RULES: dict[type[nn.Module], Callable[[Any, Jet], Jet]] = {
    nn.Identity: lambda module, jet: jet,
    nn.Linear: lambda module, jet: jet.linear(module.weight, module.bias),
    nn.Sequential: _sequential,
    nn.Tanh: lambda module, jet: jet.tanh(),
    AdaptiveTanh: lambda module, jet: jet.times(module.factor).tanh(),
    FourierFeatures: _fourier,
    MLP: _mlp,
    ModifiedMLP: _modified_mlp,
    Normalisation: lambda module, jet: jet.scaled(module.shift, module.scale),
}
