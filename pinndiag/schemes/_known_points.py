"""Whether weights that belong to single points still meet those points."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from pinndiag._engine import Evaluation
from pinndiag._errors import PinndiagError
from pinndiag._terms import _parameters
from pinndiag._terms._graphs import leaves

__all__ = ["KnownPoints"]

EARLY, SELDOM = 3, 100  # looks at the first steps, and how often afterwards
MOVED = 1e-2  # of the range of a coordinate: less is rounding, or another device or precision


class _Known(NamedTuple):
    """Points as they were: their values, and the tensor that had them, at which version."""

    values: Tensor
    tensor: weakref.ref[Tensor] | None = None
    version: int = -1


@final
class KnownPoints:
    """The points of the terms whose points are weighted, as far as the graphs show them.

    Points that require grad (where a residual has derivatives in them) are leaves of their term's graph. Others, such
    as those of boundary data or of `torch.func`, leave no trace there: of those only the number is known.
    """

    def __init__(self) -> None:
        self._known: dict[str, list[_Known]] = {}
        self._looks = 0

    def begin(self, evaluation: Evaluation, names: Iterable[str], scheme: str, *, anew: bool, guessed: bool) -> None:
        """The first evaluation of a step: are the points those that the weights belong to? Looked at now and then.

        Args:
            evaluation: the terms with their graphs.
            names: of the terms whose points are weighted.
            scheme: its name.
            anew: the weights are found for these points, whatever was before.
            guessed: a tensor that the loop trains may be among the leaves: one that changed in place is left alone.

        Raises:
            PinndiagError: other points.

        Cost: a walk through the graphs of these terms at a look.
        """
        looks = anew or self._looks < EARLY or evaluation.step % SELDOM == 0
        self._looks = 0 if anew else self._looks + 1
        for name in names if looks else ():
            found = _candidates(evaluation, name)
            known = [] if anew else self._known.get(name, [])
            if not known:
                self._known[name] = [_Known(p.detach().clone(), weakref.ref(p), p._version) for p in found]
            elif not all(_same(points, known, guessed) for points in found):
                raise PinndiagError(
                    f"the points of term {name!r} are not those that the weights of {scheme} belong to",
                    where=f"step {evaluation.step}, residuals {tuple(evaluation.outputs[name].shape)}",
                    cause="the points are drawn afresh, or shuffled; or a scheme or its state goes on at other points",
                    fix="keep the points of this term fixed, or use a scheme that weighs terms (after a change that is "
                    "meant, forget() begins anew)",
                )

    def again(self, evaluation: Evaluation, names: Iterable[str], scheme: str, *, guessed: bool) -> None:
        """A further evaluation of a step, for whose first one the weights were found.

        Raises:
            PinndiagError: other points.
        """
        for name in names:
            known = self._known.get(name, [])
            if known and not all(_same(points, known, guessed) for points in _candidates(evaluation, name)):
                raise PinndiagError(
                    f"the points of term {name!r} changed within a step, and each has a weight of its own",
                    where=f"{scheme}, residuals {tuple(evaluation.outputs[name].shape)}",
                    cause="micro-batches: the weights were found for the points of the step's first evaluation",
                    fix="evaluate all points of this term at once, or use a scheme that weighs terms",
                )

    @property
    def values(self) -> dict[str, list[Tensor]]:
        """Term -> the points that its weights belong to."""
        return {name: [one.values for one in known] for name, known in self._known.items()}

    @values.setter
    def values(self, values: Mapping[str, Iterable[Tensor]]) -> None:
        self._known = {name: [_Known(points) for points in known] for name, known in values.items()}
        self._looks = 0

    def __getstate__(self) -> dict[str, Any]:
        """A copy knows the values, and no tensors of the original's graphs."""
        known = {name: [_Known(one.values) for one in entries] for name, entries in self._known.items()}
        return {"_known": known, "_looks": 0}


def _candidates(evaluation: Evaluation, name: str) -> list[Tensor]:
    """The leaves of a term beside the parameters that have a row for each of its points."""
    output = evaluation.outputs[name]
    trained = {id(tensor) for tensor in evaluation.parameters}
    found = [leaf for leaf in leaves([output]) if id(leaf) not in trained]
    return [leaf for leaf in found if leaf.ndim and len(leaf) == len(output)]


def _same(points: Tensor, known: Iterable[_Known], guessed: bool) -> bool:
    """Whether points are among those that are known. A GPU is waited for where the tensor is another one."""
    for one in known:
        if one.tensor is not None and one.tensor() is points and (guessed or one.version == points._version):
            return True
    return any(_near(points.detach(), one.values) for one in known)


def _near(points: Tensor, known: Tensor) -> bool:
    if points.shape != known.shape:
        return False
    now, before = (_parameters.real(t.to(points.device)).reshape(len(points), -1) for t in (points, known))
    before = before.to(now.dtype)
    room = MOVED * (before.amax(0) - before.amin(0)) + torch.finfo(now.dtype).eps * 16 * before.abs().amax(0)
    return not bool(((now - before).abs() > room).any())
