"""Synthetic diagnoses: like those of real runs in shape and size, with every oddity that a page must bear."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from pinndiag._history import diagnose_run
from pinndiag._records import (
    SCHEMA,
    Activation,
    Activations,
    Constant,
    Density,
    DerivativeCheck,
    DiagnosisRecord,
    Eigenvalue,
    Estimate,
    Evidence,
    Field,
    Finding,
    GradientFigures,
    HeldOut,
    Histogram,
    Kernel,
    LayerGradients,
    LayerParameters,
    NotApplicable,
    OptimizerCard,
    Parameters,
    Pareto,
    Pointwise,
    Precision,
    PredictedChange,
    Prescription,
    Probe,
    RunCard,
    Solution,
    Spectrum,
    Stability,
    Start,
    TermKernel,
    TermRecord,
    Verdict,
    Work,
    from_plain,
    to_plain,
)
from pinndiag._store import MemorySink
from tests.store.runs import CLOSED, curvature, falling, header

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    '" onmouseover="alert(3)',
    "$\\frac{1}{0}$ & \x1b[31mred\x1b[0m \u202ereversed",
    "{{ 7*7 }}{% raw %} 名前 ' \\ `code` *bold* @someone",
    "javascript:alert(4)\nsecond line\x00\ud800",
)


def histogram(values: np.ndarray, edge: float) -> Histogram:
    counts, _ = np.histogram(values, bins=100, range=(-edge, edge))
    return Histogram(
        low=-edge,
        high=edge,
        counts=counts.tolist(),
        below=int((values < -edge).sum()),
        above=int((values > edge).sum()),
        zeros=int((values == 0).sum()),
    )


def magnitudes(values: np.ndarray, low: float, high: float) -> Histogram:
    counts, _ = np.histogram(np.log10(np.abs(values)), bins=100, range=(low, high))
    return Histogram(low=low, high=high, counts=counts.tolist())


def gradient_figures(values: np.ndarray) -> dict[str, float]:
    centred = values - values.mean()
    return {
        "grad_l2": float(np.linalg.norm(values)),
        "grad_l1": float(np.abs(values).sum()),
        "grad_max": float(np.abs(values).max()),
        "grad_mean": float(np.abs(values).mean()),
        "grad_std": float(values.std()),
        "grad_kurtosis": float((centred**4).mean() / (centred**2).mean() ** 2),
    }


def synthetic(
    names: Sequence[str] = ("pde", "bc"),
    *,
    layers: int = 5,
    width: int = 50,
    points: Sequence[int] = (2500, 400),
    ratio: float = 900.0,
    findings: Sequence[Finding] = (),
    layer_name: Callable[[int], str] = lambda k: f"net.{2 * k}",
    adam: bool = True,
    seed: int = 0,
) -> DiagnosisRecord:
    """A record with every part filled; the first term's gradients are `ratio` times the last one's."""
    rng = np.random.default_rng(seed)
    m = len(names)
    scale = np.geomspace(ratio, 1.0, m) * 1e-3
    blocks = [
        [rng.standard_t(3, size=width * 8) * scale[i] * 10 ** (-0.15 * k) for i in range(m)] for k in range(layers)
    ]
    whole = [np.concatenate([blocks[k][i] for k in range(layers)]) for i in range(m)]
    weights = np.ones(m)
    if m > 1:
        weights[-1] = 5.0
    total = sum(w * g for w, g in zip(weights, whole, strict=True))

    def pooled(gradients: Sequence[np.ndarray]) -> dict[str, Any]:
        edge = max(float(np.quantile(np.abs(g), 0.999)) for g in gradients)
        edge_w = max(float(np.quantile(np.abs(w * g), 0.999)) for w, g in zip(weights, gradients, strict=True))
        logs = [np.log10(np.abs(g)) for g in gradients]
        low, high = min(float(x.min()) for x in logs), max(float(x.max()) for x in logs)
        return {
            "histograms": {name: histogram(g, edge) for name, g in zip(names, gradients, strict=True)},
            "weighted": {n: histogram(w * g, edge_w) for n, w, g in zip(names, weights, gradients, strict=True)},
            "magnitudes": {name: magnitudes(g, low, high) for name, g in zip(names, gradients, strict=True)},
        }

    everywhere = pooled(whole)
    shapes = [points[i % len(points)] for i in range(m)]
    boxes = [_points(i, n, rng) for i, n in enumerate(shapes)]
    pointwise = {}
    for name, (x, y), n in zip(names, boxes, shapes, strict=True):
        r = np.sin(6 * x) * np.cos(5 * y) * np.exp(-4 * (x - 0.8) ** 2) + 0.02 * rng.standard_normal(n)
        square = np.sort(r**2)[::-1]
        norms = np.abs(rng.standard_normal(min(n, 256))) + 0.2
        pointwise[name] = Pointwise(
            points=n,
            mean_square=float(square.mean()),
            top_share={f"{p}%": float(square[: max(1, n * p // 100)].sum() / square.sum()) for p in (1, 5, 10)},
            gini=0.71,
            kurtosis=8.3,
            worst=np.argsort(-(r**2))[:10].tolist(),
            gradient_points=list(range(len(norms))),
            gradient_norms=norms.tolist(),
            field=Field(coordinates=[x.tolist(), y.tolist()], values={"residual": r.tolist()}, of=n),
            time_contrast=1.7,
        )

    def work(value: float) -> Work:
        return Work(value=value, how="residuals", points=160)

    terms = {}
    for i, name in enumerate(names):
        sigma = float(1e4 * 30.0**-i)
        terms[name] = TermRecord(
            loss=float(0.02 * 8.0**i),
            weight=float(weights[i]),
            **gradient_figures(whole[i]),
            shape=[shapes[i], 1],
            entries=shapes[i],
            points=shapes[i],
            reached=1.0 if i else 0.9998,
            sigma_max=Eigenvalue(value=sigma, residual=sigma * 7e-4, converged=True, products=11),
            sigma_min=Eigenvalue(value=-sigma / 90, residual=sigma / 40, converged=False, products=11),
            predicted=PredictedChange(lr=1e-3, first_order=-3e-3 * (1 - i), curvature=4e-4),
            work=work(2e-4 * 40.0**i),
            held_out=HeldOut(
                ratio=1.3 + i,
                fresh=0.026,
                training=0.02,
                points=4000,
                standard_error=0.03,
                drawn="uniform in the box",
                top_share={"1%": 0.1, "5%": 0.3, "10%": 0.5},
            ),
            derivative_check=DerivativeCheck(error=3e-9, settled=True, directions=3),
            probe_alone=Probe(
                before=0.02, after=0.02 / (80 * 4.0**i), factor=80 * 4.0**i, iterations=60, evaluations=75
            ),
            histogram=everywhere["histograms"][name],
            histogram_weighted=everywhere["weighted"][name],
            magnitudes=everywhere["magnitudes"][name],
        )
    top = next(iter(terms.values())).sigma_max
    assert top is not None
    total_record = TermRecord(
        loss=sum(term.weight * term.loss for term in terms.values()),
        weight=1.0,
        **gradient_figures(total),
        kind="total",
        sigma_max=Eigenvalue(value=top.value * 1.1, residual=6.0, converged=True, products=12),
        sigma_min=Eigenvalue(value=-90.0, residual=300.0, converged=False, products=12),
        predicted=PredictedChange(lr=1e-3, first_order=-2e-2, curvature=6e-3),
    )
    stability = (
        Stability(
            optimizer="Adam",
            rule="lr sigma_max(P^-1/2 H P^-1/2) < 2 (1 + beta1) / (1 - beta1)",
            lr=1e-3,
            limit=1.6e-3,
            sharpness=0.62,
            sigma_max=Eigenvalue(value=2.4e4, residual=12.0, converged=True, products=14),
            preconditioned=True,
        )
        if adam
        else Stability(
            optimizer="gradient descent",
            rule="lr sigma_max < 2 (1 + momentum)",
            lr=1e-3,
            limit=2 / total_record.sigma_max.value,
            sharpness=1e-3 * total_record.sigma_max.value / 2,
            sigma_max=total_record.sigma_max,
            preconditioned=False,
        )
    )
    density = Density(
        nodes=[np.concatenate([-np.geomspace(40, 0.01, 5), [0.0], np.geomspace(1e-3, 1.05e4, 14)]).tolist()] * 4,
        weights=[(np.full(20, 0.002) + np.eye(20)[5] * 0.96).tolist()] * 4,
        steps=20,
    )
    side = np.linspace(0, 1, 50)
    gx, gy = (axis.ravel() for axis in np.meshgrid(side, side, indexing="ij"))
    exact = np.sin(4 * np.pi * gx) * np.sin(4 * np.pi * gy)
    network = exact * 0.7 + 0.4 * gx * (1 - gy)
    alike = list(names)
    cosine = {f"{a}|{b}": float(rng.uniform(-1, 0.4)) for k, a in enumerate(alike) for b in alike[k + 1 :]}
    layer_names = [layer_name(k) for k in range(layers)]
    return DiagnosisRecord(
        schema=SCHEMA,
        verdict=_verdict(findings),
        findings=list(findings),
        passed=["PD001", "PD002", "PD101", "PD203"],
        not_applicable=[NotApplicable(code="PD402", reason="no time axis among the coordinates")],
        terms=terms,
        total=total_record,
        cosine=cosine,
        ratio=dict.fromkeys(cosine, ratio),
        alignment=-0.21 if m > 1 else 1.0,
        cancellation=0.83,
        layers=[
            LayerGradients(
                name=layer_names[k],
                parameters=width * 8,
                terms={name: GradientFigures(**gradient_figures(blocks[k][i])) for i, name in enumerate(names)},
                weight={
                    name: GradientFigures(**gradient_figures(blocks[k][i][: width * 7])) for i, name in enumerate(names)
                },
                bias=None,
                total=GradientFigures(**gradient_figures(sum(blocks[k]))),
                **pooled(blocks[k]),
            )
            for k in range(layers)
        ],
        spectrum=Spectrum(
            density=density,
            trace=Estimate(value=2.2e4, error=900.0, probes=4),
            stability=stability,
            products=120,
            basis_limit=64,
        ),
        ntk=Kernel(
            terms={
                name: TermKernel(
                    eigenvalues=np.geomspace(1e6 / 50.0**i, 1e-3, 128).tolist(),
                    residuals=128,
                    trace=3e4 / 50.0**i,
                    condition=1e9,
                    rank=70,
                    slow_share=0.23,
                )
                for i, name in enumerate(names)
            },
            reasons={},
        ),
        pointwise=pointwise,
        pareto=Pareto(smallest_norm=0.11, ratio=0.21, multipliers=dict.fromkeys(names, 1 / m), stalled=False),
        constant=Constant(
            layers=["net.8"],
            output="zero",
            zero=dict.fromkeys(names, 40.0),
            best=dict.fromkeys(names, 38.5),
            relative={name: math.inf if k == 1 else 0.125 for k, name in enumerate(names)},
            ratio=2226.0,
            spread=0.875,
            size=1.25,
        ),
        solution=Solution(
            rel_l2=0.37,
            outputs=[0.37],
            max_error=0.71,
            spread=0.82,
            field=Field(
                coordinates=[gx.tolist(), gy.tolist()],
                values={"network_0": network.tolist(), "solution_0": exact.tolist()},
                of=2500,
            ),
        ),
        activations=Activations(
            layers=[
                Activation(
                    layer=layer_names[k],
                    function="tanh",
                    term=name,
                    units=width,
                    saturated_units=0.02 * k,
                    saturated_pairs=0.05 * k / layers,
                    spread=0.5 - 0.2 * k / layers,
                    dead_units=0,
                )
                for k in range(layers - 1)
                for name in names
            ]
        ),
        parameters=Parameters(
            layers=[
                LayerParameters(
                    name=layer_names[k],
                    entries=width * 8,
                    trainable=width * 8,
                    nonfinite=0,
                    zeros=0.0,
                    norm=8.1,
                    spectral_norm=2.2,
                    dead_rows=0,
                    moved=0.4,
                )
                for k in range(layers)
            ],
            entries=width * 8 * layers,
            trainable=width * 8 * layers,
            nonfinite=0,
        ),
        precision=Precision(gradient=3e-7, rounding=dict.fromkeys(names, 2e-05), distinct=dict.fromkeys(names, 1.0)),
        probe=Probe(
            before=0.5,
            after=0.002,
            factor=250.0,
            iterations=100,
            evaluations=118,
            terms=dict.fromkeys(names, 0.001),
            rel_l2=0.05,
        ),
        start=Start(
            losses=dict.fromkeys(names, 40.0),
            grad_l2={name: 7.0 * 3**i for i, name in enumerate(names)},
            work={name: work(3.0) for name in names},
            held_out={name: terms[name].held_out for name in names},
            saturation=dict.fromkeys(layer_names[:-1], 0.01),
            spread=dict.fromkeys(layer_names[:-1], 0.3),
            slow_share=dict.fromkeys(names, 0.4),
            lr_sigma_max=None,
        ),
        run=RunCard(
            name="poisson2d.pt",
            created="2026-01-05 10:11",
            pinndiag="0.1.0",
            torch="2.13.0",
            python="3.11.2",
            device="cpu",
            dtype="float32",
            parameters=width * 8 * layers,
            mode="standard",
            seed=0,
            seconds=14.2,
            costs={"gradients": 0.4, "curvature": 5.1, "probes": 6.0, "kernel": 0.8},
            source="runs/poisson2d.pt",
            origin="captured graph, verified",
            optimizer=OptimizerCard(kind="Adam", lr=1e-3, settings={"betas": [0.9, 0.999]}, has_state=True),
            notes=["term bc was given as a scalar in the file's first version"],
        ),
        reasons={"time": "a checkpoint has no history"},
    )


def _points(index: int, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x, y = rng.random(n), rng.random(n)
    if index:  # on the faces of the square
        face = np.arange(n) % 4
        x = np.where(face == 0, 0.0, np.where(face == 1, 1.0, x))
        y = np.where(face == 2, 0.0, np.where(face == 3, 1.0, y))
    return x, y


def _verdict(findings: Sequence[Finding]) -> Verdict:
    for severity in ("problem", "warning", "note"):
        here = [item for item in findings if item.severity == severity]
        if here:
            return Verdict(text=f"{here[0].title}.", severity=severity)
    return Verdict(
        text="Nothing is wrong: the work is done and the residuals hold between the points.", severity="none"
    )


def finding(
    code: str = "PD101", severity: str = "problem", terms: Sequence[str] = ("bc", "pde"), title: str = ""
) -> Finding:
    return Finding(
        code=code,
        pathology="pde_dominates",
        title=title or f"The gradient of {terms[-1]} is 900 times that of {terms[0]}, which is not learned",
        severity=severity,
        terms=list(terms),
        evidence=[
            Evidence(
                name="ratio of weighted gradient norms",
                value=912.4,
                threshold=10.0,
                source="own measurements, 12 healthy runs",
            ),
            Evidence(name="remaining work of bc / of pde", value=40.0, threshold=30.0, source="own measurements"),
            Evidence(name="state", value="unfinished"),
        ],
        prescriptions=[
            Prescription(
                title="Balance the gradient norms of the terms",
                why="The condition is then learned as fast as the equation.",
                expect="relative L2 error 1.07 -> 0.055 on such a problem (Deguchi and Asai 2023: 0.7 -> 0.01)",
                code="scheme = pinndiag.schemes.DynamicNorm(keep=0.99)\nloss = scheme(losses)\nloss.backward()",
                command="pinndiag remediate runs/poisson2d.pt --scheme dynamic-norm",
            ),
            Prescription(
                title="Or give the condition a fixed weight of 100", expect="0.059", code='weights={"bc": 100.0}'
            ),
        ],
        why="The solution of the equation without its conditions is not unique. The network solves another problem.",
        overturned_by="If the held-out residuals were large, the points would be overfitted: see PD301.",
        caused_by="" if code != "PD203" else "PD101",
        reference="Wang, Teng, Perdikaris 2021",
    )


@pytest.fixture(scope="session")
def healthy() -> DiagnosisRecord:
    return synthetic(ratio=2.0)


@pytest.fixture(scope="session")
def sick() -> DiagnosisRecord:
    return synthetic(
        findings=[
            finding(),
            finding("PD203", "warning", ("pde",), "The learning rate is 1.4 times the largest stable one"),
            finding("PD301", "warning", ("bc",), "The worst 5 % of the points carry 61 % of the loss of bc"),
            finding("PD404", "note", ("pde",), "12 % of the activations are saturated"),
            finding("PD101", "note", ("pde",), "The same check, a second time"),
        ]
    )


@pytest.fixture(scope="session")
def bare() -> DiagnosisRecord:
    """A checkpoint of weights only."""
    full = to_plain(synthetic())
    why = "needs the loss terms"
    empty = {
        "terms": {},
        "total": None,
        "cosine": {},
        "ratio": {},
        "alignment": None,
        "cancellation": None,
        "layers": [],
        "spectrum": None,
        "ntk": None,
        "pointwise": {},
        "pareto": None,
        "solution": None,
        "activations": None,
        "precision": None,
        "probe": None,
        "start": None,
        "findings": [],
        "passed": ["PD001"],
        "not_applicable": [{"code": "PD101", "reason": why}],
        "reasons": {"terms": why, "solution": why},
        "verdict": {"text": "Only the weights could be judged; they are sound.", "severity": "unknown"},
    }
    run = {**full["run"], "optimizer": None, "costs": {}, "notes": [], "created": "", "source": ""}
    return from_plain({**full, **empty, "run": run}, DiagnosisRecord)


@pytest.fixture(scope="session")
def hostile() -> DiagnosisRecord:
    evil = HOSTILE[0]
    first = finding("<b>PD</b>", "problem", HOSTILE[:3], f"{evil} dominates")
    harmful = Prescription(title=evil, why=evil, expect=evil, code=HOSTILE[1], command=HOSTILE[3])
    plain = to_plain(synthetic(HOSTILE, layers=6, layer_name=lambda k: HOSTILE[k] + str(k), points=(60, 40)))
    plain["findings"] = [
        {**to_plain(first), "prescriptions": [to_plain(harmful)], "why": evil, "reference": HOSTILE[5]}
    ]
    plain["reasons"] = {evil: HOSTILE[1]}
    plain["passed"] = [evil]
    plain["not_applicable"] = [{"code": evil, "reason": HOSTILE[1]}]
    plain["run"] = {**plain["run"], "name": HOSTILE[1], "source": evil, "notes": list(HOSTILE), "costs": {evil: 1.0}}
    plain["run"]["optimizer"] = {"kind": evil, "lr": 1e-3, "settings": {evil: [evil]}, "has_state": False}
    plain["verdict"] = {"text": evil, "severity": "problem"}
    return from_plain(plain, DiagnosisRecord)


def ruined(plain: Any, value: float) -> Any:
    """Every floating-point number replaced by `value`."""
    if isinstance(plain, float):
        return value
    if isinstance(plain, dict):
        return {key: ruined(item, value) for key, item in plain.items()}
    if isinstance(plain, list):
        return [ruined(item, value) for item in plain]
    return plain


@pytest.fixture(scope="session", params=[math.nan, math.inf, -math.inf, 0.0, -1.0], ids=str)
def odd(request: pytest.FixtureRequest) -> DiagnosisRecord:
    """Everything NaN, infinite, zero or negative."""
    return from_plain(ruined(to_plain(synthetic(findings=[finding()], points=(50,))), request.param), DiagnosisRecord)


@pytest.fixture(scope="session")
def large() -> DiagnosisRecord:
    return synthetic([f"term_{k}" for k in range(6)], layers=60, findings=[finding(terms=("term_5", "term_0"))])


@pytest.fixture(scope="session")
def make() -> Callable[..., DiagnosisRecord]:
    return synthetic


@pytest.fixture(scope="session")
def trained() -> DiagnosisRecord:
    """A run of 101 steps with its curvature; the first term falls, the second rises."""
    sink = MemorySink(header(reference=True))
    for line in (*falling(101, rel_l2=0.25), *(curvature(k) for k in range(0, 101, 10)), CLOSED):
        sink.write(line)
    return diagnose_run(sink.run())
