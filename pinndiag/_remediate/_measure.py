"""What a trained copy has come to."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from pinndiag._analysis._analyze import analyze
from pinndiag._analysis._plan import Event
from pinndiag._derivatives._jacobian import draw
from pinndiag._errors import PinndiagError
from pinndiag._history._series import history
from pinndiag._records import ArmRun, DiagnosisRecord, PointWeights
from pinndiag._remediate._choice import unfinished
from pinndiag._remediate._training import State
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View
from pinndiag.analyzers import held_out, solution, work
from pinndiag.analyzers._estimated_error import estimated

__all__ = ["diagnosed", "measured", "point_weights"]

SHOWN = 2500  # points of a map
# what a page shows of an arm, and what the checks of balance need; long experiments on a copy are for the treated
# network alone
ANALYZERS = (
    "gradients",
    "pareto",
    "solution",
    "curvature",
    "work",
    "held_out",
    "pointwise",
    "parameters",
    "constant",
    "activations",
    "start",
)


def measured(twin: PINN, state: State, seed: int) -> ArmRun:
    """Losses, remaining work, the error and its estimate. Cost: about ten gradients, and what `estimated` says."""
    view = View.of(twin)
    losses = dict(view.losses)
    fresh = {name: record.fresh for name, record in held_out(view, seed=0).terms.items()}
    left = {name: record.value for name, record in work(view, seed=0).terms.items() if twin.weights[name] != 0}
    try:
        error: float | None = solution(twin).rel_l2
    except PinndiagError:
        error = None
    sound = all(math.isfinite(loss) for loss in losses.values()) and all(_finite(tensor) for tensor in twin.tensors)
    found = estimated(view) if sound else None
    return ArmRun(
        seed=seed,
        steps=state.step,
        losses=losses,
        held_out=fresh,
        score=unfinished(state.run, left, losses) if sound else math.inf,
        rel_l2=error,
        weights=state.weights,
        seconds=state.seconds,
        evaluations=state.evaluations,
        finite=sound,
        history=history(state.run),
        estimate=math.inf if not sound else None if found is None else found.value,
        estimate_moved=None if found is None else found.moved,
    )


def diagnosed(
    twin: PINN, name: str, *, whole: bool, progress: Callable[[Event], None] | None = None
) -> DiagnosisRecord:
    """The diagnosis of a trained copy: with its experiments, or only what a page shows of an arm."""
    return analyze(twin, name=name, analyzers=None if whole else ANALYZERS, progress=progress).record


def point_weights(twin: PINN, points: dict[str, Tensor]) -> list[PointWeights]:
    """Per-point weights over the coordinates of their terms, where those are known."""
    found = []
    for name, weights in points.items():
        known = twin.infos[name].points
        if known is None or known.count != weights.shape[0]:
            continue
        kept = draw(known.count, SHOWN, 0).sort().values.to(weights.device)
        values = weights.reshape(known.count, -1).double().mean(1)[kept]
        coordinates = known.coordinates.double()[kept.to(known.coordinates.device)]
        found.append(PointWeights(term=name, coordinates=coordinates.T.tolist(), values=values.tolist()))
    return found


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.detach()).all())
