"""The one-dimensional Poisson problem of Wang, Teng and Perdikaris: the sweep of C."""

from __future__ import annotations

import math

from pinndiag_gallery.results import Figures, Results, errors
from pinndiag_gallery.story import Arm, Claim, Group, Story

__all__ = ["story"]

SWEEP = (1, 2, 4, 8, 16)
KEYS = tuple(f"C = {C}" for C in SWEEP)
SOURCE = "SISC 43, A3055, table 1"


def story(*, full: bool) -> Story:
    """Reduced: 4 000 instead of 40 000 steps, 2 seeds."""
    steps = 40_000 if full else 4_000

    def arm(key: str, C: int, scheme: str | None = None, **settings: object) -> Arm:
        return Arm(key, key, "poisson_1d", steps, {"C": float(C)}, scheme, settings, 2)

    return Story(
        name="poisson_1d",
        title="Poisson in one dimension: the imbalance grows with the frequency",
        source="slides on Wang, Teng, Perdikaris 2021 (WTP; SIAM J. Sci. Comput. 43, A3055, section 2.3)",
        setting=f"u = sin(C x), 5 x 50 units; {'40 000' if full else '4 000 of the 40 000'} steps.",
        arms=(
            *(arm(key, C) for key, C in zip(KEYS, SWEEP, strict=True)),
            arm("C = 16, annealing", 16, "lra", preset="wtp_sisc"),
        ),
        claims=(
            Claim(
                "Plain training fails at C = 16",
                SOURCE,
                "C = 1 1.34e-4, 2 4.65e-4, 4 3.82e-3, 8 1.30e-2, 16 9.44",
                errors(*KEYS),
                "the error at C = 16 is ten times any other, and above 0.3",
                lambda ours: ours["C = 16"] > max(0.3, 10 * max(ours[key] for key in KEYS[:-1])),
            ),
            Claim(
                "The imbalance of the gradients grows with C",
                "WTP slides, gradient histograms for C = 1, 2, 4",
                "histograms of the residual's gradient widen, of the boundary's narrow",
                spreads,
                "std of the residual's gradient / the boundary's, before training, grows from C = 1 to 2 to 4, and is "
                "largest at 16",
                lambda ours: ours["C = 1"] < ours["C = 2"] < ours["C = 4"] and ours["C = 16"] == max(ours.values()),
            ),
            Claim(
                "The residual's gradient is bounded by O(C^4) times the boundary's",
                "WTP slides, proof 1",
                "at most C^4",
                lambda results: {"power of C": _power(spreads(results))},
                "the fitted power of C is below 4",
                lambda ours: ours["power of C"] < 4,
            ),
            Claim(
                "Annealed weights cure it",
                "our control",
                "",
                errors("C = 16", "C = 16, annealing"),
                "the error at C = 16 falls by ten",
                lambda ours: ours["C = 16, annealing"] * 10 < ours["C = 16"],
            ),
        ),
        groups=(
            Group("sweep", "The sweep", (*KEYS, "C = 16, annealing"), ("outcome", "balance", "over-time")),
            Group("largest", "C = 16", ("C = 16", "C = 16, annealing"), ("solution",)),
        ),
        picture=("sweep", "sweep-fig-histograms"),
    )


def spreads(results: Results) -> Figures:
    """Standard deviation of the residual's gradient over the boundary's, before training (seed 0)."""
    found = {}
    for key in KEYS:
        before = results.first(key).before
        assert before is not None
        found[key] = before.terms["pde"].grad_std / before.terms["bc"].grad_std
    return found


def _power(ratios: Figures) -> float:
    """Between the ends of the sweep."""
    return math.log(ratios[KEYS[-1]] / ratios[KEYS[0]]) / math.log(SWEEP[-1] / SWEEP[0])
