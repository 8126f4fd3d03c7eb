"""The race of three weightings of single points, on a regression with a sharp transition."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch

from pinndiag.problems import Problem
from pinndiag_gallery.results import Figures, Results, Run, medians
from pinndiag_gallery.story import Arm, Claim, Group, Story

__all__ = ["story"]

CENTRE = 0.1  # |x| below this is the transition
SOURCE = "course, section 3.4"


def story(*, full: bool) -> Story:
    """Both sizes are the same: 300 steps, 7 seeds."""

    def arm(key: str, title: str, scheme: str | None = None, **settings: object) -> Arm:
        return Arm(key, title, "regression", 300, {}, scheme, settings, 7, measure=centre_and_outer)

    return Story(
        name="race",
        title="Three weightings of single points race to a sharp transition",
        source='section 3.4 of the online course "PINNs for exploration seismology"',
        setting="30 equidistant points, 300 steps of Adam 2e-2, 7 seeds. The course's own target is lost: tanh(20 x) "
        "and a network of 2 x 20 stand in for it. Centre is |x| < 0.1; errors are those between the points.",
        arms=(
            arm("uniform", "uniform"),
            arm("gradient norm", "gradient norm of a point", "point_grad_norm"),
            arm("sigmoid", "SA, sigmoid from 0", "sa", preset="sigmoid", normalise=None),
            arm("squares", "SA, squares", "sa", normalise=None),
            arm("squares, mean 1", "SA, squares, mean 1", "sa"),
            arm("rba", "RBA, mean 1", "rba"),
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
                medians(lambda run: run.figures["centre"], "uniform", "gradient norm"),
                "lower error at the centre",
                lambda ours: ours["gradient norm"] < ours["uniform"],
                "Gradients of a smooth network are largest at the transition, and the weights are inverse to them: the "
                "hard points get the smaller weights (next line).",
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
                "A sigmoid from 0 starts at 1/2 and can at most double; in 300 steps all masks rise together.",
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
                ratios("allen-cahn"),
                "at least 5",
                lambda ours: False,
            ),
        ),
        groups=(
            Group(
                "race",
                "The race",
                ("uniform", "gradient norm", "sigmoid", "squares", "squares, mean 1", "rba"),
                ("outcome", "solution", "points", "over-time"),
            ),
        ),
        picture=("race", "race-fig-fields"),
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
