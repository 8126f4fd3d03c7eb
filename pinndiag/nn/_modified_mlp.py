"""The modified MLP of Wang, Teng, Perdikaris: gates between two encodings of the coordinates."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pinndiag.nn._mlp import glorot

__all__ = ["ModifiedMLP"]


class ModifiedMLP(nn.Module):
    """U = tanh(W_U x + b_U), V = tanh(W_V x + b_V), Z_k = tanh(W_k H_{k-1} + b_k), H_k = Z_k U + (1 - Z_k) V.

    With H_0 = x, k = 1 to depth, and a linear output. This is the form of the authors' code and of jaxpi, in which the
    first hidden layer is gated too; the paper (SIAM J. Sci. Comput. 43, A3055, eqs 2.33 to 2.37) leaves it ungated and
    has U and V exchanged, which is the same up to their names and one layer of depth. Glorot's normal weights, zero
    biases (the code draws the biases of the encoders too; jaxpi does not).

    Args:
        inputs: d, number of coordinates.
        outputs: number of outputs.
        width: units of the encoders and of each hidden layer.
        depth: number of gated layers.
        scaling: applied to the coordinates first, such as `Normalisation`; default: nothing.

    State dict: `encoder_u.*`, `encoder_v.*`, `hidden.0.*`, ..., `output.*`, and those of `scaling`.

    Cost: about 1.1 times an MLP of the same size in multiplications, three times as many elementwise operations.

    >>> sum(p.numel() for p in ModifiedMLP(2, 1, width=50, depth=3).parameters())       # the MLP's 5301 + 2 (2*50 + 50)
    5601
    """

    def __init__(
        self, inputs: int, outputs: int, *, width: int = 50, depth: int = 4, scaling: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.scaling = nn.Identity() if scaling is None else scaling
        self.encoder_u = nn.Linear(inputs, width)
        self.encoder_v = nn.Linear(inputs, width)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([inputs] + [width] * depth))
        self.output = nn.Linear(width if depth else inputs, outputs)
        glorot(self)

    def forward(self, x: Float[Tensor, "points d"]) -> Float[Tensor, "points outputs"]:
        """The network at some points."""
        h = self.scaling(x)
        u, v = torch.tanh(self.encoder_u(h)), torch.tanh(self.encoder_v(h))
        for layer in self.hidden:
            h = v + torch.tanh(layer(h)) * (u - v)
        values: Tensor = self.output(h)
        return values
