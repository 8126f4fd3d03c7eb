"""Distributions of w g before and after, as in figures 3 and 6 of Deguchi and Asai (2023); then layer by layer."""

from __future__ import annotations

from collections.abc import Mapping

from pinndiag._records import DiagnosisRecord, Histogram
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import number
from pinndiag_reports._parts import Absent, Figure, Panel, Part, Table
from pinndiag_reports.figures.distributions import drawable, histogram_plot
from pinndiag_reports.figures.remedy._stage import Stage

__all__ = ["histograms"]

LAYERS = 3


def histograms(stage: Stage) -> Part:
    """A panel a network over all parameters, then some layers of training on and of the treated network."""
    panels = [_panel(stage, name, diagnosis, None) for name, diagnosis in stage.networks]
    for layer in _layers(stage):
        panels += [_panel(stage, name, diagnosis, layer) for name, diagnosis in _pair(stage)]
    drawn = tuple(panel for panel in panels if panel is not None)
    if not drawn:
        return Absent("Gradient histograms", "nothing to draw: no histogram with finite, non-zero entries")
    return Figure(
        "fig-histograms",
        "Distribution of w g over the parameters, network by network",
        drawn,
        note="w g of each term, what the optimizer sees: share of the parameters in each of 100 bins, on a logarithmic "
        "axis; every panel has its own range. A term that is a spike at zero beside a wide distribution hardly moves "
        "the parameters. " + stage.scene.limited,
        keys=stage.scene.keys,
        tables=(_table(stage),),
        size="small",
    )


def _pair(stage: Stage) -> list[tuple[str, DiagnosisRecord]]:
    """Training on, and the treated network (else the first arm)."""
    arms = stage.record.arms
    arm = arms[stage.record.chosen or 0] if arms else None
    both = [stage.record.baseline, arm]
    return [
        (stage.titles[stage.arms.index(a)], a.diagnosis)
        for a in both
        if a is not None and a in stage.arms and a.diagnosis is not None
    ]


def _layers(stage: Stage) -> list[str]:
    """The first, the middle and the last layer."""
    names = [layer.name for layer in stage.record.diagnosis.layers]
    if len(names) < 2:
        return []
    return [names[place] for place in sorted({0, len(names) // 2, len(names) - 1})][:LAYERS]


def _panel(stage: Stage, name: str, diagnosis: DiagnosisRecord, layer: str | None) -> Panel | None:
    found = _weighted(diagnosis, layer)
    good = {term: item for term in stage.terms if (item := found.get(term)) is not None and drawable(item)}
    if not good:
        return None
    title = name if layer is None else f"{name}: layer {shorten(layer, 20)}"
    plot = histogram_plot(stage.scene, good, "weight x gradient entry", small=True)
    spreads = ", ".join(
        f"{shorten(term, 24)} over {number(item.low)} to {number(item.high)}" for term, item in good.items()
    )
    return Panel(plot.svg(f"remedy-histogram-{name}-{layer}"), f"Histogram of w g, {title}: {spreads}", title)


def _weighted(diagnosis: DiagnosisRecord, layer: str | None) -> Mapping[str, Histogram | None]:
    if layer is None:
        return {name: term.histogram_weighted for name, term in diagnosis.terms.items()}
    return next((item.weighted for item in diagnosis.layers if item.name == layer), {})


def _table(stage: Stage) -> Table:
    rows = []
    for name, diagnosis in stage.networks:
        for term in stage.terms:
            found = diagnosis.terms.get(term)
            if found is not None:
                size = abs(found.weight)
                figures = (found.weight, size * found.grad_std, size * found.grad_max, found.grad_kurtosis)
                rows.append((name, term, *map(number, figures)))
    head = ("network", "term", "weight", "std w g", "max |w g|", "kurtosis")
    return Table(head, tuple(rows), folded="Numbers: spread of the weighted gradients")
