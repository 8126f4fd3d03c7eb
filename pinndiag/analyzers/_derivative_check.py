"""Difference quotients of the loss against its gradient: whether backward gives the derivative of forward."""

from __future__ import annotations

import math

import torch

from pinndiag._derivatives._jacobian import generator
from pinndiag._records._experiments import DerivativeCheck
from pinndiag._records._points import PerTerm
from pinndiag._terms import _parameters
from pinndiag._terms._parameters import Vector
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View

__all__ = ["derivative_check"]

DIRECTIONS = 3
STEPS = (1e-6, 4e-6)  # relative to |theta|; rounding grows as 1/h, truncation as h^2
SETTLED = 0.01  # relative difference of the two quotients up to which they count as the same
NEGLIGIBLE = 1e-9  # derivatives below this share of the loss per unit of theta are rounding


def derivative_check(subject: PINN | View, *, seed: int = 0) -> PerTerm[DerivativeCheck]:
    """Central differences of every loss along 3 random directions against <g, v>, on a float64 twin.

    The disagreement |D - <g, v>| / max(|D|, |<g, v>|) is about 1e-8 for a correct gradient and 0.2 to 1 for one that
    misses a factor (a second derivative without create_graph, a detached factor). Two step sizes must give the same
    quotient, or the direction is not judged (a kink, rounding); nor is one along which the derivative is negligible
    against the loss. A deliberate stop-gradient disagrees as well.

    Args:
        subject: a wrapped PINN, or a view of it.
        seed: of the directions.

    Raises:
        CaptureError: a term cannot be captured, so that there is no twin.

    Cost: one gradient, and 12 forward passes of each term.
    """
    twin = View(View.of(subject).pinn.copy(dtype=torch.float64))
    tensors, base = twin.pinn.tensors, [t.detach().clone() for t in twin.pinn.tensors]
    origin = _parameters.flatten(base, tensors).double()
    losses, gradients = twin.losses, twin.gradients
    draws = torch.randn(DIRECTIONS, len(origin), generator=generator(seed), dtype=torch.float64)
    directions = (draws / draws.norm(dim=1, keepdim=True)).to(origin.device)
    scale = float(origin.norm()) or 1.0
    quotients: dict[str, list[list[float]]] = {name: [] for name in twin.pinn.names}
    try:
        for direction in directions:
            found = [_quotient(twin.pinn, origin, direction, step * scale) for step in STEPS]
            for name, pair in quotients.items():
                pair.append([each[name] for each in found])
    finally:
        _move(twin.pinn, origin)
    return PerTerm(
        {
            name: _judge(pairs, (directions @ gradients[name].double()).tolist(), losses[name])
            for name, pairs in quotients.items()
        },
        {},
    )


def _quotient(pinn: PINN, origin: Vector, direction: Vector, step: float) -> dict[str, float]:
    _move(pinn, origin + step * direction)
    ahead = _losses(pinn)
    _move(pinn, origin - step * direction)
    behind = _losses(pinn)
    return {name: (ahead[name] - behind[name]) / (2 * step) for name in ahead}


def _move(pinn: PINN, vector: Vector) -> None:
    with torch.no_grad():
        for tensor, value in zip(pinn.tensors, _parameters.unflatten(vector, pinn.tensors), strict=True):
            tensor.copy_(value)


def _losses(pinn: PINN) -> dict[str, float]:
    together = [name for name in pinn.names if not pinn.splits(name)]
    losses = {name: float(loss.detach()) for name, loss in pinn.losses(together).items()} if together else {}
    for name in pinn.names:
        if name not in losses:
            losses[name] = sum(float(piece.detach()) for piece in pinn.pieces(name))
    return losses


def _judge(quotients: list[list[float]], slopes: list[float], loss: float) -> DerivativeCheck:
    errors, unsettled, negligible = [], 0, 0
    for pair, slope in zip(quotients, slopes, strict=True):
        if not all(map(math.isfinite, [*pair, slope])):
            return DerivativeCheck(
                error=None, settled=False, directions=0, reason="the loss or its gradient is not finite"
            )
        largest = max(abs(pair[0]), abs(pair[1]))
        if max(largest, abs(slope)) <= NEGLIGIBLE * abs(loss):
            negligible += 1
        elif abs(pair[0] - pair[1]) > SETTLED * largest:
            unsettled += 1
        else:
            errors.append(abs(pair[1] - slope) / max(abs(pair[1]), abs(slope)))
    reasons = []
    if negligible:
        reasons.append(f"the derivative is negligible against the loss along {negligible} of {len(slopes)} directions")
    if unsettled:
        reasons.append(
            f"the difference quotient depends on the step size along {unsettled} of {len(slopes)} directions"
        )
    return DerivativeCheck(
        error=max(errors) if errors else None,
        settled=unsettled == 0,
        directions=len(errors),
        reason="" if errors else "; ".join(reasons),
    )
