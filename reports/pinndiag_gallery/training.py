"""One run of an arm: trained under a watch, diagnosed before and after."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

import pinndiag
from pinndiag import problems, schemes
from pinndiag._records import DiagnosisRecord, PointWeights
from pinndiag_gallery.results import Run
from pinndiag_gallery.story import Arm

__all__ = ["balance", "machine", "made", "trained"]

RECORDS = 100  # of a run
LATE = 10  # evaluations of the error over the last tenth of the steps
SHOWN = ("gradients", "pareto", "solution")  # what the page shows of a network


def made(arm: Arm, seed: int) -> problems.Problem:
    """The problem of an arm."""
    return problems.make(arm.problem, seed=seed, **arm.options)


def balance(arm: Arm, problem: problems.Problem) -> schemes.AbstractScheme | None:
    """The scheme of an arm, measured against the problem's first term; None for the weights of the source."""
    if arm.scheme is None:
        return None
    return schemes.make(arm.scheme, reference=next(iter(problem.terms)), **arm.settings)


def trained(arm: Arm, seed: int) -> Run:
    """Train an arm from a seed. Cost: its steps, and of seed 0 two diagnoses."""
    torch.set_num_threads(1)
    problem = made(arm, seed)
    scheme = balance(arm, problem)
    before = _diagnosed(problem, arm, "before training") if seed == 0 else None
    late = {arm.steps - 1 - k * max(1, arm.steps // (10 * LATE)) for k in range(LATE)}
    errors: list[float] = []
    began = time.process_time()
    with pinndiag.watch(
        problem.model,
        problem.optimizer,
        every=max(1, arm.steps // RECORDS),
        histograms=0,
        curvature=arm.curvature,
        weights=None if scheme is not None else problem.weights,
        scheme=scheme,
        solution=problem.solution,
    ) as watch:
        problems.train(
            problem,
            arm.steps,
            loss=watch,
            progress=lambda step, residuals: errors.append(problem.error()) if step in late else None,
        )
        seconds = time.process_time() - began
        history = watch.diagnose().record.history
        weights = problem.weights | watch.weights
        points = watch.point_weights
    return Run(
        seed=seed,
        steps=arm.steps,
        error=problem.error(),
        late=statistics.median(errors),
        losses={
            name: float(term.residual(term.points).detach().square().mean()) for name, term in problem.terms.items()
        },
        weights=weights,
        seconds=seconds,
        figures=dict(arm.measure(problem)) if arm.measure is not None else {},
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine(),
        history=history,
        before=before,
        after=_diagnosed(problem, arm, arm.title, weights) if seed == 0 else None,
        points=_masks(problem, points) if seed == 0 else (),
    )


def _diagnosed(
    problem: problems.Problem, arm: Arm, name: str, weights: dict[str, float] | None = None
) -> DiagnosisRecord:
    pinn = problem.wrap()
    pinn.weights |= weights or {}
    analyzers = (*SHOWN, "curvature") if arm.curvature else SHOWN
    return pinndiag.analyze(pinn, name=name, analyzers=analyzers).record


def _masks(problem: problems.Problem, points: Mapping[str, Tensor]) -> tuple[PointWeights, ...]:
    return tuple(
        PointWeights(
            term=name,
            coordinates=problem.terms[name].points.double().T.tolist(),
            values=values.reshape(len(values), -1).double().mean(1).tolist(),
        )
        for name, values in points.items()
    )


def machine() -> str:
    """The processor, by the name that the system knows."""
    known = Path("/proc/cpuinfo")
    if known.exists():
        for line in known.read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.split(':', 1)[1].strip()}, one thread"
    return f"{platform.processor() or platform.machine()}, one thread"
