"""Burgers' equation of Deguchi and Asai, the negative control: table 1, figures 2 to 4, 12, 13, table 4."""

from __future__ import annotations

from pinndiag_gallery.results import Figures, Results, Run, against, errors
from pinndiag_gallery.stories import deguchi_asai as paper
from pinndiag_gallery.story import Arm, Claim, Group, Story
from pinndiag_reports._numbers import percent

__all__ = ["story"]


def story(*, full: bool) -> Story:
    """Reduced: 1 000 of the 10 000 points make a step, 2 500 instead of 30 000 steps, 3 seeds for 10."""
    options = {"size": "full" if full else "reduced"}
    steps, main, few = (30_000, 10, 10) if full else (2_500, 3, 3)
    plain = Arm("PINN", "PINN", "burgers", steps, options, seeds=main)
    return Story(
        name="burgers",
        title="Burgers, the negative control: balancing does not help here",
        source=paper.PAPER,
        setting="8 x 20 units"
        + (", the published size." if full else "; 1 000 of the 10 000 points a step, 2 500 of the 30 000 steps.")
        + " What is hard here is a front, not an imbalance of the terms: to prescribe weights with confidence would be "
        "wrong.",
        arms=paper.arms(plain, main=main, few=few),
        claims=(
            Claim(
                "No scheme helps by much",
                f"{paper.SOURCE}, table 1, beta 0.99",
                "PINN 9.26e-3 ± 1.36e-3, MA 8.58e-3, ID 7.12e-3, DN 7.49e-3",
                against(*paper.MAIN),
                "no scheme is three times better than PINN",
                lambda ours: 3 * min(ours.values()) > ours["PINN"],
                "In a training this short, MA sharpens the initial condition first and is ahead for a while; the "
                "published runs are seven times as long, and level.",
            ),
            Claim(
                "The gradients of initial and boundary values are smaller than the equation's in PINN",
                f"{paper.SOURCE}, figure 3",
                "relatively vanished",
                _spread,
                "std of the equation's gradient above both others after training",
                lambda ours: min(ours.values()) > 1,
                "So is the imbalance itself hardly there: batches of 1 000 points make the gradients noisy.",
            ),
            Claim(
                "Weights refreshed at every 10th step cost a third of the time",
                f"{paper.SOURCE}, table 1",
                "+33 to +34 %",
                lambda results: results.overheads(*paper.MAIN[1:]),
                "below the published +33 %",
                lambda ours: max(ours.values()) < 0.33,
                shown=percent,
            ),
            paper.norms("p = 1 7.65e-3, 2 7.49e-3, inf 8.60e-3", "ic"),
            Claim(
                "A larger beta does not slow the start here",
                f"{paper.SOURCE}, figure 12, top row",
                "convergence almost unchanged between beta 0.99 and 0.999",
                errors("DN", "DN 0.999"),
                "errors within a factor of 1.5",
                lambda ours: max(ours.values()) < 1.5 * min(ours.values()),
                paper.scatter,
            ),
            paper.alike("top"),
            paper.unstable("(a)"),
        ),
        groups=(
            Group(
                "balanced",
                "Table 1, figures 2 to 4",
                paper.MAIN,
                ("outcome", "solution", "balance", "over-time", "trajectories"),
            ),
            paper.BIAS_GROUP,
            paper.NORMS_GROUP,
        ),
        picture=("balanced", "balanced-fig-courses"),
        timed=paper.MAIN,
    )


def _spread(results: Results) -> Figures:
    """Standard deviation of the equation's gradient over those of initial and boundary values, in PINN (seed 0)."""
    run: Run = results.first("PINN")
    assert run.after is not None
    terms = run.after.terms
    return {name: terms["pde"].grad_std / terms[name].grad_std for name in ("ic", "bc")}
