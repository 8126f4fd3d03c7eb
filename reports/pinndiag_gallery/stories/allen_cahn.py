"""The Allen-Cahn equation of Deguchi and Asai: table 3, figures 8 to 13, table 4."""

from __future__ import annotations

import itertools

import torch

from pinndiag.problems import Problem
from pinndiag_gallery.results import Figures, NotRunError, Results, Run, against, medians
from pinndiag_gallery.stories import deguchi_asai as paper
from pinndiag_gallery.story import Arm, Claim, Group, Story
from pinndiag_reports._numbers import count, number, percent

__all__ = ["plain", "story"]

FEWEST = 4  # runs that could show two clusters
TIMES = 51  # of the reference
STEEP = 0.1  # this share of the reference's points is called steep


def plain(*, full: bool) -> Arm:
    """Without weights."""
    options = {"size": "full" if full else "reduced"}
    steps, seeds = (250_000, 10) if full else (4_000, 5)
    return Arm("PINN", "PINN", "allen_cahn", steps, options, seeds=seeds, measure=steep)


def story(*, full: bool) -> Story:
    """Reduced: t to 0.3, 4 x 64 units, 1 024 points, 4 000 instead of 250 000 steps, 5 and 2 seeds for 10."""
    seeds = 10 if full else 2
    return Story(
        name="allen_cahn",
        title="Allen-Cahn: the initial condition needs a weight",
        source=paper.PAPER,
        setting="Weights on the initial condition only. "
        + (
            "The published size."
            if full
            else "t to 0.3 instead of 1, 4 x 64 instead of 4 x 128 units, 1 024 instead of 4 096 points a step, "
            "4 000 of the 250 000 steps."
        ),
        arms=paper.arms(plain(full=full), main=seeds, few=seeds, exclude=["bc"]),
        claims=(
            Claim(
                "Weights on the initial condition lower the error by an order of magnitude",
                f"{paper.SOURCE}, table 3, beta 0.99",
                "PINN 22.8e-2 ± 7.4e-2, MA 2.60e-2, ID 1.50e-2, DN 1.58e-2",
                against(*paper.MAIN),
                "every scheme at least three times lower than PINN",
                lambda ours: 3 * max(error for arm, error in ours.items() if arm != "PINN") < ours["PINN"],
                _plateau,
            ),
            Claim(
                "The loss of the initial condition is what is stuck",
                f"{paper.SOURCE}, figure 10",
                "1e-2 in the lost runs, 1e-4 in the others",
                medians(_start, "PINN", "DN"),
                "at least three times lower with DN",
                lambda ours: 3 * ours["DN"] < ours["PINN"],
            ),
            Claim(
                "MA is the fastest to start lowering the loss of the initial condition",
                f"{paper.SOURCE}, figure 10 b",
                "the fastest",
                lambda results: {arm: _started(results.first(arm)) for arm in paper.MAIN},
                "the first step, of seed 0, at which the initial loss is a tenth of its first value: the earliest",
                lambda ours: all(ours["MA"] < step for arm, step in ours.items() if arm != "MA"),
            ),
            Claim(
                "The unweighted runs fall into two clusters",
                f"{paper.SOURCE}, figures 10 and 11",
                "initial loss 1e-2 or 1e-4",
                _clusters,
                "two neighbouring runs, ordered by the initial loss, are more than ten times apart",
                lambda ours: ours["largest gap, a factor"] > 10,
                _left,
            ),
            Claim(
                "The time that the weights cost is negligible with large batches",
                f"{paper.SOURCE}, table 3",
                "+2 %",
                lambda results: results.overheads(*paper.MAIN[1:]),
                "below 5 %",
                lambda ours: max(ours.values()) < 0.05,
                shown=percent,
            ),
            paper.norms("p = 1 1.28e-2, 2 1.58e-2, inf 1.78e-2", "ic"),
            paper.delayed("bottom"),
            paper.alike("bottom"),
            paper.unstable("(g)"),
        ),
        groups=(
            Group(
                "balanced",
                "Table 3, figures 8 to 11",
                paper.MAIN,
                ("outcome", "solution", "balance", "over-time", "trajectories"),
            ),
            paper.BIAS_GROUP,
            paper.NORMS_GROUP,
        ),
        picture=("balanced", "balanced-fig-fields"),
        timed=paper.MAIN,
    )


def _start(run: Run) -> float:
    return run.losses["ic"]


def _plateau(results: Results) -> str:
    """When the arms left the plateau on which the initial condition is lost, and what they weighed it by on it."""
    trained = [arm for arm in paper.MAIN if arm in results.runs]
    when = ", ".join(f"{arm} {_words(_left_at(results.first(arm)))}" for arm in trained)
    quarter = results.first("PINN").steps // 4
    weights = ", ".join(f"{arm} {number(_weight(results.first(arm), quarter), 2)}" for arm in trained if arm != "PINN")
    return (
        f"The error halves at step: {when}. The weight of the initial condition at step {count(quarter)}: {weights}; "
        f"the gradients that ID and DN compare are alike on the plateau.{_corrected(results, quarter)} To t = 0.3 the "
        "training without weights is late, not lost: what it misses of the initial condition grows at most exp(5 t) = "
        "4.5-fold by then, 150-fold to the published t = 1."
    )


def _corrected(results: Results, step: int) -> str:
    """What DN comes to where its weight is there from the first step on; nothing where that was not trained."""
    if "DN corrected" not in results.runs:
        return ""
    run, (plain, error) = results.first("DN corrected"), medians(None, "PINN", "DN corrected")(results).values()
    return (
        f" With bias correction the weight of DN is {number(_weight(run, step), 2)} there, the error halves at step "
        f"{_words(_left_at(run))} and ends at {number(error)}, {number(plain / error, 2)} times below PINN."
    )


def _weight(run: Run, step: int) -> float | None:
    """Of the initial condition, at the last record up to a step."""
    history = run.history
    assert history is not None
    return [v for s, v in zip(history.columns, history.weights["ic"].high, strict=True) if s <= step][-1]


def _left(results: Results) -> str:
    """When each seed without weights left it."""
    when = ", ".join(_words(_left_at(run)) for run in results.of("PINN"))
    return f"To t = 0.3 every run leaves the plateau (the error halves at step {when}), and all end in one cluster."


def _left_at(run: Run) -> int | None:
    """The first recorded step at which the error is below half of its first value."""
    history = run.history
    assert history is not None
    assert history.rel_l2 is not None
    known = [
        (step, value) for step, value in zip(history.columns, history.rel_l2.high, strict=True) if value is not None
    ]
    return next((step for step, value in known if 2 * value < known[0][1]), None)


def _started(run: Run) -> float:
    """The first recorded step at which the initial loss is a tenth of its first value, or the last one."""
    history = run.history
    assert history is not None
    known = [(s, v) for s, v in zip(history.columns, history.losses["ic"].high, strict=True) if v is not None]
    return float(next((step for step, value in known if 10 * value < known[0][1]), run.steps))


def _words(step: int | None) -> str:
    return "never" if step is None else count(step)


def _clusters(results: Results) -> Figures:
    """The initial losses of the unweighted runs in order, and the largest factor between neighbours."""
    found = sorted(results.values("PINN", _start))
    if len(found) < FEWEST:
        raise NotRunError(f"{len(found)} runs show no clusters")
    gap = max(b / a for a, b in itertools.pairwise(found))
    return {"lowest": found[0], "highest": found[-1], "largest gap, a factor": gap}


def steep(problem: Problem) -> Figures:
    """Root mean square errors where the reference is steepest in x, and elsewhere."""
    points, values = problem.solution
    with torch.no_grad():
        error = (problem.model(points) - values).flatten()
    slope = torch.gradient(values.reshape(TIMES, -1), dim=1)[0].abs().flatten()
    hard = slope >= slope.quantile(1 - STEEP)
    return {
        "steep": float(error[hard].square().mean().sqrt()),
        "elsewhere": float(error[~hard].square().mean().sqrt()),
    }
