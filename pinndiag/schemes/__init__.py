"""Balancing schemes: how the terms of a PINN are weighed against each other, from step to step.

    scheme = pinndiag.schemes.DynamicNorm()
    for step in range(20_000):
        optimizer.zero_grad()
        loss = scheme({"pde": pde_residual(), "bc": bc_residual()})   # residuals, or unweighted losses
        loss.backward()
        optimizer.step()
    scheme.weights                                                    # {'pde': 1.0, 'bc': 212.4}
    pinndiag.schemes.by_key("lra")                                    # the classes by their keys: SCHEMES

A scheme is a `torch.nn.Module` without parameters of its own: all it remembers is in its `state_dict()`. What it
decides, it decides from numbers: `weigh(losses, gradients, step)` of a scheme that weighs terms,
`weigh({"pde": residuals}, step)` of one that weighs points, `coefficients(gramian)` of one that chooses a direction can
be driven by stored sequences.
"""

from pinndiag.schemes._about import About
from pinndiag.schemes._aligned_mtl import AlignedMTL
from pinndiag.schemes._brdr import BRDR
from pinndiag.schemes._causal import Causal
from pinndiag.schemes._config import ConFIG
from pinndiag.schemes._dcgd import DCGD
from pinndiag.schemes._direction_scheme import AbstractDirectionScheme
from pinndiag.schemes._dynamic_norm import DynamicNorm
from pinndiag.schemes._explain import explain
from pinndiag.schemes._fixed import Fixed
from pinndiag.schemes._global_grad_norm import GlobalGradNorm
from pinndiag.schemes._grad_norm import GradNorm
from pinndiag.schemes._inverse_dirichlet import InverseDirichlet
from pinndiag.schemes._lr_annealing import LRAnnealing
from pinndiag.schemes._ntk_weights import NTKWeights
from pinndiag.schemes._pcgrad import PCGrad
from pinndiag.schemes._point_grad_norm import PointGradNorm
from pinndiag.schemes._point_scheme import AbstractPointScheme
from pinndiag.schemes._rba import RBA
from pinndiag.schemes._registry import SCHEMES, by_key, make
from pinndiag.schemes._relobralo import ReLoBRaLo
from pinndiag.schemes._scheme import AbstractScheme
from pinndiag.schemes._self_adaptive import SelfAdaptive
from pinndiag.schemes._softadapt import SoftAdapt
from pinndiag.schemes._term_scheme import AbstractTermScheme
from pinndiag.schemes._uncertainty import Uncertainty
from pinndiag.schemes._upgrad import UPGrad

__all__ = [
    "BRDR",
    "DCGD",
    "RBA",
    "SCHEMES",
    "About",
    "AbstractDirectionScheme",
    "AbstractPointScheme",
    "AbstractScheme",
    "AbstractTermScheme",
    "AlignedMTL",
    "Causal",
    "ConFIG",
    "DynamicNorm",
    "Fixed",
    "GlobalGradNorm",
    "GradNorm",
    "InverseDirichlet",
    "LRAnnealing",
    "NTKWeights",
    "PCGrad",
    "PointGradNorm",
    "ReLoBRaLo",
    "SelfAdaptive",
    "SoftAdapt",
    "UPGrad",
    "Uncertainty",
    "by_key",
    "explain",
    "make",
]
