"""Norms of the weighted gradients, their angles, and the sharpness of the loss, network by network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from pinndiag._records import DiagnosisRecord
from pinndiag_reports._names import shorten, shorten_all
from pinndiag_reports._numbers import number, times
from pinndiag_reports._parts import Figure, Key, Panel, Part, Table
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Linear, Log, Rows, Scale
from pinndiag_reports.figures._scene import Style, series
from pinndiag_reports.figures.remedy._stage import Stage

__all__ = ["balance"]

PAIRS = 6
TOTAL = "total (weighted)"

Values = Mapping[str, float]


def balance(stage: Stage) -> Part:
    """Three panels, a row a network: |w g|, cosines, sigma_max."""
    terms = stage.scene.shown
    pairs = list(stage.record.diagnosis.cosine)[:PAIRS]
    looks = {term: stage.scene.style(term) for term in terms}
    panels = [
        _panel(stage, lambda d: _pulls(d, terms), looks, "log", "Gradient norms: what the optimizer sees", "|w g|"),
        _panel(
            stage,
            lambda d: {pair.replace("|", " | "): d.cosine[pair] for pair in pairs if pair in d.cosine},
            {pair.replace("|", " | "): series(index) for index, pair in enumerate(pairs)},
            "cosine",
            "Cosines between the gradients",
            "cosine: -1 opposed, 1 aligned",
        ),
        _panel(
            stage,
            lambda d: _sharp(d, terms),
            {**looks, TOTAL: Style("ink", "", "X")},
            "log",
            "Largest eigenvalue of the Hessian, unweighted; of the weighted total",
            "sigma_max",
        ),
    ]
    return Figure(
        "fig-balance",
        _claim(stage, terms),
        tuple(panel for panel in panels if panel is not None),
        note="Of the networks of seed 0. What is zero, negative or not finite has no mark; the table has it. "
        + stage.limited
        + stage.scene.limited,
        tables=(_table(stage, terms, pairs),),
    )


def _pulls(diagnosis: DiagnosisRecord, terms: tuple[str, ...]) -> dict[str, float]:
    known = diagnosis.terms
    return {term: abs(known[term].weight) * known[term].grad_l2 for term in terms if term in known}


def _sharp(diagnosis: DiagnosisRecord, terms: tuple[str, ...]) -> dict[str, float]:
    records = {**{term: diagnosis.terms.get(term) for term in terms}, TOTAL: diagnosis.total}
    return {
        name: item.sigma_max.value for name, item in records.items() if item is not None and item.sigma_max is not None
    }


def _panel(
    stage: Stage,
    values: Callable[[DiagnosisRecord], Values],
    looks: Mapping[str, Style],
    axis: str,
    title: str,
    x_label: str,
) -> Panel | None:
    found = [(name, values(diagnosis)) for name, diagnosis in stage.networks]
    known = [v for _, row in found for v in row.values() if math.isfinite(v) and (axis != "log" or v > 0)]
    if not known:
        return None
    x: Scale = Linear(-1.05, 1.05) if axis == "cosine" else Log.over(known)
    names = tuple(shorten_all((name for name, _ in found), 22))
    plot = Plot(x, Rows(names), width=400, height=64 + 26 * len(found), left=168, x_label=x_label, grid="both")
    for row, (_, marks) in enumerate(found):
        for name, value in marks.items():
            look = looks[name]
            plot.dots([value], [float(row)], Style(look.color, "", look.marker), size=8)
    alt = "; ".join(f"{name}: {_listed(row)}" for name, row in found)
    drawn = [name for name in looks if any(name in row for _, row in found)]
    short = shorten_all(drawn, 30)
    keys = tuple(Key(s, looks[n].color, looks[n].dash, looks[n].marker) for s, n in zip(short, drawn, strict=True))
    return Panel(plot.svg(f"balance-{axis}-{x_label}"), f"{title}. {alt}", title, keys)


def _listed(values: Values) -> str:
    return ", ".join(f"{shorten(name, 24)} {number(value)}" for name, value in values.items())


def _apart(values: Values) -> float:
    known = [value for value in values.values() if math.isfinite(value) and value > 0]
    return max(known) / min(known) if len(known) > 1 else math.nan


def _claim(stage: Stage, terms: tuple[str, ...]) -> str:
    parts = [
        f"{times(apart)}-fold {shorten(name, 34)}"
        for name, diagnosis in stage.networks
        if math.isfinite(apart := _apart(_pulls(diagnosis, terms)))
    ]
    return f"The weighted gradients are apart {', '.join(parts[:4])}" if parts else "Gradients of the networks"


def _table(stage: Stage, terms: tuple[str, ...], pairs: list[str]) -> Table:
    networks = [diagnosis for _, diagnosis in stage.networks]
    rows = [("|w g|, largest / smallest", *(times(_apart(_pulls(d, terms))) for d in networks))]
    for term in terms:
        rows.append((f"|w g| of {term}", *(number(_pulls(d, terms).get(term)) for d in networks)))
    for pair in pairs:
        rows.append((f"cosine {pair.replace('|', ' | ')}", *(number(d.cosine.get(pair)) for d in networks)))
    rows.append(("alignment", *(number(d.alignment) for d in networks)))
    for name in (*terms, TOTAL):
        if any(name in _sharp(d, terms) for d in networks):
            rows.append((f"sigma_max of {name}", *(number(_sharp(d, terms).get(name)) for d in networks)))
    return Table(("", *(name for name, _ in stage.networks)), tuple(rows), title="The same in numbers")
