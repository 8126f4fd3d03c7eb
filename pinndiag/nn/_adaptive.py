"""Locally adaptive activations: tanh with a slope that is trained."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pinndiag._errors import PinndiagError

__all__ = ["AdaptiveTanh", "slope_recovery"]


class AdaptiveTanh(nn.Module):
    """z -> tanh(n a z), with trained slopes a that start at 1/n and a fixed n >= 1.

    Jagtap, Kawaguchi, Karniadakis 2020 (Proc. R. Soc. A 476, 20200334): one slope a layer (their L-LAAF) or one a
    unit (N-LAAF). A larger n makes the slopes move faster. Use as `MLP(2, 1, activation=AdaptiveTanh)` or
    `MLP(2, 1, width=50, activation=lambda: AdaptiveTanh(50))`.

    Args:
        units: None for one slope for the whole layer, else the number of units, each with its own.
        n: the fixed factor.

    State dict: `slope`, of shape (1,) or (units,).

    >>> AdaptiveTanh(n=10.0)(torch.tensor([[0.0, 100.0]])).tolist()
    [[0.0, 1.0]]
    """

    def __init__(self, units: int | None = None, *, n: float = 1.0) -> None:
        super().__init__()
        self.n = n
        self.slope = nn.Parameter(torch.full((units or 1,), 1.0 / n))

    @property
    def factor(self) -> Float[Tensor, " slopes"]:
        """The product n a that multiplies the input."""
        return self.n * self.slope

    def forward(self, z: Float[Tensor, "points units"]) -> Float[Tensor, "points units"]:
        """tanh(n a z)."""
        return torch.tanh(self.factor * z)


def slope_recovery(module: nn.Module) -> Float[Tensor, ""]:
    """The paper's loss term S(a) = 1 / mean over layers of exp(mean of a layer's slopes), which drives slopes up.

    Args:
        module: a network with at least one `AdaptiveTanh`.

    Raises:
        PinndiagError: it has none.

    >>> round(slope_recovery(nn.Sequential(AdaptiveTanh(), AdaptiveTanh(3))).item() * torch.e, 6)
    1.0
    """
    slopes = [layer.slope for layer in module.modules() if isinstance(layer, AdaptiveTanh)]
    if not slopes:
        raise PinndiagError(
            "the network has no adaptive slope",
            where=type(module).__name__,
            cause="its activations are not AdaptiveTanh",
            fix="build it with activation=AdaptiveTanh",
        )
    return 1 / torch.stack([slope.mean().exp() for slope in slopes]).mean()
