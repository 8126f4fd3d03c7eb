"""A run reduced to what a report shows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sized

import numpy as np
from jaxtyping import Float64, Int64

from pinndiag._errors import PinndiagError
from pinndiag._history._pareto import paths, stalled, stationarity
from pinndiag._history._reduce import band, edges
from pinndiag._records import (
    Band,
    CurvatureLine,
    CurvatureSeries,
    Eigenvalue,
    EventLine,
    HistogramLine,
    History,
    LayerHistograms,
    Snapshot,
)
from pinndiag._store import Columns, Run

__all__ = ["history"]

SAMPLED = 2000  # records at which stationarity is computed; every one costs a small optimisation
EVENTS = 200
CURVED = 200  # stretches of measurements of curvature, two of each at most
WINDOW = 1000  # steps; see `History.weight_growth`
FEWEST = 12  # records; see `History.scatter`

Series = Float64[np.ndarray, " records"]


def history(run: Run) -> History:
    """The run over time. Cost: no measurement; a second for every hundred thousand records."""
    steps = run.steps
    cuts = edges(len(steps))
    numbers = steps.steps
    names = steps.names
    gradients, losses = steps.measured(), steps.present()
    ratios = _stationarity(steps)

    def of_term(field: str, *, loss: bool = False) -> dict[str, Band]:
        known: Callable[[str], np.ndarray] = steps.present if loss else steps.measured
        return {name: band(steps.term(name, field), cuts, known(name)) for name in names}

    error = steps.run("rel_l2")
    snapshots, unread = _snapshots(run)
    happened = [event for event in run.events if event.event != "closed"]
    events, curvature = _ends(happened), _extremes(run.curvature)
    left_out = _left_out("events", "the first and the last", happened, events)
    left_out += _left_out("measurements of curvature", "both ends of each stretch", run.curvature, curvature)
    return History(
        name=run.header.name,
        first=int(numbers[0]) if len(steps) else 0,
        last=max(run.last_step, 0),
        records=len(steps),
        columns=[int(numbers[cut - 1]) for cut in cuts[1:]],
        time=[round(float(steps.run("time")[cut - 1]), 3) for cut in cuts[1:]],
        losses=of_term("loss", loss=True),
        weights=of_term("weight", loss=True),
        gradients=of_term("grad_l2"),
        applied={
            name: band(steps.applied(name), cuts, steps.measured(name)) for name in names if steps.measured(name).any()
        },
        total=band(steps.term("", "loss"), cuts, losses),
        cosine={pair: band(steps.cosine(pair), cuts) for pair in steps.pairs},
        alignment=band(steps.run("alignment"), cuts),
        lr=band(steps.run("lr"), cuts),
        rel_l2=band(error, cuts, steps.given("rel_l2"))
        if run.header.reference and steps.given("rel_l2").any()
        else None,
        share=_mean(steps.run("share")),
        curvature=_curvature(curvature),
        snapshots=snapshots,
        pareto=paths(steps),
        stationarity=band(ratios, cuts),
        stalled=stalled(numbers[gradients].astype(float), ratios[gradients]),
        weight_growth={name: growth for name in names if (growth := _growth(numbers, steps.term(name, "weight"))) > 1},
        skipped=int(steps.run("skipped").sum()) if len(steps) else 0,
        events=events,
        schedules=run.header.schedules,
        scheme=run.header.scheme,
        notes=[*run.header.notes, *run.notes, *unread, *left_out],
        ended=run.ended,
        running=run.alive,
        scatter=_scatter(steps.term("", "loss")),
    )


def _ends(events: list[EventLine]) -> list[EventLine]:
    return events if len(events) <= EVENTS else [*events[: EVENTS // 2], *events[-EVENTS // 2 :]]


def _extremes(lines: list[CurvatureLine]) -> list[CurvatureLine]:
    """The first and the last measurement, and of each stretch between the smallest and the largest sigma_max."""
    cuts = edges(len(lines), CURVED).tolist()
    if len(lines) <= CURVED:
        return lines
    values = np.nan_to_num([line.total.sigma_max.value for line in lines], nan=-math.inf)
    chosen = {0, len(lines) - 1}
    for a, b in itertools.pairwise(cuts):
        chosen |= {a + int(values[a:b].argmin()), a + int(values[a:b].argmax())}
    return [lines[place] for place in sorted(chosen)]


def _left_out(what: str, which: str, given: Sized, shown: Sized) -> list[str]:
    return [] if len(shown) == len(given) else [f"{len(shown)} of {len(given)} {what} are shown: {which}"]


def _stationarity(steps: Columns) -> Series:
    found = np.full(len(steps), np.nan)
    known = np.flatnonzero(steps.measured())
    if len(known) > SAMPLED:
        known = known[np.linspace(0, len(known) - 1, SAMPLED).astype(int)]
    for index in known:
        found[index] = stationarity(steps.at(int(index)))
    return found


def _mean(share: Series) -> float | None:
    known = share[~np.isnan(share)]
    return float(known.mean()) if len(known) else None


def _growth(numbers: Int64[np.ndarray, " records"], weights: Series) -> float:
    """The largest factor by which a weight grew within 1000 steps; 1 where it never did."""
    known = np.isfinite(weights) & (weights > 0)
    at, values = numbers[known], weights[known]
    best = 1.0
    low = 0
    for i in range(len(values)):
        while at[i] - at[low] > WINDOW:
            low += 1
        best = max(best, float(values[i] / values[low : i + 1].min())) if values[i] > values[low] else best
    return best


def _scatter(totals: Series) -> float | None:
    """How far a record lies off the middle of its neighbours, in decades; the median over the second half."""
    late = totals[len(totals) // 2 :]
    decades = np.log10(late[np.isfinite(late) & (late > 0)])
    return float(np.median(np.abs(np.diff(decades, 2)))) / 2 if len(decades) >= FEWEST else None


def _curvature(lines: list[CurvatureLine]) -> CurvatureSeries | None:
    if not lines:
        return None
    names = list(dict.fromkeys(name for line in lines for name in line.terms))
    stable = [line.stability for line in lines]
    return CurvatureSeries(
        steps=[line.step for line in lines],
        terms={
            name: [_value(line.terms[name].sigma_max) if name in line.terms else None for line in lines]
            for name in names
        },
        total=[_value(line.total.sigma_max) for line in lines],
        residuals=[_known(line.total.sigma_max.residual) for line in lines],
        sharpness=[None if s is None else _known(s.sharpness) for s in stable],
        bound=[None if s is None or s.lr == 0 else _known(s.limit * s.sigma_max.value / s.lr) for s in stable],
        preconditioned=[_value(s.sigma_max) if s is not None and s.preconditioned else None for s in stable],
        rule=next((s.rule for s in stable if s is not None), ""),
        work={name: [_known(line.work[name].value) if name in line.work else None for line in lines] for name in names},
    )


def _value(eigenvalue: Eigenvalue) -> float | None:
    return _known(eigenvalue.value)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _snapshots(run: Run) -> tuple[list[Snapshot], list[str]]:
    """Histograms at the first, the worst and the last step that has any; and which of them could not be read."""
    if not run.histograms:
        return [], []
    spread = [(_imbalance(run.steps, line), line) for line in run.histograms]
    worst = max(spread, key=lambda pair: pair[0] if math.isfinite(pair[0]) else -1.0)
    chosen: Mapping[int, tuple[str, float, HistogramLine]] = {
        line.step: (which, ratio, line)
        for which, (ratio, line) in (("worst", worst), ("last", spread[-1]), ("first", spread[0]))
    }
    found, unread = [], []
    for step in sorted(chosen):
        which, ratio, line = chosen[step]
        try:
            gradients = run.gradients(line)
        except PinndiagError as error:
            unread.append(error.what)
            continue
        rooms = [LayerHistograms(layer="", weighted=gradients.weighted)]
        rooms += [LayerHistograms(layer=layer.name, weighted=layer.weighted) for layer in gradients.layers]
        found.append(Snapshot(step=step, which=which, ratio=ratio, layers=rooms))
    return found, unread


def _imbalance(steps: Columns, line: HistogramLine) -> float:
    """Largest / smallest |w_i g_i| at the step record nearest before a step; NaN where none is known."""
    index = int(np.searchsorted(steps.steps, line.step, side="right")) - 1
    if index < 0:
        return math.nan
    sizes = [size for size in steps.at(index).applied.values() if size > 0]
    return max(sizes) / min(sizes) if sizes else math.nan
