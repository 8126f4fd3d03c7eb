"""What the graphs of one evaluation look like: their leaves, and whether they have a part in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor, nn

from pinndiag._terms._graphs import Walk, leaves, walk

__all__ = ["Look", "look", "reach"]

CHECKPOINTED = "CheckpointFunctionBackward"  # torch.utils.checkpoint with use_reentrant=True
COMPILED = "CompiledFunctionBackward"


@final
@dataclass(frozen=True)
class Look:
    """What a walk found.

    Attributes:
        parameters: the trainable tensors.
        shared: two terms have a part of their graphs in common.
        others: leaves beside the parameters that the plain loss gives a gradient to.
        last: the nodes next to a leaf.
        whole: why the gradient of a single term cannot be formed, or "".
    """

    parameters: list[Tensor]
    shared: bool
    others: list[Tensor]
    last: Sequence[Any] = ()
    whole: str = ""


def look(outputs: Mapping[str, Tensor], parameters: Sequence[Tensor] | None) -> Look:
    """Walk once through the graphs of one evaluation. Cost: some thousandths of a training step.

    It is done for every evaluation whose gradients are formed term by term: leaves, and shared parts, come and go
    without a sign (points drawn anew, layers unfrozen, a forward pass used twice), and a leaf that was missed would
    lose its gradient in silence.

    Args:
        outputs: the terms.
        parameters: the trainable tensors; None: the `nn.Parameter` leaves, or all leaves where there is none.
    """
    met = walk(outputs.values())
    if parameters is None:
        parameters = [leaf for leaf in met.leaves if isinstance(leaf, nn.Parameter)] or met.leaves
    known = set(map(id, parameters))
    others = [leaf for leaf in met.leaves if id(leaf) not in known]
    return Look(list(parameters), met.shared, others, met.last, _whole(met))


def reach(output: Tensor, parameters: Sequence[Tensor]) -> float:
    """Share of the trainable entries that a term's graph reaches."""
    met = {id(leaf) for leaf in leaves([output])}
    return sum(p.numel() for p in parameters if id(p) in met) / sum(p.numel() for p in parameters)


def _whole(met: Walk) -> str:
    kinds = {kind.__name__ for kind in met.kinds}
    if CHECKPOINTED in kinds:
        return "a part of the network is under torch.utils.checkpoint with use_reentrant=True (False works)"
    if met.shared and COMPILED in kinds:
        return "terms share a pass through a module under torch.compile, whose graph goes backward only once"
    return ""
