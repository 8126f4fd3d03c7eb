"""Where a run begins: the stored parameters, or another draw of them."""

from __future__ import annotations

import torch
from torch import Tensor

from pinndiag._derivatives._jacobian import generator
from pinndiag._terms._pinn import PINN

__all__ = ["placed"]


def placed(pinn: PINN, *, start: str, seed: int) -> PINN:
    """A copy to train. Seed 0 begins at the stored parameters.

    Other seeds redraw, from the initial parameters, each tensor with the mean and standard deviation of its initial
    values (a single number, or a constant, stays as it is).

    Args:
        pinn: the PINN.
        start: "checkpoint" or "initial".
        seed: of the draw.

    Raises:
        PinndiagError: the initial parameters are asked and not known.
        CaptureError: a term cannot be captured, so that there is no copy.
    """
    twin = pinn.copy(initial=start == "initial")
    if seed == 0 or start != "initial":
        return twin
    rng = generator(seed)
    with torch.no_grad():
        for tensor in twin.tensors:
            tensor.copy_(_redrawn(tensor.detach(), rng))
    twin.initial = {name: tensor.detach().clone() for name, tensor in twin.parameters.items()}
    return twin


def _redrawn(value: Tensor, rng: torch.Generator) -> Tensor:
    noise = torch.randn(value.shape, generator=rng, dtype=torch.float64).to(value.device)
    if value.numel() == 1:
        return value
    centre = value.mean()
    spread = (value - centre).abs().square().mean().sqrt()
    return centre + spread * noise.to(value.dtype)
