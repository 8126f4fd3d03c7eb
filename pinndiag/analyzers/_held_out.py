"""Residuals at fresh points against those at the training points."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag._records._points import HeldOut, PerTerm
from pinndiag._terms._pinn import CHUNK, PINN
from pinndiag._terms._points import PointSet
from pinndiag._terms._terms import mean_square
from pinndiag._terms._view import View
from pinndiag.analyzers._pointwise import per_point, top_share

__all__ = ["held_out"]

FRESH = 4096
SETS = 64  # fresh sets at most, of a term that can only be evaluated at as many points as it was given


def held_out(subject: PINN | View, *, count: int = FRESH, seed: int = 0) -> PerTerm[HeldOut]:
    """Mean square residual of every term at `count` fresh points of the set its points come from.

    A ratio to the training points well above 1 after training means that the residual is small at the points and large
    between them (overfitted points); at the initial parameters, that the points miss features of the problem
    (aliasing). A term whose output does not run over its points (a scalar loss, points taken in pairs) is evaluated at
    fresh sets of as many points as it was given, at most 64 of them.

    Args:
        subject: a wrapped PINN, or a view of it.
        count: fresh points.
        seed: of the draw.

    Cost: one forward pass of each term at `count` points, 16 384 at a time.
    """
    view = View.of(subject)
    records, reasons = {}, {}
    for name in view.pinn.names:
        try:
            records[name] = _held_out(view, name, count, seed)
        except PinndiagError as error:
            reasons[name] = f"{error.what}: {error.cause}" if error.cause else error.what
    return PerTerm(records, reasons)


def _held_out(view: View, name: str, count: int, seed: int) -> HeldOut:
    pinn, info = view.pinn, view.pinn.infos[name]
    if not info.by_point:
        return _by_sets(view, name, count, seed)
    assert info.points is not None
    components = info.components
    points, drawn = pinn.fresh_points(name, count, seed)
    chunks = [points.rows(slice(start, start + CHUNK)) for start in range(0, points.count, CHUNK)]
    fresh = torch.cat([per_point(_evaluated(pinn, name, rows, components), rows.count) for rows in chunks])
    known = torch.cat([per_point(part.reshape(-1, components), part.shape[0]) for part, _ in pinn.parts(name)])
    error = float(known.std() / known.mean()) / math.sqrt(len(known)) if len(known) > 1 else math.nan
    mean, training = float(fresh.mean()) / components, view.losses[name]
    return HeldOut(
        ratio=_ratio(mean, training),
        fresh=mean,
        training=training,
        points=points.count,
        standard_error=error,
        drawn=drawn,
        top_share=top_share(fresh),
    )


def _by_sets(view: View, name: str, count: int, seed: int) -> HeldOut:
    points = view.pinn.infos[name].points
    given = 1 if points is None else points.count  # without points, drawing raises the error that explains it
    fresh, drawn = view.pinn.fresh_points(name, min(SETS, math.ceil(count / given)) * given, seed)
    starts = range(0, fresh.count - given + 1, given)
    if not starts:
        raise PinndiagError(
            f"term {name!r} needs {given} points at a time",
            where=f"{fresh.count} fresh points are known",
            cause="fewer fresh points than that came with the file",
            fix="let the sampler give as many points as it is asked for",
        )
    outputs = [_evaluated(view.pinn, name, fresh.rows(slice(i, i + given))) for i in starts]
    mean, training = sum(float(mean_square(output)) for output in outputs) / len(outputs), view.losses[name]
    return HeldOut(
        ratio=_ratio(mean, training),
        fresh=mean,
        training=training,
        points=len(outputs) * given,
        standard_error=math.nan,
        drawn=drawn,
        top_share={},
    )


def _evaluated(pinn: PINN, name: str, points: PointSet, components: int | None = None) -> Tensor:
    """The residual at other points, detached; a term that is made for its own points only is a reason."""
    try:
        output = pinn.outputs([name], {name: points})[name].detach()
    except PinndiagError:
        raise
    except Exception as error:  # the user's own code
        raise _unfit(name, f"at {points.count} points it raised {type(error).__name__}: {error}") from error
    if components is not None and output.numel() != points.count * components:
        raise _unfit(name, f"at {points.count} points it gave a tensor of shape {tuple(output.shape)}")
    return output


def _unfit(name: str, where: str) -> PinndiagError:
    return PinndiagError(
        f"term {name!r} cannot be evaluated at fresh points",
        where=where,
        cause="it combines its points with values that belong to the training points",
        fix="compute everything in the term from the points it is given",
    )


def _ratio(fresh: float, training: float) -> float:
    if not math.isfinite(training):
        return math.nan
    if training == 0:
        return math.nan if fresh == 0 else math.copysign(math.inf, fresh)
    return fresh / training
