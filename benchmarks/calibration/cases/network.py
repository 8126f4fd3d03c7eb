"""What the network can say: frequencies, size, where it starts, where it comes to rest."""

from __future__ import annotations

from torch import nn

from benchmarks.calibration.case import Case
from benchmarks.calibration.equations import eigen, fit, heat, logistic, oscillator, poisson, square
from benchmarks.calibration.training import Phase, Setup, mlp

__all__ = ["CASES"]

USUAL = (Phase(budget=1500, lr=2e-3),)
LONG = (Phase(budget=1800, lr=4e-3, decay=0.1),)

CASES = [
    Case(
        "spectral_bias/fit/ten-waves",
        "sick",
        Setup(fit(20.0), phases=USUAL),
        "spectral_bias",
        strength="twenty half waves in a half: a frequency far beyond the network's",
        curable="Fourier features",
        quick=True,
    ),
    Case(
        "spectral_bias/poisson/eight-waves",
        "sick",
        Setup(poisson(8.0, points=200), mlp(30), USUAL),
        "spectral_bias",
        also=("pde_dominates",),
        strength="eight waves",
        curable="Fourier features",
        subset=False,
    ),
    Case(
        "spectral_bias/fit/plane",
        "sick",
        Setup(fit(6.0, dimensions=2, points=400), phases=USUAL),
        "spectral_bias",
        strength="six waves along both coordinates",
        curable="Fourier features",
    ),
    Case(
        "spectral_bias/fit/just-short",
        "short",
        Setup(fit(2.0), phases=LONG),
        "spectral_bias",
        strength="just short: two waves",
    ),
    Case(
        "trivial_solution/eigen/zero",
        "sick",
        Setup(eigen(), phases=USUAL),
        "trivial_solution",
        strength="zero solves every term",
        curable="the size of the unknown fixed",
        code={"normalised_unknown": Setup(eigen(normalised=True), phases=USUAL)},
        quick=True,
    ),
    Case(
        "trivial_solution/logistic/unstable-zero",
        "sick",
        Setup(logistic(1e-3, rate=15.0), phases=USUAL),
        "trivial_solution",
        also=("causality_violation", "propagation_failure", "condition_dominates", "pde_dominates"),
        strength="zero solves the equation and all but 1e-3 of the condition",
        curable="the condition exactly, causal weights",
    ),
    Case(
        "trivial_solution/oscillator/long-horizon",
        "sick",
        Setup(oscillator(60.0, points=200), mlp(30), (Phase(budget=1500, lr=2e-3),)),
        "trivial_solution",
        also=("causality_violation", "propagation_failure", "spectral_bias"),
        strength="ten periods: zero solves the equation far from the start",
        curable="the condition exactly, causal weights",
        subset=False,
    ),
    Case(
        "trivial_solution/eigen/normalised",
        "short",
        Setup(eigen(normalised=True), phases=LONG),
        "trivial_solution",
        strength="the same with the size fixed",
        subset=False,
    ),
    Case(
        "insufficient_capacity/fit/two-units",
        "sick",
        Setup(fit(3.0), mlp(2, 1), (Phase(budget=1500, lr=5e-3), Phase("lbfgs", budget=400))),
        "insufficient_capacity",
        strength="two units for three waves",
        curable="more units",
        quick=True,
    ),
    Case(
        "insufficient_capacity/square/three-units",
        "sick",
        Setup(square(0.5), mlp(3, 1), (Phase(budget=1500, lr=5e-3), Phase("lbfgs", budget=400))),
        "insufficient_capacity",
        strength="three units in the square",
        curable="more units",
        subset=False,
    ),
    Case(
        "insufficient_capacity/heat/no-activation",
        "sick",
        Setup(heat(), mlp(20, 2, activation=nn.Identity), USUAL),
        "insufficient_capacity",
        strength="the activation was forgotten: the output is affine",
        curable="the activation",
        code={"activation": Setup(heat(), mlp(20, 2), USUAL)},
    ),
    Case(
        "insufficient_capacity/poisson/just-short",
        "short",
        Setup(poisson(0.5), mlp(8, 2), (Phase(budget=1500, lr=5e-3), Phase("lbfgs", budget=400))),
        "insufficient_capacity",
        strength="just short: two layers of eight units for half a wave",
    ),
    Case(
        "bad_initialisation/poisson/vanishing",
        "sick",
        Setup(poisson(), mlp(20, 5, gain=0.02), USUAL),
        "bad_initialisation",
        strength="weights 50 times too small in five layers",
        curable="Glorot's rule",
        subset=False,
    ),
    Case(
        "bad_initialisation/square/saturated",
        "sick",
        Setup(_square := square(), mlp(20, 4, gain=12.0), USUAL),
        "bad_initialisation",
        also=("input_scaling",),
        strength="weights 12 times too large",
        curable="Glorot's rule",
        quick=True,
    ),
    Case(
        "bad_initialisation/heat/vanishing",
        "sick",
        Setup(heat(), mlp(20, 6, gain=0.1), USUAL),
        "bad_initialisation",
        strength="just beyond: weights ten times too small in six layers",
        curable="Glorot's rule",
    ),
    Case(
        "bad_initialisation/poisson/just-short",
        "short",
        Setup(poisson(0.5), mlp(20, 3, gain=0.6), LONG),
        "bad_initialisation",
        strength="just short: weights 0.6 of the usual",
    ),
]
