"""The article on ReLoBRaLo: Helmholtz and Kirchhoff with and without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from pinndiag import problems
from pinndiag_gallery.results import Figures, Results, Run, errors
from pinndiag_gallery.stories import helmholtz
from pinndiag_gallery.story import Arm, Claim, Group, Story
from pinndiag_reports._numbers import count, number, percent

__all__ = ["story"]

ARTICLE = "article"


def story(*, full: bool) -> Story:
    """Reduced: the networks and steps of `pinndiag.problems` at its reduced size, 2 seeds for 4."""
    none = helmholtz.model("Helmholtz", "4 for the boundary", full=full)
    size = {"size": "full" if full else "reduced"}
    steps, seeds = (100_000, 4) if full else (10_000, 2)

    def plate(key: str, title: str, *, scheme: str | None = None, units: str = "physical") -> Arm:
        settings = {"preset": "kirchhoff"} if scheme else {}
        return Arm(key, title, "kirchhoff", steps, {**size, "units": units}, scheme, settings, seeds)

    balanced = replace(none, scheme="relobralo", settings={"preset": "article"}, seeds=seeds)
    return Story(
        name="relobralo",
        title="ReLoBRaLo on the Helmholtz equation and on a plate",
        source="an article on ReLoBRaLo by its author (Bischof, Kraus 2021)",
        setting="Helmholtz in the set-up of Wang, Teng, Perdikaris (3 x 50 units, 640 points); the plate "
        + (
            "at its published size."
            if full
            else "with 2 x 32 instead of 4 x 360 units; 5 000 (Helmholtz) and 10 000 (plate) instead of 100 000 steps."
        )
        + " The learning rate of the plate is constant, where the authors' falls on plateaus.",
        arms=(
            replace(none, seeds=seeds),
            replace(
                none,
                key="Helmholtz, unscaled",
                title="all weights 1",
                scheme="fixed",
                settings={"weights": {"bc": 1.0}},
                seeds=seeds,
            ),
            replace(balanced, key="Helmholtz, ReLoBRaLo", title="ReLoBRaLo (article)"),
            replace(
                balanced,
                key="Helmholtz, sharp",
                title="ReLoBRaLo (paper)",
                settings={"preset": "helmholtz"},
                seeds=1,
            ),
            plate("plate", "plate"),
            plate("plate, ReLoBRaLo", "plate with ReLoBRaLo", scheme="relobralo"),
            plate("scaled plate", "plate in scaled units", units="scaled"),
        ),
        claims=(
            Claim(
                "Helmholtz: the validation loss improves by 65 %",
                ARTICLE,
                "65 %",
                _improvement("Helmholtz, unscaled", "Helmholtz, ReLoBRaLo"),
                "the squared error falls by half or more against all weights 1",
                lambda ours: ours["improvement"] > 0.5,
                _bounded,
                shown=percent,
            ),
            Claim(
                "Helmholtz: it does better than the fixed weight of 4 that the sum over the edges gives",
                "our control",
                "",
                errors("Helmholtz", "Helmholtz, ReLoBRaLo"),
                "lower error",
                lambda ours: ours["Helmholtz, ReLoBRaLo"] < ours["Helmholtz"],
                _bounded,
            ),
            Claim(
                "Helmholtz: without it, the boundary's loss grows at first, since the equation's is far larger",
                ARTICLE,
                "grows at first",
                lambda results: {"largest / first": _rise(results.first("Helmholtz, unscaled"))},
                "the boundary's loss exceeds its first value",
                lambda ours: ours["largest / first"] > 1.1,
            ),
            Claim(
                "Plate: the error falls by more than an order of magnitude",
                ARTICLE,
                "validation loss 1.3e-8 to 4.0e-10",
                _fold("plate", "plate, ReLoBRaLo"),
                "the squared error falls ten times",
                lambda ours: ours["squared error, times lower"] > 10,
                lambda results: _flat(results, "plate", "plate, ReLoBRaLo"),
            ),
            Claim(
                "Plate: the boundary terms converge far sooner than the equation",
                ARTICLE,
                "the equation makes little progress",
                lambda results: {
                    term: _fallen(results.first("plate"), term) for term in ("pde", "deflection", "moment")
                },
                "the first recorded step at which a loss is a thousandth of its first value: half as late or less for "
                "both terms of the boundary",
                lambda ours: ours["pde"] >= 2 * max(ours["deflection"], ours["moment"]),
            ),
            Claim(
                "Units of measurement matter: the same plate in scaled units",
                ARTICLE,
                "affects the convergence",
                lambda results: {key: results.median(key) for key in ("plate", "scaled plate")},
                "errors differ by more than a factor of 2",
                lambda ours: max(ours.values()) > 2 * min(ours.values()),
                lambda results: _flat(results, "plate", "scaled plate"),
            ),
        ),
        groups=(
            Group(
                "helmholtz",
                "Helmholtz",
                ("Helmholtz, unscaled", "Helmholtz", "Helmholtz, ReLoBRaLo", "Helmholtz, sharp"),
                SHOWN,
            ),
            Group("plate", "Kirchhoff plate", ("plate", "plate, ReLoBRaLo"), SHOWN),
            Group(
                "scaled",
                "Kirchhoff plate in two systems of units",
                ("plate", "scaled plate"),
                ("outcome", "over-time"),
            ),
        ),
        picture=("plate", "plate-fig-courses"),
    )


def _bounded(results: Results) -> str:
    """What the weights came to, and what a fixed one does."""
    weights = results.first("Helmholtz, ReLoBRaLo").weights
    found = errors("Helmholtz, ReLoBRaLo", "Helmholtz, unscaled", "Helmholtz")(results)
    balanced, unscaled, summed = map(number, found.values())
    return (
        f"Its weights sum to the number of terms: it ends with {number(weights['pde'])} for the equation and "
        f"{number(weights['bc'])} for the boundary. The error is {balanced} with it, {unscaled} with all weights 1, "
        f"and {summed} with 4 for the boundary, as the edges summed give it. The authors' table (7.1e-2 against "
        "2.6e-5) is of 100 000 steps with a learning rate that falls on plateaus."
    )


def _flat(results: Results, *arms: str) -> str:
    """How far from the solution the plates still are, and whether it is the equation or the edges that is off."""
    errors, told = [], []
    for arm in arms:
        load, largest = _flat_plate("scaled" if arm == "scaled plate" else "physical")
        equation = results.median(arm, lambda run: run.losses["pde"]) / load
        edges = results.median(arm, lambda run: run.losses["deflection"]) ** 0.5 / largest
        errors.append(f"{number(results.median(arm))} ({arm})")
        told.append(f"{number(equation, 2)} and {percent(edges)} ({arm})")
    return (
        f"After {count(results.first(arms[0]).steps)} of 100 000 steps the errors are {' and '.join(errors)}, where a "
        "plate that stays flat has 1. The equation's loss as a multiple of the flat plate's, and the deflection of the "
        f"edges as a share of the largest one: {'; '.join(told)}."
    )


def _flat_plate(units: str) -> tuple[float, float]:
    """The loss of the equation without a network, which is the mean square of the load; and the largest deflection."""
    problem = problems.make("kirchhoff", units=units)
    with torch.no_grad():
        for parameter in problem.model.parameters():
            parameter.zero_()
    points, deflection = problem.solution
    return float(problem.terms["pde"].residual(points).detach().square().mean()), float(deflection.max())


SHOWN = ("outcome", "solution", "balance", "over-time")


def _improvement(before: str, after: str) -> Callable[[Results], Figures]:
    return lambda results: {"improvement": 1 - 1 / _lower(results, before, after)}


def _fold(before: str, after: str) -> Callable[[Results], Figures]:
    return lambda results: {"squared error, times lower": _lower(results, before, after)}


def _lower(results: Results, before: str, after: str) -> float:
    """How many times lower the squared error is, over the seeds that both arms share."""
    found = errors(before, after)(results)
    return (found[before] / found[after]) ** 2


def _rise(run: Run) -> float:
    known = _course(run, "bc")
    return max(known) / known[0]


def _fallen(run: Run, term: str) -> float:
    """The first recorded step at which a loss is a thousandth of its first value, or the last one."""
    assert run.history is not None
    known = _course(run, term)
    found = (step for step, value in zip(run.history.columns, known, strict=True) if 1000 * value < known[0])
    return float(next(found, run.steps))


def _course(run: Run, term: str) -> list[float]:
    assert run.history is not None
    return [value for value in run.history.losses[term].high if value is not None]
