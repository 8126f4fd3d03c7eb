"""Which term dominates which other: shared by the two checks of balance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from pinndiag._records import DiagnosisRecord
from pinndiag.checks._gate import Gate
from pinndiag.checks._geometry import equation
from pinndiag.checks._measures import pulls, quotient, start_gradients, weighted_gradients, without_gradient, works
from pinndiag.checks._thresholds import Thresholds

__all__ = ["Domination", "domination", "pathology_of", "sides", "step_of_weight"]


@final
@dataclass(frozen=True)
class Domination:
    """Term `strong` is served at the cost of term `weak`.

    Attributes:
        strong: the term with little work left.
        weak: the term with much work left.
        work: work of `weak` / work of `strong`.
        pull: how much harder `strong` pulls, per residual (see `pulls`); NaN if unknown.
        now: ratio of the weighted gradients at present; says nothing at a stationary point, where it is one.
        start: the same at the stored initial parameters; NaN if unknown.
    """

    strong: str
    weak: str
    work: float
    pull: float
    now: float
    start: float

    @property
    def support(self) -> float:
        """The largest of the three ratios that speak for the weights as the cause; NaN if none is known."""
        return max((r for r in (self.pull, self.now, self.start) if not math.isnan(r)), default=math.nan)


def domination(record: DiagnosisRecord, thresholds: Thresholds, state: Gate) -> Domination | None:
    """The pair with the clearest support, among terms with work left and terms with a thirtieth of it or less.

    That one term has more work left than another is no sign by itself: the harder one always has. It becomes one when
    the easier term also pulls harder.
    """
    left = works(record)
    now, start, pull = weighted_gradients(record), start_gradients(record), pulls(record)
    lost = without_gradient(record)  # no weight gives them one
    pairs = [
        Domination(
            strong,
            weak,
            quotient(left[weak], left[strong]),
            _ratio(pull, strong, weak),
            _ratio(now, strong, weak),
            _ratio(start, strong, weak),
        )
        for weak in state.open
        if weak not in lost
        for strong in left
        if strong != weak and thresholds.work_ratio.passed(quotient(left[weak], left[strong]))
    ]
    supported = [pair for pair in pairs if thresholds.pull_ratio.passed(pair.support)]
    return min(supported, key=lambda p: (-left[p.weak], -p.support, p.weak, p.strong), default=None)


def pathology_of(record: DiagnosisRecord, strong: str) -> str:
    """The pathology's identifier, by which term dominates."""
    return "pde_dominates" if strong == equation(record) else "condition_dominates"


def sides(record: DiagnosisRecord, otherwise: str) -> tuple[str, list[str]]:
    """The term that the others are balanced against, the equation where one is known, and those others."""
    center = equation(record) or otherwise
    return center, sorted(name for name, term in record.terms.items() if name != center and term.weight != 0)


def step_of_weight(ratio: float) -> float:
    """The ratio rounded up to a power of ten, between 10 and 1e4; 100 where the ratio is not known.

    Up, not to the nearest: in a run with a ratio of 16 a weight of 10 did little.
    """
    return 100.0 if not 0 < ratio < math.inf else 10.0 ** min(4, max(1, math.ceil(math.log10(ratio) - 0.01)))


def _ratio(figures: dict[str, float], a: str, b: str) -> float:
    return quotient(figures[a], figures[b]) if a in figures and b in figures else math.nan
