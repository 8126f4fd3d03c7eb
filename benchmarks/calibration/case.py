"""A case: a network and what is said of it before it is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, final

from benchmarks.calibration.training import GIVEN, Setup

__all__ = ["Case", "Half", "State", "halves", "seeds"]

State = Literal["sick", "short", "healthy"]
Half = Literal["set", "report"]


@final
@dataclass(frozen=True)
class Case:
    """One network, and what is expected of its diagnosis and of a treatment, written down before it is trained.

    Attributes:
        name: "plant@seed"; the plant is an illness, a problem and a strength.
        state: "sick"; "short", where the strength lies just below the threshold, so that the pathology must not be
            called a problem; or "healthy", where nothing may be.
        setup: the training.
        pathology: what it suffers from, or nearly does; "" where healthy.
        also: pathologies that are as right, because the plant is both or the words overlap.
        strength: of the plant, in words.
        curable: by what a network trained on for as long can be beaten; "" if by nothing.
        judged: as a "checkpoint" (`analyze`), as a "run" that has ended (`watch`, without the network), or "live": as
            a run that is still going on.
        given: what `wrap` is given of it.
        code: a treatment's key -> the setup with the lines of code that it asks for.
        solved: a healthy control counts only if it solves its problem: if its error is below this.
        unsolved: a sick one counts only if its error is above this; 0 for faults of the program.
        subset: with one seed, it belongs to the subset of about 18 minutes of CPU time.
        quick: with one seed, it belongs to the quick version of about 6 minutes of CPU time.
    """

    name: str
    state: State
    setup: Setup
    pathology: str = ""
    also: tuple[str, ...] = ()
    strength: str = ""
    curable: str = ""
    judged: Literal["checkpoint", "run", "live"] = "checkpoint"
    given: frozenset[str] = GIVEN
    code: Mapping[str, Setup] = field(default_factory=dict)
    solved: float = 0.05
    unsolved: float = 0.02
    subset: bool = True
    quick: bool = False

    @property
    def plant(self) -> str:
        """The name without the seed."""
        return self.name.partition("@")[0]

    @property
    def right(self) -> tuple[str, ...]:
        """The pathologies that count as found."""
        return (self.pathology, *self.also) if self.pathology else ()


def seeds(cases: Iterable[Case], count: int = 2) -> list[Case]:
    """Each case with so many seeds."""
    found = []
    for case in cases:
        for seed in range(count):
            code = {key: replace(setup, seed=seed) for key, setup in case.code.items()}
            found.append(replace(case, name=f"{case.name}@{seed}", setup=replace(case.setup, seed=seed), code=code))
    return found


def halves(cases: Sequence[Case]) -> dict[str, Half]:
    """Name -> the half a case belongs to: thresholds are set on one, and the other is reported.

    Plants (with all their seeds) of one pathology and state alternate between the halves in the order of their names'
    hash, so that neither half lacks a pathology that has two plants, and nobody chooses.
    """
    groups: dict[tuple[str, str], set[str]] = {}
    for case in cases:
        groups.setdefault((case.pathology, case.state), set()).add(case.plant)
    found: dict[str, Half] = {}
    for group in groups.values():
        order = sorted(group, key=_digest)
        begin = int(_digest(order[0]), 16) % 2
        for index, plant in enumerate(order):
            found[plant] = "report" if (index + begin) % 2 else "set"
    return {case.name: found[case.plant] for case in cases}


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
