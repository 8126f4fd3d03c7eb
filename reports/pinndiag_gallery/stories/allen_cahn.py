"""The Allen-Cahn equation of Deguchi and Asai: table 3, figures 8 to 11."""

from __future__ import annotations

import itertools

from pinndiag_gallery.results import Figures, NotRunError, Results, Run, against
from pinndiag_gallery.story import Arm, Claim, Group, Story
from pinndiag_reports._numbers import percent

__all__ = ["story"]

SOURCE = "Deguchi, Asai 2023"
FEWEST = 4  # runs that could show two clusters
ARMS = ("PINN", "MA", "ID", "DN")


def story(*, full: bool) -> Story:
    """Reduced: t to 0.3, 4 x 64 units, 1 024 points, 2 000 instead of 250 000 steps, 5 and 2 seeds for 10."""
    options = {"size": "full" if full else "reduced"}
    steps = 250_000 if full else 2_000

    def arm(key: str, seeds: int, scheme: str | None = None, **settings: object) -> Arm:
        own = {**settings, "exclude": ["bc"]} if scheme else {}
        title = f"{key}, beta 0.99" if scheme else key
        return Arm(key, title, "allen_cahn", steps, options, scheme, own, 10 if full else seeds)

    return Story(
        name="allen_cahn",
        title="Allen-Cahn: the initial condition is lost without a weight",
        source="Deguchi, Asai 2023, J. Phys. Commun. 7, 075005 (section 4)",
        setting="Weights on the initial condition only. "
        + (
            "The published size."
            if full
            else "t to 0.3 instead of 1, 4 x 64 instead of 4 x 128 units, 1 024 instead of 4 096 points a step, "
            "2 000 of the 250 000 steps."
        ),
        arms=(
            arm("PINN", 5),
            arm("MA", 2, "lra", preset="dn_paper", keep=0.99),
            arm("ID", 2, "inverse_dirichlet", preset="dn_paper", keep=0.99),
            arm("DN", 2, "dynamic_norm", preset="paper", keep=0.99),
        ),
        claims=(
            Claim(
                "Weights on the initial condition lower the error by an order of magnitude",
                f"{SOURCE}, table 3, beta 0.99",
                "PINN 22.8e-2 ± 7.4e-2, MA 2.60e-2, ID 1.50e-2, DN 1.58e-2",
                against(*ARMS),
                "every scheme at least three times lower than PINN",
                lambda ours: 3 * max(error for arm, error in ours.items() if arm != "PINN") < ours["PINN"],
                "All arms sit for most of this short training on the plateau where the initial condition is lost (see "
                "the courses of its loss and of the error); the weights leave it sooner, and the training ends there.",
            ),
            Claim(
                "The loss of the initial condition is what is stuck",
                f"{SOURCE}, figure 10",
                "1e-2 in the lost runs, 1e-4 in the others",
                lambda results: {arm: results.median(arm, _start) for arm in ("PINN", "DN")},
                "at least three times lower with DN",
                lambda ours: 3 * ours["DN"] < ours["PINN"],
            ),
            Claim(
                "MA is the fastest to start lowering the loss of the initial condition",
                f"{SOURCE}, figure 10 b",
                "the fastest",
                lambda results: {arm: results.median(arm, _start) for arm in ("PINN", "MA", "DN")},
                "the lowest initial loss after this short training",
                lambda ours: ours["MA"] == min(ours.values()),
            ),
            Claim(
                "The unweighted runs fall into two clusters",
                f"{SOURCE}, figures 10 and 11",
                "initial loss 1e-2 or 1e-4",
                _clusters,
                "two neighbouring runs, ordered by the initial loss, are more than ten times apart",
                lambda ours: ours["largest gap, a factor"] > 10,
                "The published clusters part after 10 000 epochs of a training to t = 1; all of these runs are still "
                "on the plateau, or leaving it.",
            ),
            Claim(
                "The time that the weights cost is negligible with large batches",
                f"{SOURCE}, table 3",
                "+2 %",
                lambda results: results.overheads(*ARMS[1:]),
                "below 5 %",
                lambda ours: max(ours.values()) < 0.05,
                shown=percent,
            ),
        ),
        groups=(
            Group(
                "balanced",
                "Table 3, figures 8 to 11",
                ARMS,
                ("outcome", "solution", "balance", "over-time", "trajectories"),
            ),
        ),
        picture=("balanced", "balanced-fig-fields"),
        timed=ARMS,
    )


def _start(run: Run) -> float:
    return run.losses["ic"]


def _clusters(results: Results) -> Figures:
    """The initial losses of the unweighted runs in order, and the largest factor between neighbours."""
    found = sorted(results.values("PINN", _start))
    if len(found) < FEWEST:
        raise NotRunError(f"{len(found)} runs show no clusters")
    gap = max(b / a for a, b in itertools.pairwise(found))
    return {"lowest": found[0], "highest": found[-1], "largest gap, a factor": gap}
