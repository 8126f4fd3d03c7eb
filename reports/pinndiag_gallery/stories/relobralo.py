"""The article on ReLoBRaLo: Helmholtz and Kirchhoff with and without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pinndiag_gallery.results import Figures, Results, Run
from pinndiag_gallery.stories import helmholtz
from pinndiag_gallery.story import Arm, Claim, Group, Story
from pinndiag_reports._numbers import percent

__all__ = ["story"]

ARTICLE = "article"


def story(*, full: bool) -> Story:
    """Reduced: the networks and steps of `pinndiag.problems` at its reduced size, 2 seeds for 4."""
    none = helmholtz.model("Helmholtz", "as it is", full=full)
    size = {"size": "full" if full else "reduced"}
    steps, seeds = (100_000, 4) if full else (5_000, 2)

    def plate(key: str, title: str, *, scheme: str | None = None, units: str = "physical") -> Arm:
        settings = {"preset": "kirchhoff"} if scheme else {}
        return Arm(key, title, "kirchhoff", steps, {**size, "units": units}, scheme, settings, seeds)

    balanced = replace(none, scheme="relobralo", settings={"preset": "article"}, seeds=seeds)
    return Story(
        name="relobralo",
        title="ReLoBRaLo on the Helmholtz equation and on a plate",
        source="an article on ReLoBRaLo by its author (Bischof, Kraus 2021)",
        setting="Helmholtz in the set-up of Wang, Teng, Perdikaris (3 x 50 units, 640 points, edges summed); the plate "
        + (
            "at its published size."
            if full
            else "with 2 x 32 instead of 4 x 360 units; 5 000 instead of 100 000 steps."
        )
        + " The learning rate of the plate is constant, where the authors' falls on plateaus.",
        arms=(
            replace(none, seeds=seeds),
            replace(balanced, key="Helmholtz, ReLoBRaLo", title="ReLoBRaLo (article)"),
            replace(
                balanced,
                key="Helmholtz, sharp",
                title="ReLoBRaLo (paper)",
                settings={"preset": "helmholtz"},
                seeds=1,
            ),
            plate("plate", "as it is"),
            plate("plate, ReLoBRaLo", "ReLoBRaLo", scheme="relobralo"),
            plate("scaled plate", "as it is, scaled units", units="scaled"),
        ),
        claims=(
            Claim(
                "Helmholtz: the validation loss improves by 65 %",
                ARTICLE,
                "65 %",
                _improvement("Helmholtz", "Helmholtz, ReLoBRaLo"),
                "the squared error falls by half or more",
                lambda ours: ours["improvement"] > 0.5,
                "Its weights sum to the number of terms: at most 2 for the boundary, to which the source's own sum "
                "over the edges gives 4. The authors' table (7.1e-2 against 2.6e-5) is of 100 000 steps with a "
                "learning rate that falls on plateaus.",
                shown=percent,
            ),
            Claim(
                "Helmholtz: without it, the boundary's loss grows at first, since the equation's is far larger",
                ARTICLE,
                "grows at first",
                lambda results: {"largest / first": _rise(results.first("Helmholtz"))},
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
                "The published gain takes 100 000 steps of a network of 4 x 360; here neither arm has left the "
                "neighbourhood of a flat plate (relative error about 1).",
            ),
            Claim(
                "Plate: the boundary terms converge far sooner than the equation",
                ARTICLE,
                "the equation makes little progress",
                lambda results: {term: _fall(results.first("plate"), term) for term in ("pde", "deflection", "moment")},
                "both boundary losses fell more, first loss / last, than the equation's",
                lambda ours: ours["pde"] < min(ours["deflection"], ours["moment"]),
            ),
            Claim(
                "Units of measurement matter: the same plate in scaled units",
                ARTICLE,
                "affects the convergence",
                lambda results: {key: results.median(key) for key in ("plate", "scaled plate")},
                "errors differ by more than a factor of 2",
                lambda ours: max(ours.values()) > 2 * min(ours.values()),
                "Without balancing both are lost after a training this short, whatever the units.",
            ),
        ),
        groups=(
            Group("helmholtz", "Helmholtz", ("Helmholtz", "Helmholtz, ReLoBRaLo", "Helmholtz, sharp"), SHOWN),
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


SHOWN = ("outcome", "solution", "balance", "over-time")


def _improvement(before: str, after: str) -> Callable[[Results], Figures]:
    return lambda results: {"improvement": 1 - (results.median(after) / results.median(before)) ** 2}


def _fold(before: str, after: str) -> Callable[[Results], Figures]:
    return lambda results: {"squared error, times lower": (results.median(before) / results.median(after)) ** 2}


def _rise(run: Run) -> float:
    known = _course(run, "bc")
    return max(known) / known[0]


def _fall(run: Run, term: str) -> float:
    known = _course(run, term)
    return known[0] / known[-1]


def _course(run: Run, term: str) -> list[float]:
    assert run.history is not None
    return [value for value in run.history.losses[term].high if value is not None]
