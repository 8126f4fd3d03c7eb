"""What the graphs of a loop look like, looked at seldom: a walk through them costs a part of a training step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from pinndiag._graphs import leaves, shares

__all__ = ["Graphs", "Look"]

AGAIN = 64  # measured evaluations after which the graphs are looked at again


@final
@dataclass(frozen=True)
class Look:
    """What a walk found.

    Attributes:
        parameters: the trainable tensors.
        shared: two terms have a part of their graphs in common.
        others: leaves beside the parameters that the plain loss gives a gradient to.
        reached: term -> ids of the leaves it reaches.
    """

    parameters: list[Tensor]
    shared: bool
    others: list[Tensor]
    reached: Mapping[str, frozenset[int]]


@final
class Graphs:
    """Walks the graphs at the first evaluations, whenever the terms or parameters change, and now and then.

    Coordinates that are made anew at each step are left out after the first walks: nobody can read their gradient.
    """

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._count = 0
        self._look: Look | None = None

    @property
    def looked(self) -> bool:
        """Whether a walk was made."""
        return self._look is not None

    def of(self, outputs: Mapping[str, Tensor], parameters: Sequence[Tensor] | None) -> Look:
        """What is known of these graphs.

        Args:
            outputs: the terms.
            parameters: the trainable tensors; None: the `nn.Parameter` leaves, or all leaves where there is none.
        """
        known = -1 if parameters is None else len(parameters)
        key = (*((name, output.shape, type(output.grad_fn)) for name, output in outputs.items()), known)
        if key != self._key or self._look is None:
            self._key, self._count = key, 0
        if self._look is None or self._count in (0, 1) or self._count % AGAIN == 0:
            self._look = self._walk(outputs, parameters)
        self._count += 1
        return self._look

    def _walk(self, outputs: Mapping[str, Tensor], parameters: Sequence[Tensor] | None) -> Look:
        found = {name: leaves([output]) for name, output in outputs.items() if output.requires_grad}
        if parameters is None:
            unique = {id(leaf): leaf for tensors in found.values() for leaf in tensors}
            parameters = [leaf for leaf in unique.values() if isinstance(leaf, nn.Parameter)] or list(unique.values())
        known = {id(p) for p in parameters}
        others = {id(leaf): leaf for tensors in found.values() for leaf in tensors if id(leaf) not in known}
        if self._count and self._look is not None:  # keep those that were there before, too
            before = {id(leaf) for leaf in self._look.others}
            others = {key: leaf for key, leaf in others.items() if key in before or leaf.__class__ is not Tensor}
        reached = {name: frozenset(id(leaf) for leaf in tensors) for name, tensors in found.items()}
        return Look(list(parameters), shares(list(outputs.values())), list(others.values()), reached)
