"""Figures that several checks derive from a record. Whatever is absent, NaN or without meaning is left out.

All of them stay as they are when a residual is scaled by c and its weight by 1 / c^2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from pinndiag._records import DiagnosisRecord, TermRecord
from pinndiag.checks._thresholds import Thresholds

__all__ = [
    "alone",
    "between_points",
    "by_descent",
    "by_lbfgs",
    "counted",
    "fall",
    "first_layer_at_start",
    "first_layer_now",
    "growth",
    "held_out",
    "in_use",
    "lost_gradients",
    "noise_like",
    "pulls",
    "quotient",
    "start_gradients",
    "start_spread",
    "weighted_gradients",
    "without_gradient",
    "works",
]


def quotient(a: float, b: float) -> float:
    """The quotient a / b; infinite for b = 0, NaN for 0 / 0 and where one of them is NaN."""
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a)
    return a / b


def counted(record: DiagnosisRecord) -> dict[str, TermRecord]:
    """The terms that take part in the training: those with a weight other than zero."""
    return {name: term for name, term in record.terms.items() if term.weight != 0}


def works(record: DiagnosisRecord) -> dict[str, float]:
    """Remaining work of each term where it is known. A term solved exactly has none left."""
    found: dict[str, float] = {}
    for name, term in counted(record).items():
        if term.loss == 0:
            found[name] = 0.0
        elif term.work is not None and term.work.value >= 0:
            found[name] = term.work.value
    return found


def weighted_gradients(record: DiagnosisRecord) -> dict[str, float]:
    """|w_i g_i|, what the optimizer sees of each term."""
    return _finite({name: abs(term.weight) * term.grad_l2 for name, term in counted(record).items()})


def start_gradients(record: DiagnosisRecord) -> dict[str, float]:
    """|w_i g_i| at the stored initial parameters."""
    if record.start is None:
        return {}
    found, weights = record.start.grad_l2, record.start.weights
    return _finite(
        {name: abs(weights.get(name, t.weight)) * found[name] for name, t in counted(record).items() if name in found}
    )


def pulls(record: DiagnosisRecord) -> dict[str, float]:
    """w_i mean_p |d r_p / d theta|^2 = w_i L_i / work_i: how hard a residual of this term pulls, whatever its size.

    Unlike the ratio of gradients it says the same at a stationary point, where the weighted gradients of two terms
    are equal by definition. It is the weighted trace of the term's neural tangent kernel, per residual.
    """
    found: dict[str, float] = {}
    for name, term in counted(record).items():
        if term.work is not None and term.work.how == "residuals" and term.work.value > 0:
            found[name] = abs(term.weight) * abs(term.loss) / term.work.value
    return {name: value for name, value in _finite(found).items() if value > 0}


def without_gradient(record: DiagnosisRecord) -> list[str]:
    """Terms whose gradient is exactly zero though their loss is not."""
    return [n for n, t in counted(record).items() if math.isfinite(t.loss) and t.loss != 0 and t.grad_l2 == 0]


def lost_gradients(record: DiagnosisRecord) -> list[str]:
    """Those of them that had a gradient at the stored start: the training took it, not the program."""
    begun = start_gradients(record)
    return [n for n in without_gradient(record) if record.terms[n].reached > 0 and begun.get(n, 0.0) > 0]


def noise_like(record: DiagnosisRecord, thresholds: Thresholds) -> set[str]:
    """Terms whose residual does not agree between neighbouring points: noise in the data, or finer than the points.

    None where the network is far from a known solution: then there is more left than noise.
    """
    if record.solution is not None and thresholds.error.passed(record.solution.rel_l2):
        return set()
    return {
        name
        for name, found in record.pointwise.items()
        if found.agreement is not None and thresholds.agreement.passed(found.agreement)
    }


def fall(record: DiagnosisRecord) -> float | None:
    """Decades by which the weighted total fell since the start; negative where it rose."""
    then_now = growth(record)
    return None if then_now is None or not 0 < then_now < math.inf else -math.log10(then_now)


def growth(record: DiagnosisRecord) -> float | None:
    """Weighted total now / at the start."""
    if record.start is None:
        return None
    pairs = [
        (t.weight * t.loss, t.weight * record.start.losses[n])
        for n, t in counted(record).items()
        if n in record.start.losses
    ]
    now, then = sum(a for a, _ in pairs), sum(b for _, b in pairs)
    return now / then if then > 0 and now >= 0 and math.isfinite(now) and math.isfinite(then) else None


def held_out(record: DiagnosisRecord) -> dict[str, float]:
    """Held-out ratio of each term beyond what few training points give by chance (three standard errors).

    Not of a residual that is a mean over its points, as a norm or an integral: other points give another mean.
    """
    whole = {n: t for n, t in counted(record).items() if t.points is None or t.entries >= t.points}
    found = {n: t.held_out for n, t in whole.items() if t.held_out is not None}
    return {n: beyond_chance(h.ratio, h.standard_error) for n, h in found.items() if not math.isnan(h.ratio)}


def between_points(record: DiagnosisRecord) -> dict[str, float]:
    """Remaining work of each term between its points, where that and its held-out ratio are known."""
    left = works(record)
    return {n: left[n] * ratio for n, ratio in held_out(record).items() if n in left}


def beyond_chance(ratio: float, standard_error: float) -> float:
    """The ratio, or 1 where it lies within three relative standard errors of the training mean."""
    return 1.0 if 1 <= ratio <= 1 + 3 * standard_error else ratio


def alone(record: DiagnosisRecord) -> dict[str, float]:
    """Factor by which each term falls when it is trained alone. A term solved exactly needs no fall."""
    found: dict[str, float] = {}
    for name, term in counted(record).items():
        if term.loss == 0:
            found[name] = math.inf
        elif term.probe_alone is not None and not math.isnan(term.probe_alone.factor):
            found[name] = term.probe_alone.factor
    return found


def by_lbfgs(record: DiagnosisRecord) -> bool:
    """Whether the optimizer is known to be L-BFGS."""
    optimizer = record.run.optimizer
    return optimizer is not None and "lbfgs" in optimizer.kind.casefold().replace("-", "")


def by_descent(record: DiagnosisRecord) -> bool:
    """Whether the optimizer is known to be plain gradient descent, with or without momentum."""
    optimizer = record.run.optimizer
    return optimizer is not None and optimizer.kind.casefold() == "sgd"


def in_use(record: DiagnosisRecord, thresholds: Thresholds) -> float | None:
    """Largest rank of a term's kernel / trainable parameters, where these are few and in use; else None.

    Only of kernels with as many rows as there are parameters: the rank of others says nothing of them.
    """
    parameters = record.run.parameters
    entries = sum(term.entries for term in counted(record).values())
    kernels = {} if record.ntk is None else record.ntk.terms
    ranks = [k.rank / parameters for n, k in kernels.items() if n in counted(record) and k.residuals >= parameters > 0]
    used = max(ranks, default=0.0)
    return used if parameters < entries and ranks and not thresholds.full_rank.passed(used) else None


def start_spread(record: DiagnosisRecord) -> dict[str, float]:
    """Layer -> spread of its units over the points at the start, in the network's order."""
    start = {} if record.start is None else record.start.spread
    return {layer: s for layer, s in start.items() if math.isfinite(s) and s >= 0}


class FirstLayer(NamedTuple):
    """The first layer with an activation: NaN for a figure that is not known."""

    name: str
    saturation: float
    spread: float


def first_layer_at_start(record: DiagnosisRecord) -> FirstLayer | None:
    """The first layer at the stored initial parameters."""
    start = record.start
    if start is None or not (start.spread or start.saturation):
        return None
    name = next(iter(start.spread or start.saturation))
    return FirstLayer(name, start.saturation.get(name, math.nan), start_spread(record).get(name, math.nan))


def first_layer_now(record: DiagnosisRecord, *, every: bool) -> FirstLayer | None:
    """The first layer now: the saturated share that `every` term, else some term, has at least; the largest spread.

    A condition at a few points may leave a layer without spread, which says nothing about the inputs' scale.
    """
    layers = [] if record.activations is None else record.activations.layers
    if not layers:
        return None
    same = [entry for entry in layers if entry.layer == layers[0].layer]
    pairs = [e.saturated_pairs for e in same if e.saturated_pairs is not None and not math.isnan(e.saturated_pairs)]
    spreads = [e.spread for e in same if not math.isnan(e.spread)]
    share = (min if every else max)(pairs, default=math.nan)
    return FirstLayer(layers[0].layer, share, max(spreads, default=math.nan))


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}
