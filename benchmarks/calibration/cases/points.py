"""Balance inside a term: few points carry it, it has not travelled, it was learned by heart, its points mislead."""

from __future__ import annotations

from benchmarks.calibration.case import Case
from benchmarks.calibration.equations import (
    advection,
    burgers,
    fit,
    layer,
    literature,
    oscillator,
    poisson,
    source,
    square,
)
from benchmarks.calibration.training import Phase, Setup, mlp

__all__ = ["CASES"]

USUAL = (Phase(budget=1500, lr=2e-3),)
LONG = (Phase(budget=2500, lr=2e-3, decay=0.1),)


CASES = [
    Case(
        "pointwise_imbalance/fit/step",
        "sick",
        Setup(fit(1.0, width=0.01), phases=USUAL),
        "pointwise_imbalance",
        strength="a step of width 0.01",
        curable="point weights, L-BFGS",
        quick=True,
    ),
    Case(
        "pointwise_imbalance/source/narrow",
        "sick",
        Setup(source(0.01), phases=USUAL),
        "pointwise_imbalance",
        strength="a source of width 0.01",
        curable="point weights, L-BFGS",
    ),
    Case(
        "pointwise_imbalance/layer/thin",
        "sick",
        Setup(layer(0.03), phases=USUAL),
        "pointwise_imbalance",
        also=("trivial_solution", "inconsistent_terms", "propagation_failure"),
        strength="a layer of width 0.03",
        curable="point weights, L-BFGS, a wider layer first",
    ),
    Case(
        "pointwise_imbalance/fit/just-beyond",
        "sick",
        Setup(fit(1.0, width=0.03), phases=USUAL),
        "pointwise_imbalance",
        strength="just beyond: a step of width 0.03",
        curable="point weights, L-BFGS",
    ),
    Case(
        "pointwise_imbalance/layer/just-short",
        "short",
        Setup(layer(0.5), phases=LONG),
        "pointwise_imbalance",
        strength="just short: a layer of width 0.5",
    ),
    Case(
        "propagation_failure/advection/fast",
        "sick",
        Setup(advection(20.0), mlp(30), USUAL),
        "propagation_failure",
        also=("causality_violation", "spectral_bias"),
        strength="speed 20 (Krishnapriyan et al. 2021: hard from 10 on)",
        curable="causal weights, time windows",
    ),
    Case(
        "causality_violation/oscillator/many-periods",
        "sick",
        Setup(oscillator(40.0), mlp(30), USUAL),
        "causality_violation",
        also=("propagation_failure", "spectral_bias", "trivial_solution"),
        strength="six periods",
        curable="causal weights, time windows, an exact start",
        quick=True,
    ),
    Case(
        "causality_violation/allen-cahn/literature",
        "sick",
        Setup(
            *literature("allen_cahn", {"pde": 400, "ic": 100}),
            phases=(Phase(budget=1500, lr=1e-3),),
        ),
        "causality_violation",
        also=("propagation_failure", "trivial_solution"),
        strength="as published, with fewer points and steps",
        curable="causal weights",
    ),
    Case(
        "causality_violation/oscillator/just-beyond",
        "sick",
        Setup(oscillator(20.0), mlp(30), USUAL),
        "causality_violation",
        also=("propagation_failure",),
        strength="just beyond: three periods",
        curable="causal weights, time windows, an exact start",
    ),
    Case(
        "propagation_failure/advection/just-short",
        "short",
        Setup(advection(1.0), mlp(30), LONG),
        "propagation_failure",
        strength="just short: speed 1",
    ),
    Case(
        "collocation_overfit/square/few-points",
        "sick",
        Setup(square(1.0, points=12, edge=40), mlp(30), (Phase(budget=800), Phase("lbfgs", budget=700))),
        "collocation_overfit",
        strength="12 points for one wave in the square",
        curable="new points",
        quick=True,
    ),
    Case(
        "collocation_overfit/poisson/few-points",
        "sick",
        Setup(poisson(3.0, points=7), mlp(30), (Phase(budget=800), Phase("lbfgs", budget=700))),
        "collocation_overfit",
        strength="7 points for three waves",
        curable="new points",
    ),
    Case(
        "collocation_overfit/burgers/just-beyond",
        "sick",
        Setup(burgers(points=20), mlp(30), (Phase(budget=800), Phase("lbfgs", budget=700))),
        "collocation_overfit",
        strength="just beyond: 20 points",
        curable="new points",
    ),
    Case(
        "collocation_overfit/square/just-short",
        "short",
        Setup(square(0.5, points=100), mlp(20), (Phase(budget=800), Phase("lbfgs", budget=700))),
        "collocation_overfit",
        strength="just short: 100 points for half a wave",
    ),
    Case(
        "aliasing/fit/plane",
        "sick",
        Setup(fit(3.0, dimensions=2, points=7, grid=True), mlp(30), LONG),
        "aliasing",
        also=("spectral_bias",),
        strength="every point of a grid in the plane lies on a zero of the data",
        curable="random points, new ones during the training",
    ),
    Case(
        "aliasing/poisson/grid-on-all-zeros",
        "sick",
        Setup(poisson(20.0, points=41, grid=True), mlp(30), USUAL),
        "aliasing",
        also=("spectral_bias",),
        strength="every point of the grid lies on a zero of the source; the wave is beyond the network, too",
        quick=True,
    ),
    Case(
        "aliasing/fit/grid-on-zeros",
        "sick",
        Setup(poisson(0.5, extra=(0.2, 30.0), points=61, grid=True), mlp(30), USUAL),
        "aliasing",
        also=("spectral_bias",),
        strength="the second wave vanishes at every point; it is beyond the network, too",
    ),
    Case(
        "aliasing/poisson/just-short",
        "short",
        Setup(poisson(1.0, points=41, grid=True), phases=LONG),
        "aliasing",
        strength="just short: a grid of 41 points for one wave",
    ),
]
