"""Start again: whether another draw of the initial parameters would train better."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pinndiag._derivatives._jacobian import generator
from pinndiag._descent._descent import Adam, losses, subsets
from pinndiag._errors import PinndiagError
from pinndiag._records import Restart, ShortRun
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View
from pinndiag.analyzers._solution import solution
from pinndiag.analyzers._start import require_initial

__all__ = ["STEPS", "outcome", "redrawn", "restart"]

STEPS = 200


def restart(subject: PINN | View, *, steps: int = STEPS, seed: int = 0) -> Restart:
    """The first steps of Adam from redrawn initial parameters, against as many from the stored ones, on copies.

    With the learning rate of the file where it was trained with Adam (its first value, if a schedule lowered it), else
    1e-3. How the parameters are redrawn: see `redrawn`. Where the redrawn network is far ahead, the initialisation was
    bad. One draw is an example, not evidence of a small difference.

    Args:
        subject: a wrapped PINN, or a view of it.
        steps: steps of Adam in each run.
        seed: of the draw, and of the choice of points for terms with more than 4096.

    Raises:
        PinndiagError: the initial parameters are unknown, or are those of the checkpoint.
        CaptureError: a term cannot be captured, so that there is no copy.

    Cost: two gradients of the total a step, in the PINN's own dtype.
    """
    source = View.of(subject).pinn
    require_initial(source)
    twin = source.copy(initial=True)
    adam, points = Adam(twin), subsets(twin, seed)
    stored, drawn = [t.detach().clone() for t in twin.tensors], redrawn(twin, seed)
    found = []
    for start in (stored, drawn):
        before = _set(twin, start)
        adam.run(twin, steps, points, start)
        found.append(outcome(twin, before))
    first, second = found
    return Restart(
        steps=steps,
        lr=adam.lr,
        stored=first,
        redrawn=second,
        factor=_quotient(first.total_after, second.total_after),
        subset={name: chosen.count for name, chosen in points.items()},
    )


def redrawn(pinn: PINN, seed: int) -> list[Tensor]:
    """Initial parameters of another draw, one tensor for each trainable parameter of a PINN at its initial ones.

    Matrices (and kernels of more dimensions): Glorot's normal rule. Vectors: zero where they were zero, else normal
    with the mean and standard deviation of their initial values. Single numbers, and the lengths of a weight norm, stay
    as they were: they are coefficients or scales, whose value has a meaning.

    Source: Glorot, Bengio 2010 (AISTATS, 249).
    """
    rng = generator(seed)
    found = []
    for name, tensor in pinn.parameters.items():
        value = tensor.detach()
        # drawn for every tensor, so that a tensor's draw does not depend on what the others hold
        noise = torch.randn(value.shape, generator=rng, dtype=_double(value)).to(value)
        if name.endswith(("weight_g", "original0")) or (value.ndim < 2 and value.numel() == 1):
            found.append(value.clone())
        elif value.ndim >= 2:
            field = math.prod(value.shape[2:])
            found.append(math.sqrt(2 / (field * (value.shape[0] + value.shape[1]))) * noise)
        else:
            centre = value.mean()
            found.append(centre + (value - centre).abs().square().mean().sqrt() * noise)
    return found


def outcome(pinn: PINN, before: dict[str, float]) -> ShortRun:
    """What a short run came to, at the present parameters."""
    after = losses(pinn, pinn.names)
    try:
        error = solution(pinn).rel_l2
    except PinndiagError:
        error = None
    return ShortRun(
        before=before,
        after=after,
        total_before=_total(pinn, before),
        total_after=_total(pinn, after),
        rel_l2=error,
    )


def _set(pinn: PINN, values: list[Tensor]) -> dict[str, float]:
    """Losses at the given parameters, which the PINN then has."""
    with torch.no_grad():
        for tensor, value in zip(pinn.tensors, values, strict=True):
            tensor.copy_(value)
    return losses(pinn, pinn.names)


def _total(pinn: PINN, found: dict[str, float]) -> float:
    return sum(weight * found[name] for name, weight in pinn.weights.items() if weight)


def _double(value: Tensor) -> torch.dtype:
    return torch.complex128 if value.is_complex() else torch.float64


def _quotient(a: float, b: float) -> float:
    if b:
        return a / b
    return 1.0 if a == 0 else math.nan if math.isnan(a) else math.inf
