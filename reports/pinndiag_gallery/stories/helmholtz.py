"""The Helmholtz problem of Wang, Teng and Perdikaris: models M1 to M4, and how stiff their losses are."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pinndiag_gallery.results import Figures, Results, Run, errors
from pinndiag_gallery.story import Arm, Claim, Group, Story

__all__ = ["model", "story"]

Options = Mapping[str, str | float]

SLIDES = "WTP slides"
PAPER = "SISC 43, A3055, table 3"
MODELS = ("M1", "M2", "M3", "M4")
SIMPLE = ("M1 simple", "M3 simple")
CURVATURE = 500  # steps between two measurements


def story(*, full: bool) -> Story:
    """Reduced: 5 000 instead of 40 000 steps, and 10 000 for M1 and M2 once more; 1 or 2 seeds instead of 10."""
    lra, modified, simple = {"preset": "wtp_sisc"}, {"arch": "modified"}, {"a2": 1.0}
    longer = (
        ()
        if full
        else (
            Arm("M1 longer", "M1 for 10 000 steps", "helmholtz", 10_000, seeds=2),
            Arm("M2 longer", "M2 for 10 000 steps", "helmholtz", 10_000, {}, "lra", lra, seeds=2),
        )
    )
    return Story(
        name="helmholtz",
        title="Helmholtz: four models, and how stiff their losses are",
        source="slides on Wang, Teng, Perdikaris 2021 (WTP; SIAM J. Sci. Comput. 43, A3055, section 2.4)",
        setting="3 x 50 units as in the authors' code; "
        + ("40 000 steps." if full else "5 000 of the 40 000 steps, for M1 and M2 also 10 000."),
        arms=(
            model("M1", "M1: plain network", full=full),
            replace(model("M2", "M2: M1 + annealing", full=full), scheme="lra", settings=lra),
            model("M3", "M3: modified network", modified, full=full),
            replace(model("M4", "M4: M3 + annealing", modified, full=full), scheme="lra", settings=lra),
            replace(model("M1 simple", "M1 at a1 = a2 = 1", simple, full=full), seeds=1),
            replace(model("M3 simple", "M3 at a1 = a2 = 1", {**modified, **simple}, full=full), seeds=1),
            *longer,
        ),
        claims=claims("M1", "M2") if full else claims("M1 longer", "M2 longer"),
        groups=(
            Group("models", "The four models", MODELS, ("outcome", "solution", "balance", "over-time")),
            *(() if full else (Group("longer", "M1 and M2, longer", ("M1 longer", "M2 longer"), LONGER),)),
            Group(
                "stiffness",
                "Largest eigenvalue of the Hessian during training",
                ("M1", "M3", *SIMPLE),
                ("curvature",),
                "Of every unweighted term and of the weighted total, by Lanczos on the points of the step, over all "
                "parameters; the slides' figure has them of the weight matrices, from full Hessians. M1 and M3 without "
                "more words are those with a = (1, 4).",
            ),
        ),
        picture=("stiffness", "stiffness-fig-sharpness"),
        timed=("M1", "M2"),
    )


LONGER = ("outcome", "solution", "over-time")


def model(key: str, title: str, options: Options | None = None, *, full: bool) -> Arm:
    """A model whose eigenvalues are measured; without weights."""
    steps, seeds = (40_000, 10) if full else (5_000, 2)
    return Arm(key, title, "helmholtz", steps, options or {}, seeds=seeds, curvature=CURVATURE)


def _spread(results: Results) -> Figures:
    """Standard deviation of the residual's gradient over the boundary's, unweighted, in M1 (seed 0)."""
    run = results.first("M1")
    found = {}
    for when, diagnosis in (("before", run.before), ("after", run.after)):
        assert diagnosis is not None
        found[when] = diagnosis.terms["pde"].grad_std / diagnosis.terms["bc"].grad_std
    return found


def _sigma(run: Run, term: str) -> list[float]:
    """The largest eigenvalues of a term that were measured during a run."""
    assert run.history is not None
    assert run.history.curvature is not None
    return [value for value in run.history.curvature.terms[term] if value is not None]


def _sigmas(figure: Callable[[Sequence[float]], float], *arms: str, term: str = "pde") -> Callable[[Results], Figures]:
    return lambda results: {arm: figure(_sigma(results.first(arm), term)) for arm in arms}


def claims(plain: str, annealed: str) -> tuple[Claim, ...]:
    """The claims; that of the annealed weights is looked at in these two arms."""
    return (
        Claim(
            "M1, the plain network, fails",
            f"{SLIDES}; {PAPER}",
            "1.81e-1; 1.94e-1 ± 0.39e-1",
            errors("M1"),
            "error above 0.1",
            lambda ours: ours["M1"] > 0.1,
        ),
        Claim(
            "M2: annealed weights lower the error by an order of magnitude",
            f"{SLIDES}; {PAPER}",
            "1.27e-2; 1.44e-2 ± 0.64e-2",
            errors(plain, annealed),
            "at least three times lower than M1",
            lambda ours: 3 * ours[annealed] < ours[plain],
        ),
        Claim(
            "M3: the modified network lowers the error without any weights",
            PAPER,
            "2.12e-2 ± 0.43e-2",
            errors("M1", "M3"),
            "at least three times lower than M1",
            lambda ours: 3 * ours["M3"] < ours["M1"],
            "The gain of the architecture comes late in training: compare the courses of the error.",
        ),
        Claim(
            "M4: both together are the best of the four",
            f"{SLIDES}; {PAPER}",
            "3.69e-3; 3.30e-3 ± 0.43e-3",
            errors("M1", "M2", "M3", "M4"),
            "the lowest error of the four",
            lambda ours: ours["M4"] == min(ours.values()),
        ),
        Claim(
            "The boundary's gradients are concentrated at zero beside the residual's",
            f"{SLIDES}, histograms",
            "wide against a spike",
            _spread,
            "std of the residual's gradient after training at least ten times the boundary's",
            lambda ours: ours["after"] > 10,
        ),
        Claim(
            "A more complex solution is stiffer: a = (1, 4) against (1, 1)",
            f"{SLIDES}, eigenvalues",
            "higher and rougher",
            _sigmas(statistics.median, "M1 simple", "M1"),
            "higher sigma_max of the residual, median over training",
            lambda ours: ours["M1"] > ours["M1 simple"],
        ),
        Claim(
            "Eigenvalues of the residual's Hessian reach 1e5",
            f"{SLIDES}, eigenvalues",
            "up to about 1e5",
            _sigmas(max, "M1"),
            "the largest one lies between 1e4 and 1e6",
            lambda ours: 1e4 < ours["M1"] < 1e6,
        ),
        Claim(
            "The residual is stiffer than the boundary",
            f"{SLIDES}, eigenvalues",
            "by orders of magnitude",
            lambda results: {
                "pde": statistics.median(_sigma(results.first("M1"), "pde")),
                "bc": statistics.median(_sigma(results.first("M1"), "bc")),
            },
            "sigma_max of the residual at least ten times the boundary's",
            lambda ours: ours["pde"] > 10 * ours["bc"],
        ),
        Claim(
            "The modified network is less stiff: M3 against M1",
            f"{SLIDES}, eigenvalues",
            "about 3 times lower",
            _sigmas(statistics.median, "M1", "M3"),
            "lower sigma_max of the residual, median over training",
            lambda ours: ours["M3"] < ours["M1"],
            "At this point of training the modified network is the stiffer one.",
        ),
    )
