"""Whether the network's output is (nearly) constant: by a known solution, by its layers, by what a constant does."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from pinndiag._records import Constant, DiagnosisRecord
from pinndiag.checks._measures import counted, quotient
from pinndiag.checks._needs import reason
from pinndiag.checks._shares import SOLVED
from pinndiag.checks._thresholds import Thresholds

__all__ = ["Constancy", "constancy"]

WORSE = 0.8  # below this ratio the network is worse than a constant, and so no constant, or not the best one


class Constancy(NamedTuple):
    """Whether the output is constant.

    Attributes:
        constant: None where it cannot be told.
        by: what tells it: the output's "spread" against the known solution's, a flat last hidden "layer", the "ratio"
            of the best constant's loss to the present one, or the output's spread where a constant has "solved" all
            terms.
        words: how it is known, or why it is not.
    """

    constant: bool | None
    by: Literal["spread", "layer", "ratio", "solved", ""]
    words: str


def constancy(record: DiagnosisRecord, thresholds: Thresholds) -> Constancy:
    """Whether the output is constant, by the most direct evidence there is."""
    solution = record.solution
    if solution is not None and solution.spread is not None and solution.spread >= 0:
        words = "spread of the output / spread of the known solution"
        return Constancy(thresholds.output_spread.passed(solution.spread), "spread", words)
    layers = record.activations.layers if record.activations is not None else []
    last = [e.spread for e in layers if e.layer == layers[-1].layer and math.isfinite(e.spread)]
    if last and all(thresholds.hidden_spread.passed(spread) for spread in last):
        return Constancy(True, "layer", "the last hidden layer is constant over the points")
    found = record.constant
    if found is None or math.isnan(found.ratio):
        why = reason(record, ("constant",))
        return Constancy(None, "", f"no solution is known, nor what the best constant does: {why}")
    return _by_ratio(record, found, thresholds)


def _beaten(record: DiagnosisRecord, found: Constant, thresholds: Thresholds) -> bool:
    """Whether some term that the best constant leaves unsolved is far better solved by the network.

    Where others contradict each other, the total may still be no better than that of a constant.
    """
    terms = counted(record)
    best = {n: abs(terms[n].weight) * loss for n, loss in found.best.items() if n in terms}
    unsolved = [n for n, loss in best.items() if loss > 0.01 * sum(best.values())]
    return any(thresholds.beaten.passed(quotient(found.best[n], terms[n].loss)) for n in unsolved)


def _by_ratio(record: DiagnosisRecord, found: Constant, thresholds: Thresholds) -> Constancy:
    flat = found.spread is not None and found.size is not None and found.spread < _bound(thresholds) * found.size
    if found.ratio < SOLVED:
        small = found.spread is not None and found.spread < _bound(thresholds)  # networks give outputs of order one
        words = "a constant output solves the terms, "
        if flat or small:
            return Constancy(True, "solved", words + "and the output hardly varies")
        return Constancy(None, "solved", words + "so that the losses do not tell it from the solution")
    words = "loss of the best constant output / present loss"
    if found.ratio < WORSE:
        return Constancy(None if found.spread is None else flat, "ratio", words)
    if _beaten(record, found, thresholds):
        return Constancy(False, "ratio", words)
    return Constancy(thresholds.constant_ratio.passed(found.ratio), "ratio", words)


def _bound(thresholds: Thresholds) -> float:
    return thresholds.output_spread.value
