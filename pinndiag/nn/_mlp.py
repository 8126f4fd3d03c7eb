"""The plain multilayer perceptron of the PINN literature."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["MLP", "glorot"]


class MLP(nn.Module):
    """H_0 = scaling(x), H_k = activation(W_k H_{k-1} + b_k) for k = 1 to depth, output W H_depth + b.

    Weights start from Glorot's normal distribution with variance 2 / (inputs + outputs), biases from zero (Glorot,
    Bengio 2010, AISTATS, 249; as in Wang, Teng, Perdikaris 2021, SIAM J. Sci. Comput. 43, A3055).

    Args:
        inputs: d, number of coordinates.
        outputs: number of outputs.
        width: units of each hidden layer.
        depth: number of hidden layers (the papers' "4 x 50" is depth 4 and width 50).
        activation: makes the activation of one hidden layer; called once for each.
        scaling: applied to the coordinates first, such as `Normalisation`; default: nothing.

    State dict: `hidden.0.weight`, `hidden.0.bias`, ..., `output.weight`, `output.bias`, those of `scaling` and of the
    activations where they own some.

    Cost: a point takes about width^2 depth multiplications.

    >>> sum(p.numel() for p in MLP(2, 1, width=50, depth=3).parameters())        # 2*50 + 50 + 2 (50*50 + 50) + 50 + 1
    5301
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int = 50,
        depth: int = 4,
        activation: Callable[[], nn.Module] = nn.Tanh,
        scaling: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.scaling = nn.Identity() if scaling is None else scaling
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([inputs] + [width] * depth))
        self.activations = nn.ModuleList(activation() for _ in range(depth))
        self.output = nn.Linear(width if depth else inputs, outputs)
        glorot(self)

    def forward(self, x: Float[Tensor, "points d"]) -> Float[Tensor, "points outputs"]:
        """The network at some points."""
        h = self.scaling(x)
        for layer, activation in zip(self.hidden, self.activations, strict=True):
            h = activation(layer(h))
        values: Tensor = self.output(h)
        return values


def glorot(module: nn.Module) -> None:
    """Draw every linear layer anew: Glorot's normal distribution for weights, zero for biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
