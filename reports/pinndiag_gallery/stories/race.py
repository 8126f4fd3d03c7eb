"""The race of three weightings of single points, on a regression with a sharp transition."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

import torch

from pinndiag.problems import Problem
from pinndiag_gallery.results import Figures, Results, Run, medians
from pinndiag_gallery.stories import allen_cahn
from pinndiag_gallery.story import Arm, Claim, Group, Story
from pinndiag_reports._numbers import number

__all__ = ["story"]

CENTRE = 0.1  # |x| below this is the transition
SOURCE = "course, section 3.4"
LARGER = ("Allen-Cahn", "Allen-Cahn, SA", "Allen-Cahn, SA, mean 1")


def story(*, full: bool) -> Story:
    """Both sizes are the same: 300 steps and 7 seeds, and reduced Allen-Cahn, 4 000 steps and 2 seeds."""

    def arm(key: str, title: str, scheme: str | None = None, **settings: object) -> Arm:
        return Arm(key, title, "regression", 300, {}, scheme, settings, 7, measure=centre_and_outer)

    return Story(
        name="race",
        title="Three weightings of single points race to a sharp transition",
        source='section 3.4 of the online course "PINNs for exploration seismology"',
        setting="30 equidistant points, 300 steps of Adam 2e-2, 7 seeds. The course's own target is lost: tanh(20 x) "
        "and a network of 2 x 20 stand in for it. Centre is |x| < 0.1; errors are those between the points. The larger "
        "problem is Allen-Cahn to t = 0.3, 4 x 64 units, 1 024 + 128 + 100 fixed points, 4 000 steps.",
        arms=(
            arm("uniform", "uniform"),
            arm("gradient norm", "gradient norms", "point_grad_norm"),
            arm("sigmoid", "SA sigmoid from 0", "sa", preset="sigmoid", normalise=None),
            arm("squares", "SA squares", "sa", normalise=None),
            arm("squares, mean 1", "SA squares of mean 1", "sa"),
            arm("rba", "RBA of mean 1", "rba"),
            *larger(),
        ),
        claims=(
            Claim(
                "Uniform weights leave the centre poorly resolved",
                SOURCE,
                "centre / outer residual above 1",
                ratios("uniform"),
                "centre / outer error above 2",
                lambda ours: ours["uniform"] > 2,
            ),
            Claim(
                "Weights by the gradient norm of each point are better than uniform ones",
                SOURCE,
                "better",
                medians(_error("centre"), "uniform", "gradient norm"),
                "lower error at the centre",
                lambda ours: ours["gradient norm"] < ours["uniform"],
                _inverse,
            ),
            Claim(
                "Points with small gradients are amplified, whether they are hard or not",
                SOURCE,
                "can over-correct",
                _weight("gradient norm"),
                "the centre gets less than the mean weight",
                lambda ours: ours["weight of the centre / mean"] < 1,
            ),
            Claim(
                "The self-adaptive mask, a sigmoid of weights that start at 0, halves the centre / outer ratio",
                SOURCE,
                "about 2 times lower",
                ratios("uniform", "sigmoid"),
                "at least 1.5 times lower",
                lambda ours: ours["sigmoid"] * 1.5 < ours["uniform"],
                _masks,
            ),
            Claim(
                "The self-adaptive mask of the paper, squares, halves it",
                "McClenny, Braga-Neto 2023, as the course tells it",
                "about 2 times lower",
                ratios("uniform", "squares"),
                "at least 1.5 times lower",
                lambda ours: ours["squares"] * 1.5 < ours["uniform"],
            ),
            Claim(
                "It does so by balance, not by a larger learning rate (weights with mean 1)",
                "our control",
                "",
                ratios("uniform", "squares, mean 1", "rba"),
                "at least 1.5 times lower with mean 1",
                lambda ours: ours["squares, mean 1"] * 1.5 < ours["uniform"],
            ),
            Claim(
                "The mask concentrates near the centre",
                SOURCE,
                "taller bars at the centre",
                _weight("squares, mean 1"),
                "the centre gets more than 1.5 times the mean weight",
                lambda ours: ours["weight of the centre / mean"] > 1.5,
            ),
            Claim(
                "On Allen-Cahn and wave equations the gain at the hard points grows to 5 to 10 times",
                SOURCE,
                "5 to 10",
                medians(_error("steep"), LARGER[0], LARGER[1]),
                "Allen-Cahn: error at the steepest tenth of the points at least 5 times lower (the wave equation's "
                "points are drawn anew at each step: nothing for a point's weight to hold on to)",
                lambda ours: 5 * ours[LARGER[1]] < ours[LARGER[0]],
                _gains,
            ),
        ),
        groups=(
            Group(
                "race",
                "The race",
                ("uniform", "gradient norm", "sigmoid", "squares", "squares, mean 1", "rba"),
                ("outcome", "solution", "points", "over-time"),
            ),
            Group("larger", "Allen-Cahn", LARGER, ("outcome", "solution", "points", "over-time")),
        ),
        picture=("race", "race-fig-masks"),
    )


def larger() -> tuple[Arm, ...]:
    """Allen-Cahn without weights, and with those of its single points, of the equation and of the initial condition."""
    plain = replace(allen_cahn.plain(full=False), key=LARGER[0], title="uniform")
    points = {"terms": ["pde", "ic"]}
    published = {**points, "preset": "allen_cahn", "init": {"pde": (0.0, 1.0), "ic": (0.0, 100.0)}}
    return (
        plain,
        replace(plain, key=LARGER[1], title="SA as published", scheme="sa", settings=published, seeds=2),
        replace(plain, key=LARGER[2], title="SA of mean 1", scheme="sa", settings=points, seeds=2),
    )


def ratios(*arms: str) -> Callable[[Results], Figures]:
    """Error at the centre over error elsewhere: medians over the seeds."""
    return medians(lambda run: run.figures["centre"] / run.figures["outer"], *arms)


def _weight(arm: str) -> Callable[[Results], Figures]:
    def weight(run: Run) -> float:
        (mask,) = run.points
        near = [value for x, value in zip(mask.coordinates[0], mask.values, strict=True) if abs(x) < CENTRE]
        return statistics.fmean(near) / statistics.fmean(mask.values)

    return lambda results: {"weight of the centre / mean": weight(results.first(arm))}


def _inverse(results: Results) -> str:
    """Where the weights by gradient norms went, and what became of the errors."""
    (mask,) = results.first("gradient norm").points
    places = sorted(zip(mask.values, map(abs, mask.coordinates[0]), strict=True))
    (least, nearest), (most, beside) = places[0], places[-1]
    centre, outer = (
        " to ".join(map(number, medians(_error(key), "uniform", "gradient norm")(results).values()))
        for key in ("centre", "outer")
    )
    return (
        "The weights are inverse to the gradient norms. After the training of seed 0 the smallest, "
        f"{number(least)}, is at |x| = {number(nearest)}, and the largest, {number(most)}, at |x| = {number(beside)}; "
        f"the centre ends at {CENTRE}. The error at the centre goes from {centre}, that elsewhere from {outer}."
    )


def _error(key: str) -> Callable[[Run], float]:
    return lambda run: run.figures[key]


def _masks(results: Results) -> str:
    """How far the masks of the sigmoid, and of the squares, have moved apart."""
    found = {}
    for arm in ("sigmoid", "squares"):
        (mask,) = results.first(arm).points
        found[arm] = (min(mask.values), max(mask.values))
    (low, high), (least, most) = found["sigmoid"], found["squares"]
    return (
        f"A sigmoid from 0 starts at 1/2 and can at most double. All masks rise together: after the training they lie "
        f"between {number(low)} and {number(high)}, {number(high / low, 2)} times apart; those of the squares "
        f"{number(most / least, 2)} times."
    )


def _gains(results: Results) -> str:
    """How many times the error fell where the solution is steep, and elsewhere."""
    found = [medians(_error(key), *LARGER[:2])(results) for key in ("steep", "elsewhere")]
    steep, elsewhere = (number(errors[LARGER[0]] / errors[LARGER[1]], 2) for errors in found)
    balanced = number(results.median(LARGER[2], _error("steep")))
    return (
        f"In 4 000 steps the error falls {steep}-fold at the steep points and {elsewhere}-fold elsewhere: the "
        "weights of the initial condition, 0 to 10 000 by the published draw, help everywhere. With mean 1, so that "
        f"points are told apart but the condition gains nothing as a whole, the steep error is {balanced}."
    )


def centre_and_outer(problem: Problem) -> Figures:
    """Root mean square errors near the transition and elsewhere: between the points, and at them."""
    with torch.no_grad():
        found = {}
        data = problem.terms["data"]
        points, values = problem.solution
        for name, x, error in (
            ("", points, problem.model(points) - values),
            ("trained ", data.points, data.residual(data.points)),
        ):
            near = x[:, 0].abs() < CENTRE
            found[f"{name}centre"] = float(error[near].square().mean().sqrt())
            found[f"{name}outer"] = float(error[~near].square().mean().sqrt())
    return found
