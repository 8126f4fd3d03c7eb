"""What a problem is asked for in: size, architecture, seed, dtype, device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, final

import torch
from torch import nn

from pinndiag.nn import MLP, ModifiedMLP, Normalisation
from pinndiag.problems._box import Box

__all__ = ["Arch", "Setup", "Size"]

Size = Literal["reduced", "full"]
Arch = Literal["mlp", "modified"]
Scaling = Literal["standard", "unit", "none"]
Value = TypeVar("Value")


@final
@dataclass(frozen=True)
class Setup:
    """How a problem is to be made.

    Attributes:
        size: "full" for points, network and steps of the source; "reduced" for what shows the effect within two
            minutes on two cores.
        arch: "mlp", or "modified" for the modified MLP of Wang, Teng, Perdikaris of the same width and depth.
        seed: of the network's initial parameters, the points, and the draws of training.
        dtype: floating dtype of parameters and points.
        device: where both live.
    """

    size: Size = "reduced"
    arch: Arch = "mlp"
    seed: int = 0
    dtype: torch.dtype = torch.float32
    device: torch.device | str = "cpu"

    def pick(self, *, reduced: Value, full: Value) -> Value:
        """One of two values by size."""
        return reduced if self.size == "reduced" else full

    def box(self, low: Sequence[float], high: Sequence[float]) -> Box:
        """A box whose points have the dtype and the device."""
        return Box(tuple(low), tuple(high), torch.empty(0, dtype=self.dtype, device=self.device))

    def network(self, box: Box, outputs: int, *, width: int, depth: int, scaling: Scaling = "standard") -> nn.Module:
        """A network of the architecture over a box.

        Args:
            box: its domain.
            outputs: number of outputs.
            width: units of a hidden layer.
            depth: number of hidden layers.
            scaling: of the inputs: "standard" (mean 0 and standard deviation 1 of uniform points), "unit" ([-1, 1]) or
                "none".
        """
        scale = {"standard": Normalisation.standard, "unit": Normalisation.unit, "none": None}[scaling]
        make = MLP if self.arch == "mlp" else ModifiedMLP
        first = None if scale is None else scale(box.low, box.high)
        net = make(len(box.low), outputs, width=width, depth=depth, scaling=first)
        return net.to(dtype=self.dtype, device=self.device)
