"""Synthetic diagnosis records: a healthy one, and the means to spoil it."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from pinndiag._records import (
    SCHEMA,
    Activation,
    Activations,
    Band,
    Constant,
    DerivativeCheck,
    DiagnosisRecord,
    Eigenvalue,
    Field,
    Finding,
    HeldOut,
    History,
    Noise,
    NotApplicable,
    OptimizerCard,
    Parameters,
    Pointwise,
    Precision,
    Probe,
    Rescaled,
    Restart,
    RunCard,
    Schedules,
    ShortRun,
    Solution,
    Spectrum,
    Stability,
    Start,
    TermRecord,
    Trials,
    Verdict,
    Work,
)
from pinndiag.checks import by_code

replace = msgspec.structs.replace

TIMES = [i / 99 for i in range(100)]
PLACES = [(37 * i % 100 + 0.5) / 101 for i in range(100)]


def work(value: float, how: str = "residuals") -> Work:
    return Work(value=value, how=how, points=160)


def held_out(ratio: float, standard_error: float = 0.05, points: int = 4000) -> HeldOut:
    return HeldOut(
        ratio=ratio,
        fresh=ratio,
        training=1.0,
        points=points,
        standard_error=standard_error,
        drawn="uniformly in the box of the points",
        top_share={"1%": 0.1, "5%": 0.3, "10%": 0.5},
    )


def probe(factor: float, iterations: int = 100) -> Probe:
    return Probe(
        before=1.0, after=1 / factor if factor else math.inf, factor=factor, iterations=iterations, evaluations=120
    )


def term(loss: float = 1e-6, **changes: Any) -> TermRecord:
    """A term of a finished network: little work left, everything measured."""
    figures: dict[str, Any] = {
        "loss": loss,
        "weight": 1.0,
        "grad_l2": 1e-3,
        "grad_l1": 1e-2,
        "grad_max": 1e-4,
        "grad_mean": 1e-5,
        "grad_std": 1e-5,
        "grad_kurtosis": 5.0,
        "entries": 1000,
        "shape": [1000, 1],
        "points": 1000,
        "work": work(1e-7),
        "held_out": held_out(1.2),
        "derivative_check": DerivativeCheck(error=1e-8, settled=True, directions=3),
        "probe_alone": probe(100.0, 60),
    }
    return TermRecord(**(figures | changes))


def field(columns: list[list[float]], residual: list[float] | None = None) -> Field:
    count = len(columns[0])
    values = {} if residual is None else {"residual": residual}
    return Field(coordinates=columns, values=values, of=count)


def pointwise(top: float = 0.3, points: int = 1000, **changes: Any) -> Pointwise:
    figures: dict[str, Any] = {
        "points": points,
        "mean_square": 1e-6,
        "top_share": {"1%": top / 2, "5%": top, "10%": (1 + top) / 2},
        "gini": 0.5,
        "kurtosis": 5.0,
        "worst": [0],
    }
    return Pointwise(**(figures | changes))


def travelling(base: DiagnosisRecord, contrast: float, worst: int = 0, initial: bool = True) -> DiagnosisRecord:
    """The record with points in space and time, its residual large in one tenth of the time only."""
    residual = [10.0 if int(t * 9.99) == worst else 0.1 for t in TIMES]
    inside = pointwise(field=field([PLACES, TIMES], residual), time_contrast=contrast)
    other = [0.0] * 50 if initial else [1.0] * 50
    edge = pointwise(field=field([PLACES[:50], other]), points=50)
    return replace(base, pointwise={"pde": inside, "bc": edge})


def activation(layer: str, saturated: float | None = 0.1, spread: float = 0.3, of: str = "pde") -> Activation:
    return Activation(
        layer=layer,
        function="tanh",
        term=of,
        units=50,
        saturated_units=saturated,
        saturated_pairs=saturated,
        spread=spread,
        dead_units=0,
    )


def constant(ratio: float, spread: float | None = 0.5, size: float | None = 1.0) -> Constant:
    best = {"pde": ratio * 1e-6, "bc": ratio * 1e-7}
    relative = {"pde": 1 / ratio, "bc": 1 / ratio} if ratio else {"pde": math.inf, "bc": math.inf}
    return Constant(
        layers=["4"], output="zero", zero=best, best=best, relative=relative, ratio=ratio, spread=spread, size=size
    )


def noise(ratio: float, factor: float | None = None, **changes: Any) -> Noise:
    figures: dict[str, Any] = {
        "ratio": ratio,
        "terms": {"pde": ratio, "bc": math.inf},
        "batches": 16,
        "points": {"pde": 32},
        "factor": factor,
    }
    return Noise(**(figures | changes))


def activations(*layers: Activation) -> Activations:
    return Activations(layers=list(layers))


def start(**changes: Any) -> Start:
    figures: dict[str, Any] = {
        "losses": {"pde": 10.0, "bc": 0.5},
        "grad_l2": {"pde": 20.0, "bc": 1.0},
        "work": {"pde": work(0.1), "bc": work(0.5)},
        "held_out": {"pde": held_out(1.05), "bc": held_out(0.99)},
        "saturation": {"0": 0.0, "2": 0.0, "4": 0.0},
        "spread": {"0": 0.3, "2": 0.25, "4": 0.2},
        "slow_share": {"pde": 0.5, "bc": 0.3},
    }
    return Start(**(figures | changes))


def begun_again(stored: float, redrawn: float, rescaled: float | None = None) -> Trials:
    """Short runs that end at these totals."""

    def run(total: float) -> ShortRun:
        ends = {"pde": total, "bc": 0.0}
        return ShortRun(before={"pde": 10.0, "bc": 0.5}, after=ends, total_before=10.5, total_after=total)

    factor = stored / redrawn if redrawn else math.inf
    again = Restart(steps=200, lr=1e-3, stored=run(stored), redrawn=run(redrawn), factor=factor)
    scaled = None
    if rescaled is not None:
        ranges = {"0.weight": [(0.0, 1e3), (0.0, 1.0)]}
        scaled = Rescaled(steps=200, lr=1e-3, run=run(rescaled), ranges=ranges, scale=[50.0], scale_from="reference")
    return Trials(restart=again, rescaled=scaled)


def spectrum(sharpness: float = 0.3, lr: float = 1e-3, optimizer: str = "Adam") -> Spectrum:
    top = Eigenvalue(value=100.0, residual=0.01, converged=True, products=12)
    return Spectrum(
        stability=Stability(
            optimizer=optimizer,
            rule="38 / sigma_max of the preconditioned Hessian",
            lr=lr,
            limit=lr / sharpness,
            sharpness=sharpness,
            sigma_max=top,
            preconditioned=optimizer == "Adam",
        )
    )


def run(steps: list[int], **changes: Any) -> History:
    """A run over these steps, of which nothing is known but what is given."""
    none = Band(low=[None] * len(steps), high=[None] * len(steps))
    figures: dict[str, Any] = {
        "name": "run",
        "first": steps[0],
        "last": steps[-1],
        "records": len(steps),
        "columns": steps,
        "time": [0.5 * step for step in steps],
        **{key: {} for key in ("losses", "weights", "gradients", "applied", "cosine", "weight_growth")},
        **dict.fromkeys(("total", "alignment", "lr", "stationarity"), none),
        **dict.fromkeys(("rel_l2", "share", "curvature")),
        **{key: [] for key in ("snapshots", "pareto", "stalled", "events")},
        "skipped": 0,
        "schedules": Schedules(every="every step", histograms="never", curvature="never"),
    }
    return History(**(figures | changes))


def course(decades: float, *, lr: tuple[float, float] = (1e-3, 1e-3), ended: bool = True) -> History:
    """A run of 40 records whose loss loses so many decades in each quarter, with a spike in each."""
    losses = [10 ** (-decades * i / 10) * (1e3 if i % 10 == 5 else 1.0) for i in range(40)]
    rates = [lr[0] + (lr[1] - lr[0]) * i / 39 for i in range(40)]
    return run(
        [100 * i for i in range(40)],
        total=Band(low=losses, high=losses),
        lr=Band(low=rates, high=rates),
        ended=ended,
    )


def card(**changes: Any) -> RunCard:
    figures: dict[str, Any] = {
        "name": "test",
        "created": "2026-01-01T00:00:00+00:00",
        "pinndiag": "0",
        "torch": "2",
        "python": "3",
        "device": "cpu",
        "dtype": "float32",
        "parameters": 1000,
        "mode": "standard",
        "seed": 0,
        "seconds": 1.0,
        "optimizer": OptimizerCard(kind="Adam", lr=1e-3),
    }
    return RunCard(**(figures | changes))


def record(**changes: Any) -> DiagnosisRecord:
    """A healthy, finished network with two terms, everything measured."""
    figures: dict[str, Any] = {
        "schema": SCHEMA,
        "verdict": Verdict(text="not judged", severity="unknown"),
        "findings": [],
        "passed": [],
        "not_applicable": [],
        "terms": {"pde": term(1e-6), "bc": term(1e-7, entries=200, shape=[200, 1], points=200)},
        "total": term(1.1e-6, kind="total"),
        "cosine": {"pde|bc": 0.1},
        "ratio": {"pde|bc": 1.0},
        "alignment": 0.1,
        "cancellation": 0.7,
        "layers": [],
        "spectrum": spectrum(),
        "ntk": None,
        "pointwise": {"pde": pointwise(), "bc": pointwise(points=200)},
        "pareto": None,
        "solution": Solution(rel_l2=1e-3, outputs=[1e-3], max_error=1e-3, spread=1.0),
        "activations": activations(activation("0"), activation("2"), activation("4")),
        "parameters": Parameters(layers=[], entries=1000, trainable=1000, nonfinite=0),
        "precision": Precision(gradient=1e-7, rounding={"pde": 1e-5, "bc": 1e-6}, distinct={"pde": 1.0, "bc": 1.0}),
        "probe": probe(50.0),
        "start": start(),
        "run": card(),
        "reasons": {},
    }
    return DiagnosisRecord(**(figures | changes))


def with_terms(base: DiagnosisRecord, **terms: dict[str, Any]) -> DiagnosisRecord:
    """The record with fields of its terms replaced: with_terms(record(), bc={"loss": 1.0})."""
    return replace(base, terms={n: replace(t, **terms.get(n, {})) for n, t in base.terms.items()})


def unfinished(base: DiagnosisRecord | None = None, *, pde: float = 1e-2, bc: float = 1e-2) -> DiagnosisRecord:
    """The record with work left and an unknown error; nothing else is unusual but its probe, which hardly gains."""
    found = with_terms(base or record(), pde={"loss": pde, "work": work(pde)}, bc={"loss": bc, "work": work(bc)})
    unsure = replace(record().solution, rel_l2=math.nan)
    return replace(found, probe=probe(5.0), solution=unsure) if base is None else found


def quick(base: DiagnosisRecord) -> DiagnosisRecord:
    """The record as `--quick` leaves it: no experiment on a copy."""
    bare = {"held_out": None, "derivative_check": None, "probe_alone": None}
    why = dict.fromkeys(
        ("held_out", "precision", "derivative_check", "noise", "start", "descent_probe", "term_probes"),
        "left out by quick",
    )
    return replace(
        with_terms(base, **dict.fromkeys(base.terms, bare)),
        precision=None,
        noise=None,
        start=None,
        probe=None,
        reasons=why,
    )


def finding(code: str, base: DiagnosisRecord) -> Finding:
    outcome = by_code(code).judge(base)
    assert isinstance(outcome, Finding), outcome
    assert outcome.code == code
    assert outcome.evidence
    assert outcome.why
    assert outcome.overturned_by
    assert outcome.sure
    return outcome


def passes(code: str, base: DiagnosisRecord) -> bool:
    return not isinstance(by_code(code).judge(base), Finding | NotApplicable)


def skipped(code: str, base: DiagnosisRecord) -> str:
    outcome = by_code(code).judge(base)
    assert isinstance(outcome, NotApplicable), outcome
    return outcome.reason
