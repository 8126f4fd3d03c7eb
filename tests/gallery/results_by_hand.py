"""Results as if trained: errors by arm, and nothing else that was not asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pinndiag._records import Band, CurvatureSeries, History
from pinndiag_gallery.results import Results, Run
from tests.reports.remedies import remedy


def run(
    late: float = 1.0,
    *,
    seed: int = 0,
    losses: Mapping[str, float] | None = None,
    figures: Mapping[str, float] | None = None,
    weights: Mapping[str, float] | None = None,
    history: History | None = None,
    made: str = "2026-01-02T03:04:05+00:00",
) -> Run:
    return Run(
        seed=seed,
        steps=100,
        error=2 * late,
        late=late,
        losses=dict(losses or {}),
        weights=dict(weights or {}),
        seconds=1.5,
        figures=dict(figures or {}),
        made=made,
        machine="a machine, one thread",
        history=history,
    )


def results(errors: Mapping[str, float | Sequence[float]], overhead: Mapping[str, float] | None = None) -> Results:
    runs = {}
    for arm, late in errors.items():
        seeds = [late] if isinstance(late, float) else list(late)
        runs[arm] = [
            run(value, seed=seed, history=history({"ic": [1.0, 0.1]}, errors=[1.0, value]))
            for seed, value in enumerate(seeds)
        ]
    return Results(runs, overhead or {})


def history(
    losses: Mapping[str, Sequence[float]],
    sigma: Mapping[str, Sequence[float]] | None = None,
    errors: Sequence[float] | None = None,
) -> History:
    """One column a record; the trained one of a tiny network, with these losses, eigenvalues and errors instead."""
    base = remedy().arms[0].runs[0].history
    assert base is not None
    count = len(next(iter(losses.values())))
    bands = {name: Band(low=list(values), high=list(values)) for name, values in losses.items()}
    steps = list(range(count))
    series = None
    if sigma is not None:
        steps_of = list(range(len(next(iter(sigma.values())))))
        blank: list[float | None] = [None] * len(steps_of)
        series = CurvatureSeries(
            steps=steps_of,
            terms={name: list(values) for name, values in sigma.items()},
            total=blank,
            residuals=blank,
            sharpness=blank,
            bound=blank,
            preconditioned=blank,
            rule="",
            work={},
        )
    return msgspec.structs.replace(
        base,
        columns=steps,
        losses=bands,
        applied=bands,
        weights=bands,
        rel_l2=Band(low=list(errors or blank_of(count)), high=list(errors or blank_of(count))),
        curvature=series,
    )


def blank_of(count: int) -> list[float | None]:
    return [None] * count


def trained() -> Results:
    """The arms of a small remediation as if a story had trained them."""
    record = remedy()
    assert record.baseline is not None
    arms = {"plain": record.baseline, "dn": record.arms[0], "sa": record.arms[1]}
    return Results(
        {
            key: [
                msgspec.structs.replace(
                    run(arm.runs[0].rel_l2 or 1.0, losses=arm.runs[0].losses, history=arm.runs[0].history),
                    before=record.diagnosis,
                    after=arm.diagnosis,
                    points=tuple(arm.points),
                )
            ]
            for key, arm in arms.items()
        }
    )
