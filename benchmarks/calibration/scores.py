"""What the outcomes of many cases come to. Pure: tables of what was expected and what was found, and counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import final

from pinndiag.checks import CHECKS

__all__ = [
    "HELPS",
    "Confusion",
    "Outcome",
    "Remedies",
    "Summary",
    "confusion",
    "first_found",
    "remedies",
    "summary",
    "told",
]

HELPS = 1.5  # factor from which a treatment helps, or hurts


@final
@dataclass(frozen=True)
class Outcome:
    """One case: what was expected, and what came.

    Attributes:
        name, half, state, pathology, right, curable: of the case.
        found: (code, pathology, severity) of every finding, worst first.
        figures: threshold's name -> figure.
        treatment: key of what the first prescription asked for; "" where it could not be applied.
        words: its title; "" where the case was not treated (yet).
        factor: error of training on / error after the treatment; NaN where nothing was tried.
        failed: what went wrong with the case itself.
    """

    name: str
    half: str
    state: str
    pathology: str
    right: tuple[str, ...]
    curable: str
    found: list[tuple[str, str, str]] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    treatment: str = ""
    words: str = ""
    factor: float = math.nan
    error: float = math.nan
    failed: str = ""

    @property
    def serious(self) -> list[tuple[str, str, str]]:
        """The findings that are no notes."""
        return [f for f in self.found if f[2] != "note"]

    @property
    def named(self) -> bool:
        """Whether a right pathology is among the findings."""
        return any(pathology in self.right for _, pathology, _ in self.serious)

    @property
    def first(self) -> bool:
        """Whether it comes first."""
        return bool(self.serious) and self.serious[0][1] in self.right

    @property
    def alarmed(self) -> bool:
        """Whether something is called a problem that must not be.

        That is anything in a healthy network, and what it is just short of in a "short" one.
        """
        problems = {pathology for _, pathology, severity in self.found if severity == "problem"}
        return bool(problems) if self.state == "healthy" else self.state == "short" and self.pathology in problems


@final
@dataclass(frozen=True)
class Summary:
    """Counts (those that are as they should be, of how many)."""

    named: tuple[int, int]
    first: tuple[int, int]
    quiet: tuple[int, int]
    short: tuple[int, int]
    helped: tuple[int, int]


@final
@dataclass(frozen=True)
class Confusion:
    """Of one check: sick cases of its pathologies found and missed, and where else it spoke."""

    code: str
    pathology: str
    found: int
    missed: int
    alarms: int
    quiet: int
    elsewhere: int
    others: int


@final
@dataclass(frozen=True)
class Remedies:
    """Of one treatment, over the curable cases in which it was prescribed first."""

    key: str
    helped: int
    alike: int
    hurt: int
    median: float


def summary(outcomes: Iterable[Outcome]) -> Summary:
    """The five counts."""
    known = [o for o in outcomes if not o.failed]
    sick = [o for o in known if o.state == "sick"]
    healthy = [o for o in known if o.state == "healthy"]
    short = [o for o in known if o.state == "short"]
    curable = [o for o in sick if o.curable and o.words]
    return Summary(
        named=(sum(o.named for o in sick), len(sick)),
        first=(sum(o.first for o in sick), len(sick)),
        quiet=(sum(not o.alarmed for o in healthy), len(healthy)),
        short=(sum(not o.alarmed for o in short), len(short)),
        helped=(sum(o.factor >= HELPS for o in curable), len(curable)),
    )


def told(code: str) -> set[str]:
    """The pathologies that a check can name."""
    check = next(check for check in CHECKS if check.code == code)
    pairs = [{"pde_dominates", "condition_dominates"}, {"propagation_failure", "causality_violation"}]
    return next((pair for pair in pairs if check.pathology in pair), {check.pathology})


def confusion(outcomes: Sequence[Outcome]) -> list[Confusion]:
    """A row for each check. `elsewhere`: it spoke in a network that is sick of something else, perhaps rightly."""
    known = [o for o in outcomes if not o.failed]
    rows = []
    for check in CHECKS:
        mine = told(check.code)
        sick = [o for o in known if o.state == "sick" and o.pathology in mine]
        others = [o for o in known if o.state == "sick" and not mine & set(o.right)]
        well = [o for o in known if o.state == "healthy" or (o.state == "short" and o.pathology in mine)]
        rows.append(
            Confusion(
                check.code,
                check.pathology,
                found=sum(_spoke(o, check.code) for o in sick),
                missed=sum(not _spoke(o, check.code) for o in sick),
                alarms=sum(_spoke(o, check.code, "problem") for o in well),
                quiet=sum(not _spoke(o, check.code, "problem") for o in well),
                elsewhere=sum(_spoke(o, check.code) for o in others),
                others=len(others),
            )
        )
    return rows


def first_found(outcomes: Iterable[Outcome]) -> dict[str, Counter[str]]:
    """Planted pathology -> how often each came first ("healthy" and "nothing" among the names)."""
    found: dict[str, Counter[str]] = {}
    for o in outcomes:
        if o.state != "short" and not o.failed:
            first = o.serious[0][1] if o.serious else "nothing"
            found.setdefault(o.pathology or "healthy", Counter())[first] += 1
    return found


def remedies(outcomes: Iterable[Outcome]) -> list[Remedies]:
    """A row for each treatment that was tried on curable cases."""
    tried: dict[str, list[float]] = {}
    for o in outcomes:
        if o.curable and o.state == "sick" and not math.isnan(o.factor):
            tried.setdefault(o.treatment, []).append(o.factor)
    return [
        Remedies(
            key,
            helped=sum(f >= HELPS for f in factors),
            alike=sum(1 / HELPS < f < HELPS for f in factors),
            hurt=sum(f <= 1 / HELPS for f in factors),
            median=sorted(factors)[len(factors) // 2],
        )
        for key, factors in sorted(tried.items())
    ]


def _spoke(outcome: Outcome, code: str, severity: str = "") -> bool:
    return any(c == code and (s == severity if severity else s != "note") for c, _, s in outcome.found)
