"""Whether weights that belong to single points still meet those points."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import torch
from torch import Tensor

from pinndiag._engine import Evaluation
from pinndiag._errors import PinndiagError
from pinndiag._terms._graphs import leaves

__all__ = ["KnownPoints"]

EARLY, SELDOM = 3, 100  # steps from the first on, and how often afterwards, that points are compared with the first


@final
class KnownPoints:
    """The points of the terms whose points are weighted, as far as their graphs show them.

    Points that require grad (where a residual has derivatives) are leaves of the term's graph. Others, such as those of
    boundary data, leave no trace: of those only the number is known.
    """

    def __init__(self) -> None:
        self._first: dict[str, list[Tensor]] = {}
        self._now: dict[str, list[Tensor]] = {}
        self._untold: list[str] = []

    def begin(self, evaluation: Evaluation, names: Iterable[str], scheme: str, *, remembered: bool) -> None:
        """The first evaluation of a step.

        Where weights are remembered it is compared, now and then, with that of the first step.
        """
        for name in names:
            self._now[name] = _candidates(evaluation, name)
            if not remembered:
                continue
            if name not in self._first:
                self._first[name] = [points.detach().clone() for points in self._now[name]]
            elif evaluation.step < EARLY or evaluation.step % SELDOM == 0:
                same = _same(evaluation, name, self._first[name])
                if not same:
                    self._untold.append(
                        f"the points of term {name!r} are not those of the first step, but the scheme {scheme!r} "
                        "remembers a weight for each: keep them fixed, or use a scheme that weighs terms"
                    )

    def within(self, evaluation: Evaluation, names: Iterable[str], scheme: str) -> None:
        """A further evaluation of a step, for whose first one the weights were found.

        Raises:
            PinndiagError: other points.
        """
        for name in names:
            if name in evaluation.names and not _same(evaluation, name, self._now.get(name, [])):
                raise PinndiagError(
                    f"the points of term {name!r} changed within a step, and each has a weight of its own",
                    where=f"scheme {scheme!r}, residuals {tuple(evaluation.outputs[name].shape)}",
                    cause="micro-batches: the weights were found for the points of the step's first evaluation",
                    fix="evaluate all points of this term at once, or use a scheme that weighs terms",
                )

    def told(self) -> list[str]:
        """What was found since the last question."""
        found, self._untold = self._untold, []
        return found


def _candidates(evaluation: Evaluation, name: str) -> list[Tensor]:
    """The leaves beside the parameters that have a row for each of a term's points."""
    count = len(evaluation.outputs[name])
    return [leaf for leaf in evaluation.others if leaf.ndim and len(leaf) == count]


def _same(evaluation: Evaluation, name: str, known: list[Tensor]) -> bool:
    """Whether the points of a term are among those that are known. Waits for the device."""
    found = _candidates(evaluation, name)
    changed = [leaf for leaf in found if not any(torch.equal(leaf.detach(), points) for points in known)]
    if not known or not changed:
        return True
    own = {id(leaf) for leaf in leaves([evaluation.outputs[name]])}
    return not any(id(leaf) in own for leaf in changed)
