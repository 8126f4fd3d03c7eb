"""The lid-driven cavity of Wang, Teng and Perdikaris in two formulations."""

from __future__ import annotations

from dataclasses import replace

import torch

from pinndiag.problems import Problem
from pinndiag_gallery.results import Figures, Results, medians
from pinndiag_gallery.story import Arm, Claim, Group, Story
from pinndiag_reports._numbers import count, number

__all__ = ["story"]

SOURCE = "WTP slides, bonus slide"
LONGER = ("velocity M4 longer", "stream M4 longer")
LONGER_STEPS = 10_000


def story(*, full: bool) -> Story:
    """Reduced: 3 x 50 instead of 5 x 50 units, 5 000 and for M4 also 10 000 instead of 40 000 steps, 1 seed."""
    steps = 40_000 if full else 5_000

    def arm(key: str, title: str, formulation: str, *, balanced: bool) -> Arm:
        options = {"size": "full" if full else "reduced", "formulation": formulation}
        options |= {"arch": "modified"} if balanced else {}
        scheme, settings = ("lra", {"preset": "wtp_cavity"}) if balanced else (None, {})
        return Arm(key, title, "cavity", steps, options, scheme, settings, 3 if full else 1, measure=speed)

    m4 = (
        arm("velocity M4", "velocity-pressure, M4", "velocity", balanced=True),
        arm("stream M4", "stream function, M4", "stream", balanced=True),
    )
    longer = tuple(
        replace(short, key=key, title=f"{short.title}, {count(LONGER_STEPS)} steps", steps=LONGER_STEPS)
        for key, short in zip(LONGER, m4, strict=True)
    )
    return Story(
        name="cavity",
        title="Lid-driven cavity: one flow in two formulations",
        source="slides on Wang, Teng, Perdikaris 2021 (WTP; SIAM J. Sci. Comput. 43, A3055, section 4.3)",
        setting="Re = 100"
        + (
            ", the published size."
            if full
            else "; 3 x 50 instead of 5 x 50 units, 5 000 of the 40 000 steps, M4 also 10 000, one seed."
        ),
        arms=(
            *m4,
            arm("velocity M1", "velocity-pressure, M1", "velocity", balanced=False),
            arm("stream M1", "stream function, M1", "stream", balanced=False),
            *(() if full else longer),
        ),
        claims=(
            Claim(
                "Velocity-pressure fails whatever the weights, the stream function works (M4)",
                SOURCE,
                "error of the speed 7.53e-1 and 3.42e-2",
                lambda results: medians(lambda run: run.figures["speed"], *_longest(results))(results),
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
            *(() if full else (Group("longer", "M4, longer", LONGER, ("outcome", "solution", "over-time")),)),
        ),
        picture=("cavity", "cavity-fig-fields"),
    )


def _longest(results: Results) -> tuple[str, ...]:
    """The longest trainings of M4 that were run in both formulations."""
    return LONGER if all(arm in results.runs for arm in LONGER) else ("velocity M4", "stream M4")


def _apart(velocity: float, stream: float) -> bool:
    return 3 * stream < velocity


def _falling(results: Results) -> str:
    """How fast the errors were still falling when the training ended."""
    falls = []
    arms = _longest(results)
    for arm in arms:
        history = results.first(arm).history
        assert history is not None
        assert history.rel_l2 is not None
        known = [value for value in history.rel_l2.high if value is not None]
        falls.append(f"{number(known[len(known) // 2])} to {number(known[-1])} ({arm})")
    velocity = results.first(arms[0])
    reached = number(velocity.figures["speed"])
    return (
        f"After {count(velocity.steps)} steps the velocity-pressure form is at {reached}, where "
        f"7.53e-1 was published. Over the second half of them the error of the velocity went from "
        f"{' and from '.join(falls)}. Whether 40 000 steps of 5 x 50 units tell the formulations apart was not run."
    )


def speed(problem: Problem) -> Figures:
    """Relative L2 error of |velocity|."""
    points, values = problem.solution
    with torch.no_grad():
        found, exact = problem.model(points).norm(dim=1), values.norm(dim=1)
        return {"speed": float((found - exact).norm() / exact.norm())}
