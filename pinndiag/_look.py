"""What the graphs of one evaluation look like: their leaves, and whether they have a part in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor, nn

from pinndiag._graphs import interiors, leaves

__all__ = ["Look", "look"]

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
        reached: term -> ids of the leaves it reaches.
        nodes: of the graphs, without the leaves.
        whole: why the gradient of a single term cannot be formed, or "".
    """

    parameters: list[Tensor]
    shared: bool
    others: list[Tensor]
    reached: Mapping[str, frozenset[int]]
    nodes: AbstractSet[Any] = frozenset()
    whole: str = ""

    def shares(self) -> dict[str, float]:
        """Term -> share of the trainable entries that its graph reaches."""
        sizes = {id(p): p.numel() for p in self.parameters}
        whole = sum(sizes.values())
        return {name: sum(sizes.get(leaf, 0) for leaf in leaves_) / whole for name, leaves_ in self.reached.items()}


def look(outputs: Mapping[str, Tensor], parameters: Sequence[Tensor] | None) -> Look:
    """Walk through the graphs of one evaluation. Cost: about a hundredth of a training step.

    It is done for every evaluation whose gradients are formed term by term: leaves, and shared parts, come and go
    without a sign (points drawn anew, layers unfrozen, a forward pass used twice), and a leaf that was missed would
    lose its gradient in silence.

    Args:
        outputs: the terms.
        parameters: the trainable tensors; None: the `nn.Parameter` leaves, or all leaves where there is none.
    """
    found = {name: leaves([output]) for name, output in outputs.items() if output.requires_grad}
    if parameters is None:
        unique = {id(leaf): leaf for tensors in found.values() for leaf in tensors}
        parameters = [leaf for leaf in unique.values() if isinstance(leaf, nn.Parameter)] or list(unique.values())
    known = {id(p) for p in parameters}
    others = {id(leaf): leaf for tensors in found.values() for leaf in tensors if id(leaf) not in known}
    reached = {name: frozenset(id(leaf) for leaf in tensors) for name, tensors in found.items()}
    inside = interiors(outputs.values())
    nodes: set[Any] = set().union(*inside)
    shared = sum(map(len, inside)) > len(nodes)
    return Look(list(parameters), shared, list(others.values()), reached, nodes, _whole(nodes, shared=shared))


def _whole(nodes: AbstractSet[Any], *, shared: bool) -> str:
    kinds = {type(node).__name__ for node in nodes}
    if CHECKPOINTED in kinds:
        return "a part of the network is under torch.utils.checkpoint with use_reentrant=True (False works)"
    if shared and COMPILED in kinds:
        return "terms share a pass through a module under torch.compile, whose graph goes backward only once"
    return ""
