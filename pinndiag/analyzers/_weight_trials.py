"""Other weights, tried on a copy: a trade-off between contradicting terms, or an imbalance that a weight can mend."""

from __future__ import annotations

import math

import torch

from pinndiag._descent._descent import Descent, losses, put, subsets
from pinndiag._errors import PinndiagError
from pinndiag._records import WeightTrial, WeightTrials
from pinndiag._terms import _parameters
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View

__all__ = ["weight_trials"]

ITERATIONS = 60
FACTORS = (100.0, 0.01)


def weight_trials(subject: PINN | View, *, iterations: int = ITERATIONS, seed: int = 0) -> WeightTrials:
    """Short L-BFGS runs with each term's weight times 100 and times 0.01, and one with all weights as they are.

    Each from the present parameters, in float64, on a copy, as in `descent_probe`; unweighted losses of every term are
    read afterwards. Terms that contradict each other trade along a front: what lowers one raises another, and no
    weights lower both. Where the weights are at fault, some other weight ends lower in every unfinished term.

    Of two terms only the first one's weight is changed: times 100 it is the other one's times 0.01, but for the scale
    of the total, which the descent does not see.

    Args:
        subject: a wrapped PINN, or a view of it.
        iterations: L-BFGS iterations for each run.
        seed: of the choice of points, for terms with more than 4096.

    Raises:
        PinndiagError: fewer than two terms have a positive weight, or there is nothing finite and positive to descend
            on.
        CaptureError: a term cannot be captured, so that there is no copy.

    Cost: 2 m + 1 runs for m weighted terms (3 for two), each of about 1.1 gradients of the total an iteration, in
    float64.
    """
    source = View.of(subject).pinn
    weights = {name: weight for name, weight in source.weights.items() if weight > 0}
    if len(weights) < 2:
        raise PinndiagError(
            "other weights cannot be tried",
            where=f"terms with a positive weight: {', '.join(map(repr, weights)) or 'none'}",
            cause="a weight matters only beside another term",
            fix="wrap all terms of the loss",
        )
    twin = source.copy(dtype=torch.float64)
    view = View(twin)
    before = view.losses
    sound = all(math.isfinite(before[n]) and bool(view.gradients[n].isfinite().all()) for n in weights)
    if not sound or min(before[n] for n in weights) < 0:
        raise PinndiagError(
            "other weights cannot be tried",
            where=", ".join(f"{name} {before[name]:.3g}" for name in weights),
            cause="a negative loss has no factor" if sound else "a loss or a gradient is not finite",
            fix="mend that first",
        )
    start = _parameters.flatten([t.detach() for t in twin.tensors], twin.tensors)
    points = {name: chosen for name, chosen in subsets(twin, seed).items() if name in weights}

    def tried(term: str, factor: float) -> WeightTrial:
        put(twin, start)
        scaled = {name: weight * (factor if name == term else 1.0) for name, weight in weights.items()}
        descent = Descent(twin, scaled, points)
        descent.run(iterations)
        return WeightTrial(
            term=term,
            factor=factor,
            losses=losses(twin, twin.names),
            iterations=descent.iterations,
            evaluations=descent.evaluations,
        )

    changed = list(weights) if len(weights) > 2 else list(weights)[:1]
    return WeightTrials(
        before=before,
        unchanged=tried("", 1.0),
        trials=[tried(name, factor) for name in changed for factor in FACTORS],
        weighted=list(weights),
        subset={name: chosen.count for name, chosen in points.items()},
    )
