"""Burgers' equation of Deguchi and Asai, the negative control: table 1, figures 2 to 4."""

from __future__ import annotations

from pinndiag_gallery.results import Figures, Results, Run, against
from pinndiag_gallery.story import Arm, Claim, Group, Story
from pinndiag_reports._numbers import percent

__all__ = ["story"]

SOURCE = "Deguchi, Asai 2023"
ARMS = ("PINN", "MA", "ID", "DN")


def story(*, full: bool) -> Story:
    """Reduced: 1 000 of the 10 000 points make a step, 2 500 instead of 30 000 steps, 2 seeds for 10."""
    options = {"size": "full" if full else "reduced"}
    steps, seeds = (30_000, 10) if full else (2_500, 2)

    def arm(key: str, scheme: str | None = None, **settings: object) -> Arm:
        title = f"{key}, beta 0.99" if scheme else key
        return Arm(key, title, "burgers", steps, options, scheme, settings, seeds)

    return Story(
        name="burgers",
        title="Burgers, the negative control: balancing does not help here",
        source="Deguchi, Asai 2023, J. Phys. Commun. 7, 075005 (section 4)",
        setting="8 x 20 units"
        + (", the published size." if full else "; 1 000 of the 10 000 points a step, 2 500 of the 30 000 steps.")
        + " What is hard here is a front, not an imbalance of the terms: to prescribe weights with confidence would be "
        "wrong.",
        arms=(
            arm("PINN"),
            arm("MA", "lra", preset="dn_paper", keep=0.99),
            arm("ID", "inverse_dirichlet", preset="dn_paper", keep=0.99),
            arm("DN", "dynamic_norm", preset="paper", keep=0.99),
        ),
        claims=(
            Claim(
                "No scheme helps by much",
                f"{SOURCE}, table 1, beta 0.99",
                "PINN 9.26e-3 ± 1.36e-3, MA 8.58e-3, ID 7.12e-3, DN 7.49e-3",
                against(*ARMS),
                "no scheme is three times better than PINN",
                lambda ours: 3 * min(ours.values()) > ours["PINN"],
                "In a training this short, MA sharpens the initial condition first and is ahead for a while; the "
                "published runs are seven times as long, and level.",
            ),
            Claim(
                "The gradients of initial and boundary values are smaller than the equation's in PINN",
                f"{SOURCE}, figure 3",
                "relatively vanished",
                _spread,
                "std of the equation's gradient above both others after training",
                lambda ours: min(ours.values()) > 1,
                "So is the imbalance itself hardly there: batches of 1 000 points make the gradients noisy.",
            ),
            Claim(
                "Weights refreshed at every 10th step cost a third of the time",
                f"{SOURCE}, table 1",
                "+33 to +34 %",
                lambda results: results.overheads(*ARMS[1:]),
                "below the published +33 %",
                lambda ours: max(ours.values()) < 0.33,
                shown=percent,
            ),
        ),
        groups=(
            Group(
                "balanced",
                "Table 1, figures 2 to 4",
                ARMS,
                ("outcome", "solution", "balance", "over-time", "trajectories"),
            ),
        ),
        picture=("balanced", "balanced-fig-courses"),
        timed=ARMS,
    )


def _spread(results: Results) -> Figures:
    """Standard deviation of the equation's gradient over those of initial and boundary values, in PINN (seed 0)."""
    run: Run = results.first("PINN")
    assert run.after is not None
    terms = run.after.terms
    return {name: terms["pde"].grad_std / terms[name].grad_std for name in ("ic", "bc")}
