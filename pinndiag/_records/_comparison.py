"""Two diagnoses side by side, as a value."""

from __future__ import annotations

from typing import Literal

from pinndiag._records._diagnosis import Finding, Verdict
from pinndiag._records._history import ParetoPath
from pinndiag._records._record import Record

__all__ = [
    "COMPARISON_SCHEMA",
    "ComparisonRecord",
    "Figure",
    "FindingPair",
    "Fronts",
    "RunPath",
    "Setting",
    "Side",
    "TermPair",
]

COMPARISON_SCHEMA = "pinndiag.comparison/1"


class Side(Record):
    """Which diagnosis one side is.

    Attributes:
        name: name of its run card.
        source: the file it was made from.
        created: when, ISO 8601.
        mode: "quick", "standard", "thorough", "chosen" or "weights".
        verdict: its verdict.
    """

    name: str
    source: str
    created: str
    mode: str
    verdict: Verdict


class FindingPair(Record):
    """A finding, identified by its code and its set of terms, on both sides.

    Attributes:
        code: code of the check.
        terms: terms concerned, sorted.
        a: the finding in A, if it is there.
        b: the finding in B, if it is there.
        judged: whether the side that lacks the finding judged that check at all. Where it did not, the finding is not
            known to have gone or come.
        reason: why it did not, in words.
    """

    code: str
    terms: list[str]
    a: Finding | None
    b: Finding | None
    judged: bool = True
    reason: str = ""


class Figure(Record):
    """A number of both sides; None where it was not measured.

    Attributes:
        ratio: b / a; 1 when they are equal, None when one is missing, and otherwise as IEEE 754 has it.
    """

    a: float | None
    b: float | None
    ratio: float | None


class TermPair(Record):
    """Figures of one term, or of the weighted total, with the names of diagnosis.json.

    Attributes:
        side: "both", or the side that alone has this term.
        upper: the sides on which `work` is an upper figure, of a term known only as a loss.
    """

    side: Literal["both", "a", "b"]
    figures: dict[str, Figure]
    upper: list[Literal["a", "b"]] = []


class Setting(Record):
    """Something of the run card that differs, in words; "" where it is absent."""

    name: str
    a: str
    b: str


class RunPath(Record):
    """A run's trajectory of two losses.

    Attributes:
        run: what the run is called.
        path: as in `History.pareto`; its own front and lowest point are marked there.
        joint: indices of its points that no point of any of the runs betters in both.
    """

    run: str
    path: ParetoPath
    joint: list[int]


class Fronts(Record):
    """The trajectories of several runs for one pair of terms."""

    a: str
    b: str
    runs: list[RunPath]


class ComparisonRecord(Record):
    """What `compare` returns.

    Attributes:
        gone: findings that A has and B has not.
        new: findings that B has and A has not.
        same: findings that both have; their severities may differ.
        problems_new: findings of B with severity "problem" that are no problem in A.
        terms: name -> figures, A's order first.
        total: figures of the weighted total.
        figures: figures of the whole: alignment, cancellation, rel_l2, pareto_ratio, sharpness, constant_ratio,
            probe_factor, and each cosine as "cosine a|b".
        settings: what differs in the run cards.
        fronts: of two runs: their trajectories for every pair of terms that both have.
    """

    schema: str
    a: Side
    b: Side
    gone: list[FindingPair]
    new: list[FindingPair]
    same: list[FindingPair]
    problems_new: list[Finding]
    terms: dict[str, TermPair]
    total: TermPair | None
    figures: dict[str, Figure]
    settings: list[Setting]
    fronts: list[Fronts] = []
