"""The active tests: what a short L-BFGS run does from here, and the tests of the gradient itself."""

from __future__ import annotations

import math

from pinndiag._records import Probe
from pinndiag_reports._names import shorten, shorten_all
from pinndiag_reports._numbers import count, number, percent, times
from pinndiag_reports._parts import Absent, Figure, Panel, Part, Table
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Log, Rows
from pinndiag_reports.figures._scene import PLAIN, Scene, Style

__all__ = ["probes", "trust"]


def probes(scene: Scene) -> Part:
    """By what factor each loss falls when it is minimised alone, and the weighted total as a whole."""
    record = scene.record
    found: list[tuple[str, Probe, Style]] = []
    if record.probe is not None:
        found.append(("weighted total", record.probe, PLAIN))
    found += [
        (name, probe, scene.style(name))
        for name in scene.names
        if (probe := record.terms[name].probe_alone) is not None
    ]
    if not found:
        return Absent("Descent probes", scene.why("descent_probe", "term_probes", default="the probes were not run"))
    tables = tuple(table for table in (_table(found), _after(scene)) if table.rows)
    tables += _unable(found)
    drawn = [(name, probe, style) for name, probe, style in found if math.isfinite(probe.factor) and probe.factor > 0][
        :9
    ]
    if not drawn:
        return Absent("Descent probes", "nothing to draw: no probe ended with a finite, positive loss")
    plot = Plot(
        Log.over([*(probe.factor for _, probe, _ in drawn), 0.8, 100]),
        Rows(tuple(shorten_all((name for name, _, _ in drawn), 18))),
        width=440,
        left=128,
        right=46,
        grid="x",
        height=66 + 24 * len(drawn),
        x_label="loss before / loss after the probe",
    )
    plot.upright(1.0, color="muted")
    plot.upright(30.0, "30")
    for row, (_, probe, style) in enumerate(drawn):
        plot.bar(row, 1.0, probe.factor, style)
        plot.dots([probe.factor], [row], style)
        plot.label(probe.factor, row, times(probe.factor), shift=8)
    words = "; ".join(f"{name} by a factor of {times(probe.factor)}" for name, probe, _ in drawn)
    return Figure(
        "fig-probes",
        _claim(record.probe, drawn),
        (Panel(plot.svg("probes"), f"Fall of the loss in a short L-BFGS run: {words}"),),
        note="L-BFGS in float64 on a copy, from the present parameters. Where work remains: 30 or more on the total "
        "and the optimizer is the bottleneck; every term falls alone while the total does not, and the terms hold each "
        "other; one term does not fall even alone, and the network cannot represent it.",
        tables=tables,
        size="wide",
    )


def _claim(total: Probe | None, drawn: list[tuple[str, Probe, Style]]) -> str:
    alone = [(name, probe) for name, probe, _ in drawn if probe is not total]
    words = ""
    if alone:
        name, probe = min(alone, key=lambda pair: pair[1].factor)
        words = f"; alone, {shorten(name, 28)} falls least, {times(probe.factor)}-fold"
    if total is None:
        return "Each term minimised alone" + words
    return f"{count(total.iterations)} iterations of L-BFGS lower the total {times(total.factor)}-fold{words}"


def _table(found: list[tuple[str, Probe, Style]]) -> Table:
    return Table(
        ("probe of", "before", "after", "factor", "iterations", "evaluations"),
        tuple(
            (
                name,
                number(probe.before),
                number(probe.after),
                times(probe.factor),
                count(probe.iterations),
                count(probe.evaluations),
            )
            for name, probe, _ in found
        ),
        folded="Numbers: the probes",
    )


def _unable(found: list[tuple[str, Probe, Style]]) -> tuple[Table, ...]:
    rows = [(name, f"could not run: {probe.reason}") for name, probe, _ in found if probe.reason]
    rows += [
        (name, f"descended on {count(points)} points of {term}")
        for name, probe, _ in found
        for term, points in probe.subset.items()
    ]
    return (Table(("probe of", "remark"), tuple(rows), folded="Remarks on the probes"),) if rows else ()


def _after(scene: Scene) -> Table:
    probe = scene.record.probe
    rows = []
    for name, after in (probe.terms if probe else {}).items():
        before = scene.record.terms[name].loss if name in scene.record.terms else math.nan
        rows.append((name, number(before), number(after), times(before / after if after else math.inf)))
    if probe is not None and probe.rel_l2 is not None:
        solution = scene.record.solution
        rows.append(
            ("relative L2 error", number(solution.rel_l2 if solution else None), number(probe.rel_l2), number(None))
        )
    return Table(
        ("term", "loss now", "loss after the probe of the total", "factor"),
        tuple(rows),
        folded="Numbers: every term after the probe of the total",
    )


def trust(scene: Scene) -> Part:
    """Derivative check and precision, as a table."""
    record = scene.record
    rows = []
    for name, term in record.terms.items():
        check = term.derivative_check
        if check is not None:
            judged = (
                number(check.error)
                if check.error is not None
                else f"not judged: {check.reason or 'no direction settled'}"
            )
            rows.append(
                (
                    f"derivative check of {name}",
                    judged,
                    f"{check.directions} directions; above 0.05 the gradient is wrong",
                )
            )
    if record.precision is not None:
        rows.append(
            (
                "gradient in the training dtype against float64",
                number(record.precision.gradient),
                "1 - cosine; above 1e-3 rounding decides the direction",
            )
        )
        rows += [
            (f"rounding of {name}", number(value), "relative; above 0.02 few digits are left")
            for name, value in record.precision.rounding.items()
        ]
        rows += [
            (f"distinct points of {name}", percent(value), "below 100 %: points fall together in the training dtype")
            for name, value in record.precision.distinct.items()
        ]
    if not rows:
        return Absent("Tests of the gradient", scene.why("derivative_check", "precision", default="they were not run"))
    return Table(("test", "result", "how to read it"), tuple(rows), title="Can the gradient be trusted?", words=True)
