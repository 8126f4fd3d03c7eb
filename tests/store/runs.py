"""Runs made by hand: no training, every number known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pinndiag._records import (
    RUN_SCHEMA,
    CurvatureLine,
    Eigenvalue,
    Environment,
    EventLine,
    Line,
    OptimizerCard,
    RunHeader,
    RunTerm,
    Schedules,
    Stability,
    StepLine,
    TermCurvature,
    TermFigures,
    TotalFigures,
    Work,
)
from pinndiag._store import RunWriter

CLOSED = EventLine(step=99, event="closed", text="the training ended")


def header(names: Sequence[str] = ("pde", "bc"), **fields: Any) -> RunHeader:
    return RunHeader(
        **{
            "schema": RUN_SCHEMA,
            "name": "heat",
            "created": "2026-01-02T03:04:05+00:00",
            "terms": {name: RunTerm(kind="residual", shape=[100, 1]) for name in names},
            "parameters": {"net.weight": 80, "net.bias": 1},
            "layers": {"net": ["net.weight", "net.bias"]},
            "weights": {},
            "schedules": Schedules(every="every step", histograms="never", curvature="every 10 steps"),
            "pending": 1,
            "environment": Environment(
                pinndiag="0.1.0", torch="2.13.0", python="3.11.7", device="cpu", dtype="float64"
            ),
            "optimizers": [OptimizerCard(kind="Adam", lr=1e-3, settings={"betas": [0.9, 0.999]})],
            **fields,
        }
    )


def term(loss: float, weight: float = 1.0, size: float | None = None) -> TermFigures:
    if size is None:
        return TermFigures(loss=loss, weight=weight)
    return TermFigures(loss=loss, weight=weight, **_gradient(size))


def _gradient(size: float) -> dict[str, float]:
    return {
        "grad_l2": size,
        "grad_l1": 4 * size,
        "grad_max": size / 2,
        "grad_mean": size / 9,
        "grad_std": size / 9,
        "grad_kurtosis": 3.0,
    }


def step(index: int, losses: dict[str, float], sizes: dict[str, float], **fields: Any) -> StepLine:
    """A step; `sizes` are the gradient norms, none of them where it is empty."""
    weights = fields.pop("weights", {})
    terms = {name: term(loss, weights.get(name, 1.0), sizes.get(name)) for name, loss in losses.items()}
    whole = sum(weights.get(name, 1.0) * loss for name, loss in losses.items())
    pairs = itertools.combinations(sizes, 2)
    return StepLine(
        **{
            "step": index,
            "time": 0.5 * index,
            "lr": 1e-3,
            "terms": terms,
            "total": TotalFigures(loss=whole, **(_gradient(math.hypot(*sizes.values())) if sizes else {})),
            "cosine": {f"{a}|{b}": -0.25 for a, b in pairs},
            "applied": {name: abs(weights.get(name, 1.0)) * size for name, size in sizes.items()},
            "alignment": -0.1 if len(sizes) > 1 else None,
            "share": 0.02,
            **fields,
        }
    )


def falling(count: int = 100, names: Sequence[str] = ("pde", "bc"), **fields: Any) -> list[StepLine]:
    """The first term falls ten-fold every 25 steps, from 100; the others rise as slowly, from 0.01."""
    steps = []
    for index in range(count):
        losses = {
            name: 100 * 10 ** (-index / 25) if not k else 0.01 * 10 ** (index / 50) for k, name in enumerate(names)
        }
        steps.append(step(index, losses, {name: math.sqrt(loss) for name, loss in losses.items()}, **fields))
    return steps


def curvature(index: int, names: Sequence[str] = ("pde", "bc")) -> CurvatureLine:
    def both(value: float) -> TermCurvature:
        large = Eigenvalue(value=value, residual=1e-4 * value, converged=True, products=9)
        return TermCurvature(
            sigma_max=large, sigma_min=Eigenvalue(value=-1.0, residual=2.0, converged=False, products=9)
        )

    return CurvatureLine(
        step=index,
        time=0.5 * index,
        terms={name: both(1000.0 / (k + 1)) for k, name in enumerate(names)},
        total=both(1100.0),
        stability=Stability(
            optimizer="Adam",
            rule="lr < 2 (1 + beta1) / ((1 - beta1) sigma)",
            lr=1e-3,
            limit=2e-3,
            sharpness=0.5,
            sigma_max=Eigenvalue(value=19000.0, residual=1.0, converged=True, products=9),
            preconditioned=True,
        ),
        work={name: Work(value=1e-3 * (k + 1), how="residuals", points=100) for k, name in enumerate(names)},
        products=30,
    )


def put(folder: Path, lines: Iterable[Line], head: RunHeader | None = None) -> Path:
    """Write a run folder."""
    writer = RunWriter(folder, head or header())
    for line in lines:
        writer.write(line)
    writer.close()
    return folder


def edited(folder: Path, change: Callable[[bytes], bytes]) -> Path:
    """Change the bytes of the records."""
    path = folder / "records.jsonl"
    path.write_bytes(change(path.read_bytes()))
    return folder
