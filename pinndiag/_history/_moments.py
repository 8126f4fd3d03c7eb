"""A step of a run as a diagnosis could be made of it: what was measured there, and the latest of what is sparse."""

from __future__ import annotations

import itertools
import math
from typing import Any, final

import msgspec

from pinndiag._analysis._merge import empty
from pinndiag._errors import PinndiagError
from pinndiag._history._pareto import stationarity
from pinndiag._records import (
    CurvatureLine,
    DiagnosisRecord,
    Gradients,
    HistogramLine,
    Pareto,
    RunCard,
    Solution,
    Spectrum,
    Start,
    StepLine,
    TermRecord,
)
from pinndiag._statistics import _statistics
from pinndiag._store import Run
from pinndiag.analyzers._pareto import STALLED
from pinndiag.analyzers._start import first_step

__all__ = ["Moments"]

ALONE = "a run records no experiments on a copy: pass a wrapped PINN to watch.diagnose(pinn), or analyze a checkpoint"
ABSENT = {
    "kernel": ALONE,
    "pointwise": ALONE,
    "held_out": ALONE,
    "precision": ALONE,
    "derivative_check": ALONE,
    "descent_probe": ALONE,
    "term_probes": ALONE,
    "noise": ALONE,
    "activations": ALONE,
    "parameters": ALONE,
}


@final
class Moments:
    """The steps of a run as records that checks can judge.

    Args:
        run: the run.
        card: the run card of the diagnosis.
    """

    def __init__(self, run: Run, card: RunCard) -> None:
        self._run = run
        self._card = card
        self._start = self._first()

    def at(self, index: int, *, layers: bool = False) -> DiagnosisRecord:
        """The step record of that index. With `layers`, the figures per layer of the latest histograms too."""
        line = self._run.steps.at(index)
        curvature = _latest(self._run.curvature, line.step)
        stale = curvature is not None and line.step - curvature.step > line.step / 2
        gradients = self._gradients(_latest(self._run.histograms, line.step)) if layers else None
        reasons = dict(ABSENT)
        if self._start is None:
            reasons["start"] = "the run was not recorded from its first step"
        if curvature is not None and stale:
            why = f"measured last at step {curvature.step}, too long before step {line.step}"
            reasons |= dict.fromkeys(("curvature", "work"), why)
            curvature = None
        elif curvature is None:
            reasons |= dict.fromkeys(("curvature", "work"), "the run's schedule of curvature left it out so far")
        else:
            reasons |= {f"curvature.{part}": why for part, why in curvature.reasons.items()}
        if line.rel_l2 is None:
            reasons["solution"] = "no reference solution is known" if not self._run.header.reference else "not due yet"
        record = empty(self._card, reasons)
        sizes = line.applied
        whole = sum(sizes.values())
        changes: dict[str, Any] = {
            "terms": {name: self._term(name, line, curvature, gradients) for name in line.terms},
            "total": _total(line, curvature),
            "cosine": line.cosine,
            "ratio": {
                f"{a}|{b}": _statistics.quotient(sizes[a], sizes[b]) for a, b in itertools.combinations(sizes, 2)
            },
            "alignment": line.alignment,
            "cancellation": None if line.total.grad_l2 is None else _statistics.quotient(line.total.grad_l2, whole),
            "layers": [] if gradients is None else list(gradients.layers),
            "spectrum": None if curvature is None else _spectrum(curvature),
            "pareto": _pareto(line),
            "solution": None if line.rel_l2 is None else Solution(rel_l2=line.rel_l2, outputs=[], max_error=math.nan),
            "start": self._start,
        }
        return msgspec.structs.replace(record, **changes)

    def _term(
        self, name: str, line: StepLine, curvature: CurvatureLine | None, gradients: Gradients | None
    ) -> TermRecord:
        term, known = line.terms[name], self._run.header.terms.get(name)
        shape = [] if known is None else known.shape
        sparse: dict[str, Any] = {}
        if curvature is not None and name in curvature.terms:
            found = curvature.terms[name]
            sparse = {"sigma_max": found.sigma_max, "sigma_min": found.sigma_min, "predicted": found.predicted}
            sparse["work"] = curvature.work.get(name)
        if gradients is not None and name in gradients.terms:
            sparse["histogram"] = gradients.histograms[name]
            sparse["histogram_weighted"] = gradients.weighted[name]
            sparse["magnitudes"] = gradients.magnitudes[name]
        return TermRecord(
            loss=term.loss,
            weight=term.weight,
            **_figures(term),
            kind="residual" if known is None else known.kind,
            reached=1.0 if known is None else known.reached,
            shape=shape,
            entries=math.prod(shape),
            **sparse,
        )

    def _first(self) -> Start | None:
        """The run's first step, as the look at the initial parameters of a checkpoint."""
        steps = self._run.steps
        if not len(steps) or steps.at(0).step != 0:
            return None
        line = steps.at(0)
        curvature = next((c for c in self._run.curvature if c.step == 0), None)
        plain = curvature is not None and curvature.stability is not None and not curvature.stability.preconditioned
        return Start(
            losses={name: term.loss for name, term in line.terms.items()},
            grad_l2={name: term.grad_l2 for name, term in line.terms.items() if term.grad_l2 is not None},
            work={} if curvature is None else dict(curvature.work),
            held_out={},
            saturation={},
            spread={},
            slow_share={},
            weights={name: term.weight for name, term in line.terms.items()},
            lr_sigma_max=curvature.stability.lr * curvature.stability.sigma_max.value
            if plain and curvature is not None and curvature.stability is not None
            else None,
            update=self._first_step(line),
            reasons={"held_out": ALONE, "saturation": ALONE, "slow_share": ALONE},
        )

    def _first_step(self, line: StepLine) -> float | None:
        """The first step against the parameters, as far as the header tells it; a step that was skipped was none."""
        header = self._run.header
        if header.size is None or line.lr is None or line.skipped or not header.optimizers:
            return None
        gradient = math.nan if line.total.grad_l2 is None else line.total.grad_l2
        moved = sum(header.parameters.values()) * max((term.reached for term in header.terms.values()), default=1.0)
        return first_step(header.optimizers[0].kind, line.lr, header.size, moved=moved, gradient=gradient)

    def _gradients(self, line: HistogramLine | None) -> Gradients | None:
        if line is None:
            return None
        try:
            return self._run.gradients(line)
        except PinndiagError:  # the report says so where it shows the histograms
            return None


def _latest(lines: list[Any], step: int) -> Any:
    return next((line for line in reversed(lines) if line.step <= step), None)


def _figures(term: Any) -> dict[str, Any]:
    names = ("grad_l2", "grad_l1", "grad_max", "grad_mean", "grad_std", "grad_kurtosis")
    found = {name: getattr(term, name) for name in names}
    return {name: math.nan if value is None else value for name, value in found.items()} | {"nonfinite": term.nonfinite}


def _total(line: StepLine, curvature: CurvatureLine | None) -> TermRecord:
    ends: dict[str, Any] = (
        {}
        if curvature is None
        else {
            "sigma_max": curvature.total.sigma_max,
            "sigma_min": curvature.total.sigma_min,
            "predicted": curvature.total.predicted,
        }
    )
    return TermRecord(loss=line.total.loss, weight=1.0, kind="total", **_figures(line.total), **ends)


def _spectrum(line: CurvatureLine) -> Spectrum:
    return Spectrum(stability=line.stability, shares=line.shares, products=line.products)


def _pareto(line: StepLine) -> Pareto | None:
    ratio = stationarity(line)
    if math.isnan(ratio):
        return None
    return Pareto(
        smallest_norm=ratio * sum(line.applied.values()), ratio=ratio, multipliers={}, stalled=ratio < STALLED
    )
