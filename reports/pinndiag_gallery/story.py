"""What a story of the gallery is: arms to train, claims to look at, and what its page shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from pinndiag.problems import Problem
from pinndiag_gallery.results import Results

__all__ = ["Arm", "Claim", "Group", "Story"]


@final
@dataclass(frozen=True)
class Arm:
    """One way to train a problem of the literature.

    Attributes:
        key: its name in the claims.
        title: how the page calls it.
        problem: name in `pinndiag.problems`.
        steps: of the optimizer.
        options: of `problems.make`: the problem's own, `arch`, `size`.
        scheme: key in `pinndiag.schemes`; None trains with the weights of the source.
        settings: of the scheme.
        seeds: how many runs.
        curvature: steps between two measurements of the Hessian's largest eigenvalues; 0 for none.
        measure: further figures of the trained problem.
    """

    key: str
    title: str
    problem: str
    steps: int
    options: Mapping[str, Any] = field(default_factory=dict)
    scheme: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 3
    curvature: int = 0
    measure: Callable[[Problem], Mapping[str, float]] | None = None


@final
@dataclass(frozen=True)
class Claim:
    """A published effect.

    Attributes:
        text: what is claimed.
        source: where.
        published: the printed figures.
        ours: our figures, by name.
        rule: when it counts as reproduced, in words.
        holds: the same of our figures.
        why: what is behind it where it is not, in words, or made of what was measured.
        shown: how a figure of ours is written; default: three digits.
    """

    text: str
    source: str
    published: str
    ours: Callable[[Results], Mapping[str, float]]
    rule: str
    holds: Callable[[Mapping[str, float]], bool]
    why: str | Callable[[Results], str] = ""
    shown: Callable[[float], str] | None = None


@final
@dataclass(frozen=True)
class Group:
    """Arms that are drawn together.

    Attributes:
        key: keeps its anchors apart from those of other groups.
        title: heading.
        arms: keys; the first one is what the others are set against.
        show: sections of the page of before and after ("outcome", "solution", "balance", "over-time", "trajectories",
            "points"), and "curvature".
        lead: a sentence under the heading.
    """

    key: str
    title: str
    arms: tuple[str, ...]
    show: tuple[str, ...]
    lead: str = ""


@final
@dataclass(frozen=True)
class Story:
    """A page of the gallery.

    Attributes:
        name: on the command line, and of its files.
        title: heading.
        source: the documents that claim what is looked at.
        setting: what is reduced against the source, in words.
        arms: what is trained.
        claims: what is looked at.
        groups: what is drawn.
        timed: keys of arms of one problem whose time of a step is measured against the first one's.
        picture: (group, figure) shown in the README.
    """

    name: str
    title: str
    source: str
    setting: str
    arms: tuple[Arm, ...]
    claims: tuple[Claim, ...]
    groups: tuple[Group, ...]
    picture: tuple[str, str]
    timed: tuple[str, ...] = ()

    def arm(self, key: str) -> Arm:
        """The arm of that key."""
        return next(arm for arm in self.arms if arm.key == key)
