"""The figure behind each threshold, also where the check stays silent: what shows whether a threshold separates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import final

from pinndiag._records import DiagnosisRecord
from pinndiag.checks import _measures as measures
from pinndiag.checks._travel import contrasts

__all__ = ["FIGURES", "Figure", "figures"]

Value = Callable[[DiagnosisRecord], float | None]


@final
@dataclass(frozen=True)
class Figure:
    """A figure of a record.

    Attributes:
        name: the threshold's, in `pinndiag.checks.Thresholds`.
        pathologies: those it is to tell from healthy networks.
        value: of a record; None where it was not measured.
    """

    name: str
    pathologies: tuple[str, ...]
    value: Value


def figures(record: DiagnosisRecord) -> dict[str, float]:
    """All of them that are numbers."""
    found = {figure.name: figure.value(record) for figure in FIGURES}
    return {name: value for name, value in found.items() if value is not None and not math.isnan(value)}


def _largest(values: Iterable[float]) -> float | None:
    return max((v for v in values if not math.isnan(v)), default=None)


def _smallest(values: Iterable[float]) -> float | None:
    return min((v for v in values if not math.isnan(v)), default=None)


def _ratio(values: dict[str, float]) -> float | None:
    known = [v for v in values.values() if v > 0]
    return max(known) / min(known) if len(known) > 1 else None


def _saturated(record: DiagnosisRecord) -> float | None:
    layers = [] if record.activations is None else record.activations.layers
    return _largest(e.saturated_pairs for e in layers if e.saturated_pairs is not None)


def _spread(record: DiagnosisRecord) -> float | None:
    return None if record.solution is None else record.solution.spread


def _layer_fall(record: DiagnosisRecord) -> float | None:
    spread = list(measures.start_spread(record).values())
    return measures.quotient(spread[-1], spread[0]) if len(spread) > 1 else None


def _stability(record: DiagnosisRecord) -> float | None:
    stability = None if record.spectrum is None else record.spectrum.stability
    return None if stability is None else stability.sharpness


def _first(name: str) -> Value:
    def value(record: DiagnosisRecord) -> float | None:
        layer = measures.first_layer_at_start(record)
        found = None if layer is None else getattr(layer, name)
        return found if isinstance(found, float) else None

    return value


def _at_start(record: DiagnosisRecord) -> float | None:
    if record.start is None:
        return None
    return _largest(measures.beyond_chance(h.ratio, h.standard_error) for h in record.start.held_out.values())


FIGURES = (
    Figure("work", (), lambda r: _largest(measures.works(r).values())),
    Figure(
        "derivative",
        ("wrong_gradient",),
        lambda r: _largest(
            t.derivative_check.error
            for t in r.terms.values()
            if t.derivative_check is not None and t.derivative_check.error is not None
        ),
    ),
    Figure(
        "duplicate",
        ("duplicate_term",),
        lambda r: _smallest(1 - v for v in r.cosine.values()),
    ),
    Figure("first_saturation", ("input_scaling",), _first("saturation")),
    Figure("first_spread", ("input_scaling",), _first("spread")),
    Figure("start_ratio", ("unscaled_problem",), lambda r: _ratio(measures.start_gradients(r))),
    Figure(
        "start_work",
        ("unscaled_problem",),
        lambda r: None if r.start is None else _largest(w.value for w in r.start.work.values()),
    ),
    Figure("precision", ("precision_floor",), lambda r: None if r.precision is None else r.precision.gradient),
    Figure(
        "rounding",
        ("precision_floor",),
        lambda r: None if r.precision is None else _largest(r.precision.rounding.values()),
    ),
    Figure(
        "distinct",
        ("precision_floor",),
        lambda r: None if r.precision is None else _smallest(r.precision.distinct.values()),
    ),
    Figure("saturation", ("saturation", "lr_too_high"), _saturated),
    Figure("work_ratio", ("pde_dominates", "condition_dominates"), lambda r: _ratio(measures.works(r))),
    Figure("pull_ratio", ("pde_dominates", "condition_dominates"), lambda r: _ratio(measures.start_gradients(r))),
    Figure("vanishing", ("pde_dominates", "condition_dominates"), lambda r: _ratio(measures.weighted_gradients(r))),
    Figure("alignment", ("gradient_conflict",), lambda r: r.alignment),
    Figure("cancellation", ("gradient_conflict", "inconsistent_terms"), lambda r: r.cancellation),
    Figure(
        "probe",
        ("ill_conditioning", "under_trained", "premature_stop"),
        lambda r: None if r.probe is None else r.probe.factor,
    ),
    Figure("stuck", ("inconsistent_terms", "trivial_solution"), lambda r: None if r.probe is None else r.probe.factor),
    Figure("alone_falls", ("inconsistent_terms",), lambda r: _smallest(measures.alone(r).values())),
    Figure("alone_stuck", ("spectral_bias", "insufficient_capacity"), lambda r: _smallest(measures.alone(r).values())),
    Figure(
        "weight_growth",
        ("runaway_weights",),
        lambda r: None if r.history is None else _largest(r.history.weight_growth.values()),
    ),
    Figure(
        "top_share",
        ("pointwise_imbalance",),
        lambda r: _largest(p.top_share.get("5%", math.nan) for p in r.pointwise.values() if p.points >= 60),
    ),
    Figure("time_contrast", ("propagation_failure", "causality_violation"), lambda r: _largest(contrasts(r).values())),
    Figure("held_out", ("collocation_overfit",), lambda r: _largest(measures.held_out(r).values())),
    Figure("held_out_start", ("aliasing",), _at_start),
    Figure(
        "slow_share",
        ("spectral_bias",),
        lambda r: None if r.start is None else _largest(r.start.slow_share.values()),
    ),
    Figure("output_spread", ("trivial_solution",), _spread),
    Figure("constant_ratio", ("trivial_solution",), lambda r: None if r.constant is None else r.constant.ratio),
    Figure("layer_fall", ("bad_initialisation",), _layer_fall),
    Figure("sharpness", ("lr_too_high", "ill_conditioning"), _stability),
    Figure("update", ("lr_too_high",), lambda r: None if r.start is None else r.start.update),
    Figure("rise", ("lr_too_high",), lambda r: measures.growth(r)),
)
