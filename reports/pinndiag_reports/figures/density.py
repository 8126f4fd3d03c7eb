"""Spectral density of the weighted total's Hessian."""

from __future__ import annotations

import numpy as np

from pinndiag_reports._numbers import count, estimate, number, percent
from pinndiag_reports._parts import Absent, Figure, Panel, Part, Table
from pinndiag_reports.figures._plot import Plot
from pinndiag_reports.figures._scale import Log, SymLog, array
from pinndiag_reports.figures._scene import PLAIN, Scene

__all__ = ["density"]

_BINS = 60
_ROWS = 20


def density(scene: Scene) -> Part:
    """Mean weight of the Ritz values over the probes, binned on an axis that is logarithmic on both sides of zero."""
    spectrum = scene.record.spectrum
    name = "Spectral density of the total"
    if spectrum is None or spectrum.density is None:
        return Absent(name, scene.why("curvature.density", "curvature", default="no density in the record"))
    found = spectrum.density
    probes = [
        (array(nodes), array(weights))
        for nodes, weights in zip(found.nodes, found.weights, strict=False)
        if nodes and weights
    ]
    probes = [(nodes[: weights.size], weights[: nodes.size]) for nodes, weights in probes]
    if not probes:
        return Absent(name, "nothing to draw: no Ritz values")
    nodes = np.concatenate([item[0] for item in probes])
    weights = np.concatenate([item[1] for item in probes]) / len(probes)
    good = np.isfinite(nodes) & np.isfinite(weights)
    nodes, weights = nodes[good], weights[good]
    largest = float(np.abs(nodes).max()) if nodes.size else 0.0
    if not largest > 0:
        return Absent(name, "nothing to draw: every Ritz value is zero or not finite")
    x = SymLog.over(nodes, linear=largest * 1e-6)
    low, high = x.bend(array([x.low, x.high]))
    bent = np.linspace(low, high, _BINS + 1)
    edges = np.sign(bent) * x.linear * (10.0 ** np.abs(bent) - 1)
    mass, _ = np.histogram(x.bend(nodes), bins=bent, weights=weights)
    floor = max(float(mass[mass > 0].min()), 1e-8) if (mass > 0).any() else 1e-8
    plot = Plot(
        x,
        Log(np.log10(floor) - 0.3, 0.25),
        width=440,
        height=220,
        x_label="eigenvalue (logarithmic on both sides of 0)",
        y_label="share of the eigenvalues in a bin",
    )
    plot.steps(edges, mass, PLAIN)
    stability = spectrum.stability
    if stability is not None and not stability.preconditioned and stability.sharpness > 0:
        edge = stability.sigma_max.value / stability.sharpness
        if edge <= x.high:
            plot.upright(edge, f"limit {number(edge)}")
    negative = float(weights[nodes < -largest * 1e-6].sum())
    near = float(weights[np.abs(nodes) <= largest * 1e-3].sum())
    merged: dict[str, float] = {}  # the probes find the same outer eigenvalues; equal to three digits is one
    for node, weight in sorted(zip(nodes, weights, strict=True), key=lambda pair: -abs(pair[0])):
        label = number(float(node))
        merged[label] = merged.get(label, 0.0) + float(weight)
    rows = tuple((label, percent(share)) for label, share in list(merged.items())[:_ROWS])
    trace = spectrum.trace
    return Figure(
        "fig-density",
        f"{percent(near)} of the directions are a thousand times flatter than the steepest one; {percent(negative)} "
        f"curve downward",
        (
            Panel(
                plot.svg("density"),
                f"Spectral density; Ritz values from {number(float(nodes.min()))} to {number(float(nodes.max()))}",
            ),
        ),
        note=f"Stochastic Lanczos quadrature, {count(len(probes))} probes of {count(found.steps)} steps; the shares "
        f"are estimates. "
        + (f"Trace {estimate(trace.value, trace.error)} (standard error, {trace.probes} probes). " if trace else "")
        + _limit_note(scene),
        tables=(
            Table(
                ("Ritz value", "share of the eigenvalues"),
                rows,
                folded=f"Numbers: the {len(rows)} largest of {count(len(merged))} distinct Ritz values, by modulus",
                note="Ritz values of all probes that agree in three digits are one row; shares are means over the "
                "probes.",
            ),
        ),
        size="wide",
    )


def _limit_note(scene: Scene) -> str:
    stability = scene.record.spectrum.stability if scene.record.spectrum else None
    if stability is None:
        return ""
    if stability.preconditioned:
        return f"The limit of {stability.optimizer} belongs to its own scaling of the Hessian and is not drawn here."
    return "Eigenvalues right of the dashed limit are unstable at the learning rate in use."
