"""Networks of the PINN literature, and their derivatives.

    net = MLP(2, 1, width=50, depth=4, scaling=Normalisation.unit([0, -1], [1, 1]))
    u, u_t, u_x, u_xx = derivatives(net, x, "t", "x", "xx", axes="tx")
    residual = u_t + u * u_x - viscosity * u_xx

Ordinary modules with ordinary state dicts; nothing else of pinndiag is needed to use them.
"""

from pinndiag.nn._adaptive import AdaptiveTanh, slope_recovery
from pinndiag.nn._derivatives import derivatives
from pinndiag.nn._fourier import FourierFeatures
from pinndiag.nn._mlp import MLP, glorot
from pinndiag.nn._modified_mlp import ModifiedMLP
from pinndiag.nn._normalisation import Normalisation

__all__ = [
    "MLP",
    "AdaptiveTanh",
    "FourierFeatures",
    "ModifiedMLP",
    "Normalisation",
    "derivatives",
    "glorot",
    "slope_recovery",
]
