"""The largest learning rate that is stable on the local quadratic model of the loss, for the optimizer in use.

An optimizer with a fixed linear momentum and a fixed diagonal preconditioner D multiplies the error along an
eigenvector of D^1/2 H D^1/2 by a constant at each step; the learning rate is stable while that constant is at most 1
for the largest eigenvalue sigma (Cohen et al. 2021, 2022). All rules below have the form lr < c / sigma.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import torch
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag._records import Eigenvalue, Stability
from pinndiag._terms import _parameters
from pinndiag._terms._optimizer import OptimizerState
from pinndiag._terms._parameters import Vector
from pinndiag._terms._pinn import PINN

__all__ = ["NoRuleError", "Rule", "rule_of", "stability"]


class NoRuleError(PinndiagError):
    """The limit is not defined for this optimizer, or not from what is known of it."""


@final
@dataclass(frozen=True, eq=False)
class Rule:
    """How an optimizer steps, as far as its linear stability goes.

    Attributes:
        name: the optimizer as a person would call it.
        text: the formula, in words.
        lr: learning rate of the first group.
        bound: c in lr < c / sigma.
        scale: square root of the diagonal of D: sigma is the largest eigenvalue of diag(scale) H diag(scale). None
            where D is the identity and every parameter is trained.
    """

    name: str
    text: str
    lr: float
    bound: float
    scale: Vector | None


def stability(rule: Rule, sigma_max: Eigenvalue) -> Stability:
    """The limit that follows from the largest eigenvalue; infinite where nothing curves upwards.

    >>> from pinndiag._records import Eigenvalue
    >>> rule = Rule("gradient descent", "lr < 2 / sigma_max", lr=0.1, bound=2.0, scale=None)
    >>> found = stability(rule, Eigenvalue(value=40.0, residual=0.0, converged=True, products=3))
    >>> found.limit, found.sharpness
    (0.05, 2.0)
    """
    limit = rule.bound / sigma_max.value if sigma_max.value > 0 else math.inf
    return Stability(
        optimizer=rule.name,
        rule=rule.text,
        lr=rule.lr,
        limit=limit,
        sharpness=rule.lr / limit,
        sigma_max=sigma_max,
        preconditioned=rule.scale is not None,
    )


def rule_of(pinn: PINN) -> Rule:
    """The stability rule of the PINN's optimizer.

    Weight decay is not counted. Parameters the optimizer does not move (not in its groups, or never given a gradient)
    are held fixed. Where groups differ in learning rate, D carries their ratio to the first group's, and the limit is
    one on the first group's.

    Raises:
        NoRuleError: no optimizer is known, its state is missing, or no rule is known for its kind.

    References:
        Polyak 1964 (momentum); Cohen et al. 2021, arXiv 2103.00065, appendix B (Nesterov's momentum);
        Cohen et al. 2022, arXiv 2207.14484, equations 2 and 3 (Adam: P = (1 - beta1^t) (sqrt(v/(1 - beta2^t)) + eps),
        38 / lr at beta1 = 0.9). NAdam and RAdam follow from torch's update in the same way.
    """
    optimizer = pinn.optimizer
    if optimizer is None:
        raise NoRuleError("the optimizer is unknown: pass optimizer= to wrap")
    if optimizer.kind not in RULES:
        raise NoRuleError(f"no stability limit is known for {optimizer.kind}; known: {', '.join(RULES)}")
    groups = [group for group in optimizer.groups if group["parameters"]]
    if not groups or not groups[0].get("lr"):
        raise NoRuleError("the optimizer has no learning rate")
    for setting in ("momentum", "dampening", "nesterov", "betas", "maximize"):
        if len({repr(group.get(setting)) for group in groups}) > 1:
            raise NoRuleError(f"its parameter groups differ in {setting}")
    if groups[0].get("maximize"):
        raise NoRuleError("the optimizer maximizes")
    return RULES[optimizer.kind](pinn, optimizer, groups)


def _descent(pinn: PINN, optimizer: OptimizerState, groups: list[dict[str, Any]]) -> Rule:
    first = groups[0]
    momentum, dampening = float(first.get("momentum", 0.0)), float(first.get("dampening", 0.0))
    bound = 2 * (1 + momentum) / (1 - dampening) if momentum else 2.0
    name, text = "gradient descent", "lr < 2 / sigma_max"
    if momentum:
        name, text = "gradient descent with momentum", "lr < 2 (1 + momentum) / sigma_max"
        if dampening:
            text = "lr < 2 (1 + momentum) / ((1 - dampening) sigma_max)"
    if momentum and first.get("nesterov"):
        bound = 2 * (1 + momentum) / (1 + 2 * momentum)
        name, text = "gradient descent with Nesterov's momentum", "lr < 2 (1 + momentum) / ((1 + 2 momentum) sigma_max)"
    rates = {name: float(group["lr"]) for group in groups for name in group["parameters"]}
    lr = float(first["lr"])
    scale = None
    if set(rates) != set(pinn.parameters) or set(rates.values()) != {lr}:
        scale = _stack(pinn, {name: torch.tensor(math.sqrt(rate / lr)) for name, rate in rates.items()})
        text += ", sigma_max of D^1/2 H D^1/2, D the ratio of each parameter's learning rate to the first group's"
    return Rule(name, text, lr, bound, scale)


def _adam(pinn: PINN, optimizer: OptimizerState, groups: list[dict[str, Any]]) -> Rule:
    kind, lr = optimizer.kind, float(groups[0]["lr"])
    beta1 = float(groups[0]["betas"][0])
    moved = {
        name: (group, optimizer.state[name])
        for group in groups
        for name in group["parameters"]
        if optimizer.state.get(name, {}).get("step", 0) >= 1
    }
    if not moved:
        raise NoRuleError(f"{kind} has taken no step, or its state was not kept: its preconditioner is unknown")
    scales = {
        name: (_inverse_preconditioner(kind, group, state) * (float(group["lr"]) / lr)).sqrt()
        for name, (group, state) in moved.items()
    }
    own, averaged = 0.0, 1.0
    if kind == "NAdam":
        own, averaged = _nesterov(*max(moved.values(), key=lambda entry: float(entry[1]["step"])))
    # a step -lr D (own g + averaged m) with m the running average of g: on a quadratic the root z = -1 is the first to
    # leave the unit circle, where m = (1 - beta1)/(1 + beta1) g
    bound = 2 / (own + averaged * (1 - beta1) / (1 + beta1))
    return Rule(kind, ADAM_TEXT[kind], lr, bound, _stack(pinn, scales))


def _inverse_preconditioner(kind: str, group: Mapping[str, Any], state: Mapping[str, Any]) -> Tensor:
    """1 / P of one parameter, as torch applies it, flat; without the running average of the gradient."""
    beta1, beta2 = (float(b) for b in group["betas"])
    step, eps = float(state["step"]), float(group["eps"])
    stored = state["max_exp_avg_sq"] if group.get("amsgrad") else state["exp_avg_sq"]
    # a complex parameter has one second moment for its real and one for its imaginary part
    root: Tensor = _parameters.real(stored.detach()).to(torch.float64).sqrt()
    first, second = 1 - beta1**step, 1 - beta2**step
    if kind != "RAdam":
        denominator = root / math.sqrt(second) + eps
        # NAdam corrects the bias of its average by factors of its own, see _nesterov
        return torch.reciprocal(denominator if kind == "NAdam" else first * denominator)
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / second
    if length <= 5:  # too few gradients for a second moment: RAdam steps without one
        return torch.full_like(root, 1 / first)
    rectified = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    return torch.reciprocal(first * (root + eps) / math.sqrt(rectified * second))


def _nesterov(group: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[float, float]:
    """NAdam's factors of the gradient and of its running average at the last step."""
    beta1, decay, step = float(group["betas"][0]), float(group["momentum_decay"]), float(state["step"])
    now, following = (beta1 * (1 - 0.5 * 0.96 ** (t * decay)) for t in (step, step + 1))
    product = float(state["mu_product"])
    return (1 - now) / (1 - product), following / (1 - product * following)


def _stack(pinn: PINN, scales: Mapping[str, Tensor]) -> Vector:
    """One entry a real parameter; a single number stands for a whole tensor; 0 where the optimizer does not move it."""
    pieces = []
    for (name, tensor), size in zip(pinn.parameters.items(), _parameters.sizes(pinn.tensors), strict=True):
        scale = scales.get(name, torch.zeros(()))
        pieces.append(scale.to(tensor.device, torch.float64).expand(size))
    return torch.cat(pieces)


ADAM_TEXT: Final = {
    "Adam": "lr < 2 (1 + beta1) / ((1 - beta1) sigma), sigma the largest eigenvalue of P^-1/2 H P^-1/2, "
    "P = (1 - beta1^t) (sqrt(v / (1 - beta2^t)) + eps)",
    "NAdam": "lr < 2 / ((a + b (1 - beta1) / (1 + beta1)) sigma), a and b NAdam's present factors of the gradient and "
    "of its average, sigma the largest eigenvalue of P^-1/2 H P^-1/2, P = sqrt(v / (1 - beta2^t)) + eps",
    "RAdam": "lr < 2 (1 + beta1) / ((1 - beta1) sigma), sigma the largest eigenvalue of P^-1/2 H P^-1/2, "
    "P = (1 - beta1^t) (sqrt(v) + eps) / (rectification sqrt(1 - beta2^t))",
}
ADAM_TEXT["AdamW"] = ADAM_TEXT["Adam"]

RULES: Final[dict[str, Callable[[PINN, OptimizerState, list[dict[str, Any]]], Rule]]] = {
    "SGD": _descent,
    "Adam": _adam,
    "AdamW": _adam,
    "NAdam": _adam,
    "RAdam": _adam,
}
