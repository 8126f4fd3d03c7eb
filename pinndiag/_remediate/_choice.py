"""Which arm is called the treatment: by what its residuals tell of the error, never by the solution."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Float64

from pinndiag._records import ArmRun, ChosenBy
from pinndiag._store import Run

__all__ = ["FINALISTS", "LATE", "chosen_by", "finalists", "least", "unfinished"]

FINALISTS = 2  # candidates of "auto" that are trained to the end
LATE = 0.25  # of the steps taken; what is judged is the median over them, so that a spike of Adam's decides nothing


def unfinished(run: Run, work: Mapping[str, float], losses: Mapping[str, float]) -> float:
    """Remaining work summed over the terms: the median over the last quarter of the steps.

    How far a loss is from vanishing, in squared parameter distance, is known at the end; in the steps before, it is
    taken to be as many times larger as the loss was.

    Args:
        run: records of the training so far.
        work: remaining work of each term that counts, at the end.
        losses: unweighted losses there.

    Returns:
        infinite where it is not a number.
    """
    steps = run.steps
    if not len(steps):
        return _summed(work)
    late = steps.steps >= (1 - LATE) * steps.steps[-1]
    total: Float64[np.ndarray, " late"] = np.zeros(int(late.sum()))
    for name, left in work.items():
        scale = left / losses[name] if losses[name] else 0.0
        total = total + scale * np.abs(steps.term(name, "loss")[late])
    return _summed({"": float(np.median(total))})


def chosen_by(runs: Iterable[ArmRun]) -> ChosenBy:
    """What these can be chosen by: the estimated error where all have one, else the work left."""
    return "estimate" if all(run.estimate is not None for run in runs) else "score"


def finalists(scores: Mapping[str, float]) -> list[str]:
    """The candidates that promise most, the best first."""
    return sorted(scores, key=lambda key: scores[key])[:FINALISTS]


def least(scores: Mapping[str, float], baseline: float | None = None) -> str | None:
    """The arm with the least left to do; None where there is none, or where training on as it is left no more."""
    best = min(scores, key=lambda key: scores[key], default=None)
    return None if best is None or (baseline is not None and baseline <= scores[best]) else best


def _summed(work: Mapping[str, float]) -> float:
    total = math.fsum(work.values()) if all(map(math.isfinite, work.values())) else math.inf
    return math.inf if math.isnan(total) else total
