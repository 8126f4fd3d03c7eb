"""Balancing schemes: how the terms of a PINN are weighed against each other, from step to step."""

from pinndiag.schemes._dynamic_norm import DynamicNorm
from pinndiag.schemes._fixed import Fixed
from pinndiag.schemes._global_grad_norm import GlobalGradNorm
from pinndiag.schemes._inverse_dirichlet import InverseDirichlet
from pinndiag.schemes._lr_annealing import LRAnnealing
from pinndiag.schemes._registry import SCHEMES, by_key

__all__ = ["SCHEMES", "DynamicNorm", "Fixed", "GlobalGradNorm", "InverseDirichlet", "LRAnnealing", "by_key"]
