"""Short L-BFGS runs on a copy: what a better optimizer would gain from here, on the total and on each term alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch

from pinndiag._descent._descent import Descent, losses, put, subsets
from pinndiag._errors import PinndiagError
from pinndiag._records._experiments import Probe
from pinndiag._records._points import PerTerm
from pinndiag._terms import _parameters
from pinndiag._terms._parameters import Vector
from pinndiag._terms._pinn import PINN
from pinndiag._terms._points import PointSet
from pinndiag._terms._view import View
from pinndiag.analyzers._solution import solution

__all__ = ["descent_probe", "term_probes"]

TOTAL = 100  # iterations on the weighted total
ALONE = 60  # iterations on one term


def descent_probe(subject: PINN | View, *, iterations: int = TOTAL, seed: int = 0) -> Probe:
    """L-BFGS iterations on the weighted total from the present parameters, in float64, on a copy.

    Strong Wolfe line search, no tolerances, the total scaled to 1e4 first. A factor of 30 or more in an unfinished
    network says that the optimizer is the bottleneck, one of 1.2 or less that it is not. The best finite value met
    counts. A term with more than 4096 points is descended on 4096 of them, drawn once; `before`, `after` and `terms`
    are of all points (of 16 384 on a 4x50 network: factor 6.1 against 6.9 by descent on all; on 1024 of 2500, about
    an eighth as many as parameters, 3.0 against 5.0).

    Args:
        subject: a wrapped PINN, or a view of it.
        iterations: L-BFGS iterations.
        seed: of the choice of points.

    Raises:
        CaptureError: a term cannot be captured, so that there is no copy.

    Cost: about 1.1 gradients an iteration, in float64; memory of twice `iterations` vectors of P numbers.
    """
    copy = _Copy.of(subject, seed)
    return copy.probe(
        {name: weight for name, weight in copy.view.pinn.weights.items() if weight}, iterations, total=True
    )


def term_probes(subject: PINN | View, *, iterations: int = ALONE, seed: int = 0) -> PerTerm[Probe]:
    """The same for each unweighted term alone: which of them could be solved if the others were not there.

    Where each falls by 50 or more while the total does not move, the terms hold each other; a term that does not fall
    even alone (2 or less) is beyond the network as it is (representation, scaling, capacity).

    Args:
        subject: a wrapped PINN, or a view of it.
        iterations: L-BFGS iterations for each term.
        seed: of the choice of points.

    Raises:
        CaptureError: a term cannot be captured, so that there is no copy.

    Cost: as `descent_probe`, for each term.
    """
    copy = _Copy.of(subject, seed)
    found = {name: copy.probe({name: 1.0}, iterations) for name in copy.view.pinn.names}
    return PerTerm(
        {name: probe for name, probe in found.items() if not probe.reason},
        {name: probe.reason for name, probe in found.items() if probe.reason},
    )


@final
@dataclass(frozen=True)
class _Copy:
    """A float64 copy, looked at before anything is done to it; each probe starts from the same parameters.

    Attributes:
        view: the copy at those parameters (its losses are read before the first step).
        start: the parameters, as one vector.
        points: term -> the points it is descended on, where those are fewer than it has.
    """

    view: View
    start: Vector
    points: dict[str, PointSet]

    @staticmethod
    def of(subject: PINN | View, seed: int) -> _Copy:
        twin = View.of(subject).pinn.copy(dtype=torch.float64)
        view = View(twin)
        _ = view.losses  # at the parameters before any step
        start = _parameters.flatten([t.detach() for t in twin.tensors], twin.tensors)
        return _Copy(view, start, subsets(twin, seed))

    def probe(self, weights: Mapping[str, float], iterations: int, *, total: bool = False) -> Probe:
        """Descend on sum_i w_i L_i of the terms in `weights`."""
        before = sum(weight * self.view.losses[name] for name, weight in weights.items())
        points = {name: chosen for name, chosen in self.points.items() if name in weights}
        subset = {name: chosen.count for name, chosen in points.items()}
        reason = self._refusal(before, list(weights))
        if reason:
            return Probe(
                before=before,
                after=math.nan,
                factor=math.nan,
                iterations=0,
                evaluations=0,
                subset=subset,
                reason=reason,
            )
        descent = Descent(self.view.pinn, weights, points)
        try:
            if before > 0:
                descent.run(iterations)
            found = losses(self.view.pinn, self.view.pinn.names if total else list(weights))
            error = _error(self.view.pinn) if total else None
        finally:
            put(self.view.pinn, self.start)
        after = sum(weight * found[name] for name, weight in weights.items())
        return Probe(
            before=before,
            after=after,
            factor=before / after if after > 0 else 1.0 if before == 0 else math.inf,
            iterations=descent.iterations,
            evaluations=descent.evaluations,
            terms=found if total else {},
            rel_l2=error,
            subset=subset,
        )

    def _refusal(self, before: float, names: list[str]) -> str:
        """Why there is nothing to descend on, or ""."""
        if not math.isfinite(before):
            return "the loss is not finite"
        if before < 0:
            return "a negative loss has no factor"
        if not all(bool(self.view.gradients[name].isfinite().all()) for name in names):
            return "the gradient is not finite"
        return ""


def _error(pinn: PINN) -> float | None:
    """Relative L2 error, where there is a reference and the network can be evaluated there."""
    try:
        return solution(pinn).rel_l2
    except PinndiagError:
        return None
