"""Pareto fronts: the points that no other betters, within a run and over several runs together. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

from pinndiag._diagnosis._diagnosis import Diagnosis
from pinndiag._records import DiagnosisRecord, History, ParetoPath
from pinndiag._records._comparison import Fronts, RunPath

__all__ = ["non_dominated", "pareto_fronts"]

Series = Float64[np.ndarray, " points"]


def non_dominated(x: Series, y: Series) -> list[int]:
    """Indices of the points that no other point betters in one coordinate without being worse in the other, by x.

    >>> non_dominated(np.array([3.0, 2.0, 1.0, 2.5]), np.array([1.0, 2.0, 3.0, 2.5]))
    [2, 1, 0]
    """
    best, found = math.inf, []
    for i in np.lexsort((y, x)):
        if np.isfinite(x[i]) and y[i] < best:
            found.append(int(i))
            best = float(y[i])
    return found


def pareto_fronts(runs: Mapping[str, DiagnosisRecord | Diagnosis | History]) -> list[Fronts]:
    """The trajectories of several runs together, for every pair of terms that at least two of them recorded.

    Losses are those of each run divided by its first recorded value, as in figures 4, 7 and 10 of Deguchi and Asai
    (2023): runs that start alike can be compared point by point, others by how far they came.

    Args:
        runs: what to call a run -> its diagnosis, or its course.

    Cost: none; nothing is measured.
    """
    paths: dict[frozenset[str], dict[str, ParetoPath]] = {}
    for run, given in runs.items():
        record = given.record if isinstance(given, Diagnosis) else given
        history = record if isinstance(record, History) else record.history
        for path in history.pareto if history is not None else []:
            if path.steps:
                found = paths.setdefault(frozenset((path.a, path.b)), {})
                first = next(iter(found.values()), path)
                found[run] = path if path.a == first.a else _turned(path)
    return [_together(found) for found in paths.values() if len(found) > 1]


def _turned(path: ParetoPath) -> ParetoPath:
    """The same with the terms exchanged: another run may have met them in another order."""
    return ParetoPath(
        a=path.b, b=path.a, steps=path.steps, x=path.y, y=path.x, lowest=path.lowest, front=path.front[::-1]
    )


def _together(paths: Mapping[str, ParetoPath]) -> Fronts:
    first = next(iter(paths.values()))
    owners = [(run, place) for run, path in paths.items() for place in range(len(path.steps))]
    x = np.concatenate([np.array(path.x, dtype=np.float64) for path in paths.values()])
    y = np.concatenate([np.array(path.y, dtype=np.float64) for path in paths.values()])
    joint: dict[str, list[int]] = {run: [] for run in paths}
    for index in non_dominated(x, y):
        run, place = owners[index]
        joint[run].append(place)
    return Fronts(
        a=first.a, b=first.b, runs=[RunPath(run=run, path=path, joint=joint[run]) for run, path in paths.items()]
    )
