"""The equations of the cases, each small enough for some seconds of one core.

Each is a maker: options, then a dtype, give an `Equation` whose points come from torch's global generator.
"""

from benchmarks.calibration.equations._domain import Factor, Pose
from benchmarks.calibration.equations._fit import fit
from benchmarks.calibration.equations._interval import eigen, layer, poisson, source
from benchmarks.calibration.equations._literature import literature
from benchmarks.calibration.equations._ordinary import decay_inverse, logistic, oscillator
from benchmarks.calibration.equations._plane import advection, burgers, heat, square

__all__ = [
    "Factor",
    "Pose",
    "advection",
    "burgers",
    "decay_inverse",
    "eigen",
    "fit",
    "heat",
    "layer",
    "literature",
    "logistic",
    "oscillator",
    "poisson",
    "source",
    "square",
]
