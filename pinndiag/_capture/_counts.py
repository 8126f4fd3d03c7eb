"""Any number of points: two recordings at different numbers show which integers go with the number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, final

import torch

from pinndiag._capture._fold import Pruned
from pinndiag._capture._graph import Size

__all__ = ["unified"]


class _DifferError(Exception):
    """The recordings are not the same program."""


def unified(base: Pruned, counts: Mapping[str, int], others: Sequence[tuple[str, int, Pruned]]) -> Pruned | None:
    """The program behind several recordings, each with another number of points in one group.

    Args:
        base: recorded with `counts` points in each group.
        counts: group -> number of points.
        others: (group, number of its points, recording).

    Returns:
        `base` with every integer that differs replaced by constant + sum of factor * N, or None when the recordings
        are not one program (other calls, other constants, a number that is not affine in N).
    """
    for _, _, other in others:
        if len(other.nodes) != len(base.nodes) or len(other.constants) != len(base.constants):
            return None
        if other.outputs != base.outputs:
            return None
        for mine, theirs in zip(base.constants, other.constants, strict=True):
            if mine.value.shape != theirs.value.shape or mine.value.dtype != theirs.value.dtype:
                return None
            if not torch.equal(torch.nan_to_num(mine.value), torch.nan_to_num(theirs.value)):
                return None
    steps = [(group, number - counts[group]) for group, number, _ in others]
    nodes = []
    try:
        for index, node in enumerate(base.nodes):
            peers = [other.nodes[index] for _, _, other in others]
            if any(p.operator != node.operator or set(p.kwargs) != set(node.kwargs) for p in peers):
                return None
            merge = _Merge(counts, steps)
            args = merge.values(list(node.args), [list(p.args) for p in peers])
            kwargs = {k: merge.values(a, [p.kwargs[k] for p in peers]) for k, a in node.kwargs.items()}
            nodes.append(replace(node, args=tuple(args), kwargs=kwargs))
    except _DifferError:
        return None
    return replace(base, nodes=tuple(nodes))


@final
class _Merge:
    def __init__(self, counts: Mapping[str, int], steps: Sequence[tuple[str, int]]) -> None:
        self._counts, self._steps = counts, steps

    def values(self, mine: Any, theirs: Sequence[Any]) -> Any:
        if isinstance(mine, list):
            if not all(isinstance(t, list) and len(t) == len(mine) for t in theirs):
                raise _DifferError
            return [self.values(m, [t[i] for t in theirs]) for i, m in enumerate(mine)]
        if type(mine) is int and all(type(t) is int for t in theirs):
            return self._size(mine, theirs)
        if any(type(t) is not type(mine) or (t != mine and mine == mine) for t in theirs):  # NaN differs from itself
            raise _DifferError
        return mine

    def _size(self, mine: int, theirs: Sequence[int]) -> int | Size:
        factors = []
        for (group, step), other in zip(self._steps, theirs, strict=True):
            factor, rest = divmod(other - mine, step)
            if rest:
                raise _DifferError
            if factor:
                factors.append((group, factor))
        if not factors:
            return mine
        return Size(mine - sum(factor * self._counts[group] for group, factor in factors), tuple(factors))
