"""What the graphs of one evaluation look like: their leaves, and whether they have a part in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from pinndiag._graphs import leaves, leaves_and_sharing

__all__ = ["Look", "look", "reach"]


@final
@dataclass(frozen=True)
class Look:
    """What a walk found.

    Attributes:
        parameters: the trainable tensors.
        shared: two terms have a part of their graphs in common.
        others: leaves beside the parameters that the plain loss gives a gradient to.
    """

    parameters: list[Tensor]
    shared: bool
    others: list[Tensor]


def look(outputs: Mapping[str, Tensor], parameters: Sequence[Tensor] | None) -> Look:
    """Walk once through the graphs of one evaluation. Cost: some thousandths of a training step.

    It is done for every evaluation whose gradients are formed term by term: leaves, and shared parts, come and go
    without a sign (points drawn anew, layers unfrozen, a forward pass used twice), and a leaf that was missed would
    lose its gradient in silence.

    Args:
        outputs: the terms.
        parameters: the trainable tensors; None: the `nn.Parameter` leaves, or all leaves where there is none.
    """
    found, shared = leaves_and_sharing(outputs.values())
    if parameters is None:
        parameters = [leaf for leaf in found if isinstance(leaf, nn.Parameter)] or found
    known = {id(p) for p in parameters}
    return Look(list(parameters), shared, [leaf for leaf in found if id(leaf) not in known])


def reach(output: Tensor, parameters: Sequence[Tensor]) -> float:
    """Share of the trainable entries that a term's graph reaches."""
    met = {id(leaf) for leaf in leaves([output])}
    return sum(p.numel() for p in parameters if id(p) in met) / sum(p.numel() for p in parameters)
