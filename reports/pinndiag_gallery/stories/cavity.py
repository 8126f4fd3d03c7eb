"""The lid-driven cavity of Wang, Teng and Perdikaris in two formulations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from pinndiag.problems import Problem
from pinndiag_gallery.results import Figures, Results, medians
from pinndiag_gallery.story import Arm, Claim, Group, Story
from pinndiag_reports._numbers import count, number

__all__ = ["story"]

SOURCE = "WTP slides, bonus slide"
M4 = ("velocity M4", "stream M4")
PUBLISHED = ("velocity M4, published size", "stream M4, published size")


def story(*, full: bool) -> Story:
    """Reduced: 3 x 50 instead of 5 x 50 units, 5 000 instead of 40 000 steps, 1 seed; M4 at the published size too."""
    steps = 40_000 if full else 5_000

    def arm(key: str, formulation: str, *, balanced: bool) -> Arm:
        options = {"size": "full" if full else "reduced", "formulation": formulation}
        options |= {"arch": "modified"} if balanced else {}
        scheme, settings = ("lra", {"preset": "wtp_cavity"}) if balanced else (None, {})
        return Arm(key, key, "cavity", steps, options, scheme, settings, 3 if full else 1, measure=speed)

    published = () if full else tuple(_published())
    return Story(
        name="cavity",
        title="Lid-driven cavity: one flow in two formulations",
        source="slides on Wang, Teng, Perdikaris 2021 (WTP; SIAM J. Sci. Comput. 43, A3055, section 4.3)",
        setting="Re = 100"
        + (
            ", the published size."
            if full
            else "; 3 x 50 instead of 5 x 50 units, 5 000 of the 40 000 steps; M4 also at the published size, one seed."
        ),
        arms=(
            arm("velocity M4", "velocity", balanced=True),
            arm("stream M4", "stream", balanced=True),
            arm("velocity M1", "velocity", balanced=False),
            arm("stream M1", "stream", balanced=False),
            *published,
        ),
        claims=(
            Claim(
                "Velocity-pressure fails whatever the weights, the stream function works (M4)",
                SOURCE,
                "error of the speed 7.53e-1 and 3.42e-2",
                _speeds,
                "at least three times lower with the stream function",
                lambda ours: _apart(*ours.values()),
                _falling,
            ),
        ),
        groups=(
            Group(
                "cavity",
                "The two formulations",
                ("velocity M1", "velocity M4", "stream M1", "stream M4"),
                ("outcome", "solution", "balance", "over-time"),
            ),
            *(() if full else (Group("published", "M4 at the published size", PUBLISHED, SHOWN),)),
        ),
        picture=("cavity", "cavity-fig-fields") if full else ("published", "published-fig-fields"),
    )


SHOWN = ("outcome", "solution", "over-time")


def _published() -> Iterator[Arm]:
    """M4 as the story of the published size trains it, from one seed."""
    whole = story(full=True)
    for key, short in zip(PUBLISHED, M4, strict=True):
        yield replace(whole.arm(short), key=key, title=f"{short}, 40 000", seeds=1)


def _longest(results: Results) -> tuple[str, str]:
    """M4 in both formulations, at the published size where that was run."""
    return PUBLISHED if all(arm in results.runs for arm in PUBLISHED) else M4


def _speeds(results: Results) -> Figures:
    return medians(lambda run: run.figures["speed"], *_longest(results))(results)


def _apart(velocity: float, stream: float) -> bool:
    return 3 * stream < velocity


def _falling(results: Results) -> str:
    """How far the formulations are apart, and how fast their errors still fell when the training ended."""
    falls = []
    arms = _longest(results)
    velocity, stream = _speeds(results).values()
    for arm in arms:
        history = results.first(arm).history
        assert history is not None
        assert history.rel_l2 is not None
        known = [value for value in history.rel_l2.high if value is not None]
        falls.append(f"{number(known[len(known) // 2])} to {number(known[-1])} ({arm})")
    return (
        f"After {count(results.first(arms[0]).steps)} steps the velocity-pressure form is at {number(velocity)}, where "
        f"7.53e-1 was published, and the stream function is {number(velocity / stream, 2)} times lower, not 22 times. "
        f"Over the second half of them the error of the velocity went from {' and from '.join(falls)}."
    )


def speed(problem: Problem) -> Figures:
    """Relative L2 error of |velocity|."""
    points, values = problem.solution
    with torch.no_grad():
        found, exact = problem.model(points).norm(dim=1), values.norm(dim=1)
        return {"speed": float((found - exact).norm() / exact.norm())}
