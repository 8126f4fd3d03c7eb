"""The Helmholtz problem of Wang, Teng and Perdikaris: models M1 to M4, and how stiff their losses are."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from pinndiag_gallery.results import Figures, Results, Run, errors
from pinndiag_gallery.story import Arm, Claim, Group, Story

__all__ = ["story", "watched"]

Options = Mapping[str, str | float]

SLIDES = "WTP slides"
PAPER = "SISC 43, A3055, table 3"
MODELS = ("M1", "M2", "M3", "M4")
WATCHED = ("M1 (1, 4)", "M3 (1, 4)", "M1 (1, 1)", "M3 (1, 1)")
CURVATURE = 500  # steps between two measurements


def story(*, full: bool) -> Story:
    """Reduced: 10 000 instead of 40 000 steps, 2 seeds (1 of the modified network) instead of 10."""
    lra, modified, simple = {"preset": "wtp_sisc"}, {"arch": "modified"}, {"a2": 1.0}
    steps = 40_000 if full else 10_000

    def model(key: str, title: str, options: Options, *, annealed: bool, seeds: int) -> Arm:
        scheme, settings = ("lra", lra) if annealed else (None, {})
        return Arm(key, title, "helmholtz", steps, options, scheme, settings, 10 if full else seeds)

    return Story(
        name="helmholtz",
        title="Helmholtz: four models, and how stiff their losses are",
        source="slides on Wang, Teng, Perdikaris 2021 (WTP; SIAM J. Sci. Comput. 43, A3055, section 2.4)",
        setting=f"3 x 50 units as in the authors' code; {'40 000' if full else '10 000 of the 40 000'} steps for the "
        f"errors of the models, {'40 000' if full else '5 000'} for the eigenvalues.",
        arms=(
            model("M1", "M1: plain network", {}, annealed=False, seeds=2),
            model("M2", "M2: M1 + annealing", {}, annealed=True, seeds=2),
            model("M3", "M3: modified network", modified, annealed=False, seeds=1),
            model("M4", "M4: M3 + annealing", modified, annealed=True, seeds=1),
            watched("M1 (1, 4)", {}, full=full),
            watched("M3 (1, 4)", modified, full=full),
            watched("M1 (1, 1)", simple, full=full),
            watched("M3 (1, 1)", {**modified, **simple}, full=full),
        ),
        claims=CLAIMS,
        groups=(
            Group("models", "The four models", MODELS, ("outcome", "solution", "balance", "over-time")),
            Group(
                "stiffness",
                "Largest eigenvalue of the Hessian during training",
                WATCHED,
                ("curvature",),
                "Of every unweighted term and of the weighted total, by Lanczos on the points of the step, over all "
                "parameters; the slides' figure has them of the weight matrices, from full Hessians.",
            ),
        ),
        picture=("stiffness", "stiffness-fig-sharpness"),
        timed=("M1", "M2"),
    )


def watched(key: str, options: Options, *, full: bool) -> Arm:
    """A model without weights whose eigenvalues are measured."""
    title = key.replace(" ", ", a = ", 1)
    return Arm(key, title, "helmholtz", 40_000 if full else 5_000, options, seeds=1, curvature=CURVATURE)


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


CLAIMS = (
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
        errors("M1", "M2"),
        "at least three times lower than M1",
        lambda ours: 3 * ours["M2"] < ours["M1"],
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
        _sigmas(statistics.median, "M1 (1, 1)", "M1 (1, 4)"),
        "higher sigma_max of the residual, median over training",
        lambda ours: ours["M1 (1, 4)"] > ours["M1 (1, 1)"],
    ),
    Claim(
        "Eigenvalues of the residual's Hessian reach 1e5",
        f"{SLIDES}, eigenvalues",
        "up to about 1e5",
        _sigmas(max, "M1 (1, 4)"),
        "the largest one lies between 1e4 and 1e6",
        lambda ours: 1e4 < ours["M1 (1, 4)"] < 1e6,
    ),
    Claim(
        "The residual is stiffer than the boundary",
        f"{SLIDES}, eigenvalues",
        "by orders of magnitude",
        lambda results: {
            "pde": statistics.median(_sigma(results.first("M1 (1, 4)"), "pde")),
            "bc": statistics.median(_sigma(results.first("M1 (1, 4)"), "bc")),
        },
        "sigma_max of the residual at least ten times the boundary's",
        lambda ours: ours["pde"] > 10 * ours["bc"],
    ),
    Claim(
        "The modified network is less stiff: M3 against M1",
        f"{SLIDES}, eigenvalues",
        "about 3 times lower",
        _sigmas(statistics.median, "M1 (1, 4)", "M3 (1, 4)"),
        "lower sigma_max of the residual, median over training",
        lambda ours: ours["M3 (1, 4)"] < ours["M1 (1, 4)"],
        "At this point of training the modified network is the stiffer one.",
    ),
)
