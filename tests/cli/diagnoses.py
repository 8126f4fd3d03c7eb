"""Diagnoses made by hand, for tests that need one and measure nothing."""

from __future__ import annotations

from typing import Any, Literal

from pinndiag._records import (
    SCHEMA,
    DiagnosisRecord,
    Eigenvalue,
    Evidence,
    Finding,
    OptimizerCard,
    Prescription,
    RunCard,
    TermRecord,
    Verdict,
)


def term(loss: float = 0.5, grad_l2: float = 2.0, **fields: Any) -> TermRecord:
    return TermRecord(
        loss=loss,
        weight=1.0,
        grad_l2=grad_l2,
        grad_l1=4.0,
        grad_max=1.5,
        grad_mean=0.1,
        grad_std=0.3,
        grad_kurtosis=3.0,
        **fields,
    )


def finding(
    code: str = "PD201", severity: Literal["problem", "warning", "note"] = "problem", terms: tuple[str, ...] = ("bc",)
) -> Finding:
    return Finding(
        code=code,
        pathology="pde_dominates",
        title=f"{', '.join(terms)} receives 40 times less gradient",
        severity=severity,
        terms=list(terms),
        evidence=[Evidence(name="ratio of gradient norms", value=40.0, threshold=10.0, source="measured")],
        prescriptions=[Prescription(title="raise the weight", why="it is too small")],
    )


def card(name: str = "checkpoint.pt", **fields: Any) -> RunCard:
    return RunCard(
        **{
            "name": name,
            "created": "2026-01-02T03:04:05+00:00",
            "pinndiag": "0.1.0",
            "torch": "2.13.0",
            "python": "3.11.7",
            "device": "cpu",
            "dtype": "float64",
            "parameters": 81,
            "mode": "standard",
            "seed": 0,
            "seconds": 1.5,
            "costs": {"gradients": 0.25, "curvature": 1.25},
            "optimizer": OptimizerCard(kind="Adam", lr=1e-3, settings={"betas": [0.9, 0.999]}),
            **fields,
        }
    )


def diagnosis(*findings: Finding, **fields: Any) -> DiagnosisRecord:
    worst = findings[0].severity if findings else "none"
    text = f"{len(findings)} findings" if findings else "No problem was found."
    plain: dict[str, Any] = {
        "schema": SCHEMA,
        "verdict": Verdict(text=text, severity=worst),
        "findings": list(findings),
        "passed": ["PD101"],
        "not_applicable": [],
        "terms": {
            "pde": term(1e-3, sigma_max=Eigenvalue(value=30.0, residual=1e-3, converged=True, products=9)),
            "bc": term(),
        },
        "total": term(0.501),
        "cosine": {"pde|bc": -0.25},
        "ratio": {"pde|bc": 1.0},
        "alignment": 0.1,
        "cancellation": 0.7,
        "reasons": {},
        "run": card(),
    }
    plain |= dict.fromkeys(
        ("spectrum", "ntk", "pareto", "solution", "activations", "parameters", "precision", "probe", "start")
    )
    return DiagnosisRecord(**{"layers": [], "pointwise": {}, **plain, **fields})
