"""`analyze`: run the analyzers, merge their records, judge."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, final

import msgspec
import torch
from torch import Tensor

from pinndiag import analyzers as measure
from pinndiag._diagnosis import Diagnosis
from pinndiag._errors import PinndiagError
from pinndiag._judge import judge
from pinndiag._pinn import PINN
from pinndiag._records import (
    SCHEMA,
    Curvature,
    DiagnosisRecord,
    Gradients,
    OptimizerCard,
    Parameters,
    RunCard,
    Spectrum,
    TermRecord,
    Verdict,
)
from pinndiag._version import __version__
from pinndiag._view import View

__all__ = ["Event", "Stage", "analyze", "analyze_weights", "plan"]


@final
@dataclass(frozen=True)
class Stage:
    """One analyzer in the plan of an analysis.

    Attributes:
        name: the analyzer's name, as in `analyzers=[...]`.
        words: what it does, for a progress line.
        gradients: what it costs, in gradients of the total (a rough figure, known beforehand).
        active: an experiment on a copy, left out by `quick`.
        extra: only run by `thorough`, or when named.
    """

    name: str
    words: str
    gradients: int | float  # beartype, in the tests, takes no int for a float
    run: Callable[[View, int], Any]
    active: bool = False
    extra: bool = False

    @property
    def cost(self) -> str:
        """The cost in words."""
        return f"about {self.gradients:.0f} gradient{'s' if self.gradients != 1 else ''}"


@final
@dataclass(frozen=True)
class Event:
    """Progress: a stage is about to begin."""

    stage: str
    index: int
    count: int
    cost: str


def stages(terms: int) -> list[Stage]:
    """Every analyzer, in the order in which they run."""
    return [
        Stage("gradients", "gradients of every term", 1, lambda view, seed: measure.gradients(view)),
        Stage("pareto", "Pareto stationarity", 0, lambda view, seed: measure.pareto(view)),
        Stage("parameters", "parameters", 0, lambda view, seed: measure.parameters(view)),
        Stage("solution", "error against the reference", 1, lambda view, seed: measure.solution(view)),
        Stage(
            "curvature",
            "largest eigenvalues of the Hessian by Lanczos",
            2.5 * (20 * (terms + 1) + 80),
            lambda view, seed: measure.curvature(view, seed=seed),
        ),
        Stage("kernel", "neural tangent kernel", 10 * terms, lambda view, seed: measure.kernel(view, seed=seed)),
        Stage("pointwise", "residuals point by point", 10 * terms, lambda view, seed: measure.pointwise(view, seed=seed)),
        Stage("work", "remaining work", 5 * terms, lambda view, seed: measure.work(view, seed=seed)),
        Stage("activations", "activations", 1, lambda view, seed: measure.activations(view)),
        Stage("held_out", "residuals at fresh points", 2, lambda view, seed: measure.held_out(view, seed=seed), True),
        Stage("precision", "the same in float64", 2, lambda view, seed: measure.precision(view), True),
        Stage(
            "derivative_check",
            "derivatives against difference quotients",
            15 * terms,
            lambda view, seed: measure.derivative_check(view, seed=seed),
            True,
        ),
        Stage("start", "the initial parameters", 40, lambda view, seed: measure.start(view, seed=seed), True),
        Stage("descent_probe", "100 L-BFGS iterations on a copy", 130, lambda view, seed: measure.descent_probe(view), True),
        Stage(
            "term_probes",
            "60 L-BFGS iterations on each term alone",
            80 * terms,
            lambda view, seed: measure.term_probes(view),
            True,
        ),
    ]


def plan(
    pinn: PINN, *, analyzers: Iterable[str] | None = None, quick: bool = False, thorough: bool = False
) -> list[Stage]:
    """The analyzers that `analyze` would run, with their costs.

    Raises:
        PinndiagError: a name in `analyzers` is unknown, or both `quick` and `thorough` are asked.
    """
    if quick and thorough:
        raise PinndiagError("quick and thorough exclude each other", fix="ask for one of them")
    known = stages(len(pinn.names))
    if analyzers is None:
        return [s for s in known if not (quick and s.active) and (thorough or not s.extra)]
    wanted = list(analyzers)
    unknown = [name for name in wanted if name not in {s.name for s in known}]
    if unknown:
        raise PinndiagError(
            f"there is no analyzer called {', '.join(map(repr, unknown))}",
            where=f"known: {', '.join(s.name for s in known)}",
            fix="use names from that list",
        )
    return [s for s in known if s.name in wanted]


def analyze(
    pinn: PINN,
    *,
    analyzers: Sequence[str] | None = None,
    quick: bool = False,
    thorough: bool = False,
    seed: int = 0,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    name: str = "",
    source: str = "",
    progress: Callable[[Event], None] | None = None,
) -> Diagnosis:
    """Measure a wrapped PINN and say what is wrong with it. Nothing of the PINN is changed.

    Args:
        pinn: from `wrap` or `load`.
        analyzers: names of analyzers to run (see `pinndiag.analyzers`); default all but the extra ones.
        quick: no active tests (experiments on a copy).
        thorough: the extra active tests too.
        seed: of every random choice (points, start vectors, probes).
        select: codes or prefixes of the checks to judge by; default all.
        ignore: codes or prefixes of the checks to leave out.
        name: how the report calls the PINN.
        source: the file it came from, for the report.
        progress: called with an `Event` before each stage.

    Cost: what `plan` states, in gradients; memory as `PINN.pieces` bounds it, plus the Lanczos basis.
    """
    chosen = plan(pinn, analyzers=analyzers, quick=quick, thorough=thorough)
    view = View.of(pinn)
    found: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for index, stage in enumerate(chosen):
        if progress is not None:
            progress(Event(stage.words, index, len(chosen), stage.cost))
        began = time.perf_counter()
        try:
            found[stage.name] = stage.run(view, seed)
        except PinndiagError as error:
            reasons[stage.name] = f"{error.what}" + (f" ({error.cause})" if error.cause else "")
        except Exception as error:  # one analyzer that fails must not cost the others their figures
            reasons[stage.name] = f"the analyzer failed with {type(error).__name__}: {error}"
        seconds[stage.name] = time.perf_counter() - began
    for stage in stages(len(pinn.names)):
        if stage.name not in found and stage.name not in reasons:
            reasons[stage.name] = "left out by quick" if quick and stage.active else "was not asked for"
    card = RunCard(
        name=name or "PINN",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        pinndiag=__version__,
        torch=str(torch.__version__),
        python=platform.python_version(),
        device=str(pinn.device),
        dtype=str(pinn.dtype).removeprefix("torch."),
        parameters=pinn.size,
        mode="chosen" if analyzers is not None else "quick" if quick else "thorough" if thorough else "standard",
        seed=seed,
        seconds=sum(seconds.values()),
        costs=seconds,
        source=source,
        origin=pinn.origin,
        optimizer=_optimizer_card(pinn),
        notes=pinn.notes,
    )
    return Diagnosis(judge(_merge(pinn, found, reasons, card), select=select, ignore=ignore))


def analyze_weights(
    tensors: Mapping[str, Tensor], *, name: str = "", source: str = "", notes: Sequence[str] = ()
) -> Diagnosis:
    """What weights alone can tell (a file without loss terms): non-finite, dead, norms."""
    began = time.perf_counter()
    parameters: Parameters = measure.parameters_of(tensors)
    why = "needs the loss terms; the file holds weights only"
    card = RunCard(
        name=name or "weights",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        pinndiag=__version__,
        torch=str(torch.__version__),
        python=platform.python_version(),
        device="cpu",
        dtype=", ".join(sorted({str(t.dtype).removeprefix("torch.") for t in tensors.values()})),
        parameters=parameters.entries,
        mode="weights",
        seed=0,
        seconds=time.perf_counter() - began,
        source=source,
        notes=list(notes),
    )
    reasons = {stage.name: why for stage in stages(1) if stage.name != "parameters"}
    empty = _empty(card, reasons)
    return Diagnosis(judge(msgspec.structs.replace(empty, parameters=parameters)))


def _optimizer_card(pinn: PINN) -> OptimizerCard | None:
    optimizer = pinn.optimizer
    if optimizer is None:
        return None
    return OptimizerCard(
        kind=optimizer.kind, lr=optimizer.lr, settings=optimizer.settings, has_state=bool(optimizer.state)
    )


def _empty(card: RunCard, reasons: dict[str, str]) -> DiagnosisRecord:
    return DiagnosisRecord(
        schema=SCHEMA,
        verdict=Verdict(text="not judged", severity="unknown"),
        findings=[],
        passed=[],
        not_applicable=[],
        terms={},
        total=None,
        cosine={},
        ratio={},
        alignment=None,
        cancellation=None,
        layers=[],
        spectrum=None,
        ntk=None,
        pointwise={},
        pareto=None,
        solution=None,
        activations=None,
        parameters=None,
        precision=None,
        probe=None,
        start=None,
        run=card,
        reasons=reasons,
    )


def _merge(pinn: PINN, found: Mapping[str, Any], reasons: dict[str, str], card: RunCard) -> DiagnosisRecord:
    """Put the analyzers' records where diagnosis.json has them."""
    record = _empty(card, reasons)
    changes: dict[str, Any] = {
        place: found.get(name)
        for name, place in (
            ("pareto", "pareto"),
            ("solution", "solution"),
            ("kernel", "ntk"),
            ("activations", "activations"),
            ("parameters", "parameters"),
            ("precision", "precision"),
            ("descent_probe", "probe"),
            ("start", "start"),
        )
    }
    changes["pointwise"] = dict(found.get("pointwise", {}))
    curvature: Curvature | None = found.get("curvature")
    if curvature is not None:
        changes["spectrum"] = Spectrum(
            density=curvature.density,
            trace=curvature.trace,
            stability=curvature.stability,
            products=curvature.products,
            basis_limit=curvature.basis_limit,
        )
    for name in ("curvature", "kernel", "held_out", "pointwise", "work", "derivative_check", "term_probes"):
        for part, why in getattr(found.get(name), "reasons", {}).items():
            reasons[f"{name}.{part}"] = why
    gradients: Gradients | None = found.get("gradients")
    if gradients is not None:
        changes |= {
            "cosine": gradients.cosine,
            "ratio": gradients.ratio,
            "alignment": gradients.alignment,
            "cancellation": gradients.cancellation,
            "layers": gradients.layers,
            "terms": {n: _term(pinn, n, gradients, curvature, found) for n in pinn.names},
            "total": TermRecord(
                loss=gradients.total_loss,
                weight=1.0,
                kind="total",
                **_fields(gradients.total),
                **({} if curvature is None else _fields(curvature.total)),
            ),
        }
    return msgspec.structs.replace(record, **changes)


def _term(
    pinn: PINN, name: str, gradients: Gradients, curvature: Curvature | None, found: Mapping[str, Any]
) -> TermRecord:
    info = pinn.infos[name]
    parts = {
        "work": "work",
        "held_out": "held_out",
        "derivative_check": "derivative_check",
        "term_probes": "probe_alone",
    }
    return TermRecord(
        loss=gradients.losses[name],
        weight=pinn.weights[name],
        kind=info.kind,
        shape=list(info.shape),
        entries=info.entries,
        points=info.points.count if info.points is not None else None,
        reached=gradients.reached[name],
        random=info.random,
        histogram=gradients.histograms[name],
        histogram_weighted=gradients.weighted[name],
        magnitudes=gradients.magnitudes[name],
        **_fields(gradients.terms[name]),
        **({} if curvature is None or name not in curvature.terms else _fields(curvature.terms[name])),
        **{place: found[key].terms.get(name) for key, place in parts.items() if key in found},
    )


def _fields(record: Any) -> dict[str, Any]:
    """The fields of a record, one level deep."""
    return {field: getattr(record, field) for field in record.__struct_fields__}
