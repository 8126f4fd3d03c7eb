"""The optimizer: its rate, its digits, its noise, its end."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.calibration.case import Case
from benchmarks.calibration.equations import burgers, fit, heat, oscillator, poisson, square
from benchmarks.calibration.training import Phase, Setup

__all__ = ["CASES"]

LBFGS = Phase("lbfgs", budget=600, settings={"tolerance_grad": 1e-7, "tolerance_change": 1e-9})


def _tiny(setup: Setup, size: float) -> Setup:
    """The whole loss in units that make it tiny."""
    terms = setup.pose(setup.dtype).terms
    return setup.weighted(**{name: size * term.weight for name, term in terms.items()})


CASES = [
    Case(
        "lr_too_high/heat/adam",
        "sick",
        Setup(heat(), phases=(Phase(lr=0.3, budget=1000),)),
        "lr_too_high",
        also=("saturation",),
        strength="Adam with a rate of 0.3",
        curable="a smaller rate",
        quick=True,
    ),
    Case(
        "lr_too_high/poisson/descent",
        "sick",
        Setup(poisson(), phases=(Phase("sgd", lr=3e-3, budget=1000),)),
        "lr_too_high",
        also=("saturation", "nonfinite"),
        strength="plain descent several times beyond its limit",
        curable="a smaller rate",
    ),
    Case(
        "lr_too_high/oscillator/adam",
        "sick",
        Setup(oscillator(), phases=(Phase(lr=0.1, budget=1000),)),
        "lr_too_high",
        also=("saturation",),
        strength="just beyond: Adam with a rate of 0.1",
        curable="a smaller rate",
    ),
    Case(
        "lr_too_high/fit/just-short",
        "short",
        Setup(fit(), phases=(Phase(lr=0.01, budget=1500, decay=0.01),)),
        "lr_too_high",
        strength="just short: Adam with a rate of 0.01 that decays",
    ),
    Case(
        "saturation/poisson/huge-steps",
        "sick",
        Setup(poisson(), phases=(Phase(lr=3.0, budget=300),)),
        "saturation",
        also=("lr_too_high",),
        strength="Adam with a rate of 3: every unit saturates",
        curable="a smaller rate, from the start",
    ),
    Case(
        "saturation/fit/huge-steps",
        "sick",
        Setup(fit(dimensions=2), phases=(Phase(lr=2.0, budget=300),)),
        "saturation",
        also=("lr_too_high",),
        strength="Adam with a rate of 2: every unit saturates",
        curable="a smaller rate, from the start",
    ),
    Case(
        "saturation/fit/just-short",
        "short",
        Setup(fit(width=0.2), phases=(Phase(budget=2000, lr=1e-2, decay=0.01),)),
        "saturation",
        strength="just short: a step of width 0.2 needs some saturated units",
    ),
    Case(
        "ill_conditioning/fit/descent",
        "sick",
        Setup(fit(2.0), phases=(Phase("sgd", lr=0.05, budget=2000),)),
        "ill_conditioning",
        also=("under_trained",),
        strength="plain descent near the edge of its stability",
        curable="L-BFGS",
        quick=True,
    ),
    Case(
        "ill_conditioning/fit/plane",
        "sick",
        Setup(fit(2.0, dimensions=2), phases=(Phase("sgd", lr=0.05, budget=1500),)),
        "ill_conditioning",
        also=("under_trained",),
        strength="plain descent near the edge of its stability, in the plane",
        curable="L-BFGS",
    ),
    Case(
        "ill_conditioning/fit/just-short",
        "short",
        Setup(fit(), phases=(Phase(budget=800), Phase("lbfgs", budget=400))),
        "ill_conditioning",
        strength="just short: L-BFGS has ended what Adam began",
        subset=False,
    ),
    Case(
        "under_trained/square/few-steps",
        "sick",
        Setup(square(), phases=(Phase(lr=1e-3, budget=150),)),
        "under_trained",
        strength="150 steps",
        curable="L-BFGS, a larger rate",
        quick=True,
    ),
    Case(
        "under_trained/heat/tiny-rate",
        "sick",
        Setup(heat(), phases=(Phase(lr=1e-5, budget=1500),)),
        "under_trained",
        strength="a rate of 1e-5",
        curable="a larger rate, L-BFGS",
    ),
    Case(
        "under_trained/burgers/early-decay",
        "sick",
        Setup(burgers(), phases=(Phase(lr=1e-3, budget=1000, decay=1e-5),)),
        "under_trained",
        strength="the rate had decayed after a few hundred steps",
        curable="a larger rate, L-BFGS",
        subset=False,
    ),
    Case(
        "under_trained/heat/just-short",
        "short",
        Setup(heat(), phases=(Phase(budget=1500, decay=0.05), Phase("lbfgs", budget=800))),
        "under_trained",
        strength="just short: trained to its end",
    ),
    Case(
        "premature_stop/poisson/tiny-loss",
        "sick",
        _tiny(Setup(poisson(0.5), phases=(Phase(budget=60), LBFGS)), 1e-7),
        "premature_stop",
        strength="torch's default tolerances, a loss in units that make it 1e-7 as large",
        curable="the loss scaled, no tolerances, float64",
        quick=True,
    ),
    Case(
        "premature_stop/heat/tiny-loss",
        "sick",
        _tiny(Setup(heat(), phases=(Phase(budget=60), LBFGS)), 1e-6),
        "premature_stop",
        strength="torch's default tolerances, a loss in units that make it 1e-6 as large",
        curable="the loss scaled, no tolerances, float64",
    ),
    Case(
        "premature_stop/heat/just-short",
        "short",
        Setup(heat(), phases=(Phase(budget=800), replace(LBFGS, settings={}, budget=1200))),
        "premature_stop",
        strength="just short: no tolerances, a loss of order one",
        subset=False,
    ),
    Case(
        "gradient_noise/fit/two-points",
        "sick",
        Setup(fit(2.0, dimensions=2, points=400), phases=(Phase(lr=1e-2, budget=1500),)).terms(batch=2),
        "gradient_noise",
        strength="two of 400 points a step",
        curable="a larger batch",
        quick=True,
    ),
    Case(
        "gradient_noise/square/few-points",
        "sick",
        Setup(square(), phases=(Phase(lr=1e-2, budget=1500),)).terms(batch=3),
        "gradient_noise",
        strength="three points of each term a step",
        curable="a larger batch",
        judged="run",
    ),
    Case(
        "gradient_noise/fit/just-short",
        "short",
        Setup(fit(dimensions=2, points=400), phases=(Phase(lr=3e-3, budget=1500, decay=0.05),)).terms(batch=200),
        "gradient_noise",
        strength="just short: half of the points a step",
        judged="run",
    ),
]
