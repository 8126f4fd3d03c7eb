"""What the three problems of Deguchi and Asai share: arms, and the claims on bias correction and on the norm."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from pinndiag_gallery.results import Results, Run, errors, medians
from pinndiag_gallery.story import Arm, Claim, Group
from pinndiag_reports._numbers import number, plural

__all__ = [
    "BIAS",
    "BIAS_GROUP",
    "MAIN",
    "NORMS",
    "NORMS_GROUP",
    "PAPER",
    "SOURCE",
    "alike",
    "arms",
    "delayed",
    "norms",
    "unstable",
]

SOURCE = "Deguchi, Asai 2023"
PAPER = f"{SOURCE}, J. Phys. Commun. 7, 075005 (section 4)"
MAIN = ("PINN", "MA", "ID", "DN")
BIAS = ("DN 0.9", "DN 0.9 corrected", "DN", "DN corrected", "DN 0.999", "DN 0.999 corrected")
NORMS = ("DN p = 1", "DN", "DN p = inf")
BIAS_GROUP = Group("bias", "Figure 12: bias correction", BIAS, ("outcome", "over-time"))
NORMS_GROUP = Group("norms", "Table 4, figure 13: the norm", NORMS, ("outcome", "over-time", "trajectories"))


def arms(plain: Arm, *, main: int, few: int, exclude: Sequence[str] = ()) -> tuple[Arm, ...]:
    """The arms of a problem: without weights, and with those of every table and figure.

    Args:
        plain: without weights.
        main: seeds of MA, ID and DN.
        few: those of the variants of DN.
        exclude: terms that get no weight.
    """
    kept = {"exclude": list(exclude)} if exclude else {}

    def arm(key: str, scheme: str, seeds: int, keep: float, preset: str, **norm: float) -> Arm:
        title = key.replace("DN corrected", "DN 0.99 corrected") if key not in MAIN else f"{key} 0.99"
        settings = {"preset": preset, "keep": keep, **norm, **kept}
        return replace(plain, key=key, title=title, scheme=scheme, settings=settings, seeds=seeds)

    def dn(key: str, keep: float, preset: str = "paper", **norm: float) -> Arm:
        return arm(key, "dynamic_norm", few, keep, preset, **norm)

    return (
        plain,
        arm("MA", "lra", main, 0.99, "dn_paper"),
        arm("ID", "inverse_dirichlet", main, 0.99, "dn_paper"),
        arm("DN", "dynamic_norm", main, 0.99, "paper"),
        dn("DN 0.9", 0.9),
        dn("DN 0.999", 0.999),
        dn("DN 0.9 corrected", 0.9, "paper_corrected"),
        dn("DN corrected", 0.99, "paper_corrected"),
        dn("DN 0.999 corrected", 0.999, "paper_corrected"),
        dn("DN p = 1", 0.99, p=1),
        dn("DN p = inf", 0.99, p=math.inf),
    )


def norms(published: str, term: str) -> Claim:
    """Table 4; `term` is the one whose weight tells the norms apart."""
    return Claim(
        "The norm does not matter",
        f"{SOURCE}, table 4, beta 0.99",
        published,
        errors(*NORMS),
        "errors within a factor of 2",
        lambda ours: max(ours.values()) < 2 * min(ours.values()),
        lambda results: _apart(results, term),
    )


def _apart(results: Results, term: str) -> str:
    """How far the weights of the norms lie apart, and the seeds of one of them."""
    weights = ", ".join(f"{number(results.median(arm, lambda run: run.weights[term]))} ({arm})" for arm in NORMS)
    words = f"The training ends while the weight of {term} still grows, at {weights}: the error follows it."
    return f"{words} {scatter(results)}"


def scatter(results: Results) -> str:
    """How far the seeds of DN lie apart, which tells what a difference between two arms is worth."""
    late = results.values("DN", lambda run: run.late)
    if len(late) == 1:
        return "One seed an arm: how far two seeds lie apart was not measured."
    return f"The {len(late)} seeds of DN alone are up to {number(max(late) / min(late), 2)} times apart."


def delayed(row: str) -> Claim:
    """Figure 12 without bias correction."""
    return Claim(
        "A larger beta needs more steps to converge; bias correction undoes it",
        f"{SOURCE}, figure 12, {row} row",
        "later from beta 0.9 to 0.99 to 0.999, not so once corrected",
        medians(_steps_to_a_fifth, "DN 0.9", "DN", "DN 0.999", "DN 0.999 corrected"),
        "the step at which the error is a fifth of its first value: later from each beta to the next, and with 0.999 "
        "corrected no later than with 0.99",
        lambda ours: ours["DN 0.9"] < ours["DN"] < ours["DN 0.999"] and ours["DN 0.999 corrected"] <= ours["DN"],
        scatter,
    )


def _steps_to_a_fifth(run: Run) -> float:
    """The first recorded step at which the error is a fifth of its first value, or the last one."""
    assert run.history is not None
    assert run.history.rel_l2 is not None
    known = [(s, v) for s, v in zip(run.history.columns, run.history.rel_l2.high, strict=True) if v is not None]
    return float(next((step for step, value in known if 5 * value < known[0][1]), run.steps))


def alike(row: str) -> Claim:
    """Figure 12 with bias correction."""
    return Claim(
        "Once corrected, beta 0.99 and 0.999 converge alike",
        f"{SOURCE}, figure 12, {row} row",
        "nearly identical",
        errors("DN corrected", "DN 0.999 corrected"),
        "errors within a factor of 2",
        lambda ours: max(ours.values()) < 2 * min(ours.values()),
        scatter,
    )


def unstable(panel: str) -> Claim:
    """Figure 12 with a short memory."""
    return Claim(
        "With beta 0.9, bias correction can make training unstable",
        f"{SOURCE}, figure 12 {panel}",
        "sometimes unstable",
        medians(_unrest, "DN 0.9", "DN 0.9 corrected"),
        "decades that the error moves from record to record, the mean over the second half: 1.5 times as many once "
        "corrected",
        lambda ours: ours["DN 0.9 corrected"] > 1.5 * ours["DN 0.9"],
        _steady,
    )


def _steady(results: Results) -> str:
    """What became of the training with a short memory, corrected and not."""
    told = []
    for arm in ("DN 0.9", "DN 0.9 corrected"):
        weight = number(results.median(arm, lambda run: run.weights["ic"]))
        told.append(f"{number(results.median(arm))} with a weight of the initial condition of {weight} ({arm})")
    seeds = min(len(results.of(arm)) for arm in ("DN 0.9", "DN 0.9 corrected"))
    return f"No unrest is seen in {plural(seeds, 'seed')}. The median errors end at {' and '.join(told)}."


def _unrest(run: Run) -> float:
    """Decades that the error moves between two records, up or down: the mean over the second half of a run."""
    assert run.history is not None
    assert run.history.rel_l2 is not None
    known = [value for value in run.history.rel_l2.high if value is not None]
    late = known[len(known) // 2 :]
    return statistics.fmean(abs(math.log10(b / a)) for a, b in itertools.pairwise(late))
