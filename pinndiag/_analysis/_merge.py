"""The analyzers' records, put where diagnosis.json has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pinndiag._records import (
    SCHEMA,
    Curvature,
    DiagnosisRecord,
    Gradients,
    RunCard,
    Spectrum,
    TermRecord,
    Trials,
    Verdict,
)
from pinndiag._terms._pinn import PINN

__all__ = ["empty", "merge"]

TRIALS = {"weight_trials": "weights", "restart": "restart", "rescaled": "rescaled"}  # analyzer -> field of `Trials`
# experiments of a thorough analysis that change the architecture, which a captured graph does not hold
OTHER_NETWORKS = {
    "wider": "needs another network: make it four times as wide, train it, and run pinndiag compare",
    "fourier_features": "needs another network: give it Fourier features, train it, and run pinndiag compare",
}


def empty(card: RunCard, reasons: dict[str, str]) -> DiagnosisRecord:
    """A diagnosis in which nothing was measured, and why."""
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


def merge(pinn: PINN, found: Mapping[str, Any], reasons: dict[str, str], card: RunCard) -> DiagnosisRecord:
    """Put the analyzers' records where diagnosis.json has them."""
    record = empty(card, reasons)
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
            ("constant", "constant"),
            ("noise", "noise"),
            ("estimated_error", "estimated_error"),
        )
    }
    changes["pointwise"] = dict(found.get("pointwise", {}))
    curvature: Curvature | None = found.get("curvature")
    if curvature is not None:
        changes["spectrum"] = Spectrum(
            density=curvature.density,
            trace=curvature.trace,
            stability=curvature.stability,
            shares=curvature.shares,
            products=curvature.products,
            basis_limit=curvature.basis_limit,
        )
    for name in ("curvature", "kernel", "held_out", "pointwise", "work", "derivative_check", "term_probes"):
        for part, why in getattr(found.get(name), "reasons", {}).items():
            reasons[f"{name}.{part}"] = why
    trials = {place: found[name] for name, place in TRIALS.items() if name in found}
    if trials:
        changes["trials"] = Trials(**trials)
    if card.mode == "thorough":
        reasons |= OTHER_NETWORKS
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
