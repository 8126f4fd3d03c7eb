"""Measurements, one a file. Each is a function of a wrapped PINN and returns a typed record.

>>> import torch, pinndiag
>>> model = torch.nn.Linear(1, 1, bias=False)
>>> _ = torch.nn.init.constant_(model.weight, 2.0)
>>> x = torch.tensor([[1.0], [3.0]])
>>> pinn = pinndiag.wrap(model, {"data": lambda x: model(x) - x}, points={"data": x})
>>> pinndiag.analyzers.gradients(pinn).terms["data"].grad_l2        # d/dw mean((w x - x)^2) = mean(2 (w - 1) x^2)
10.0
"""

from pinndiag.analyzers._activations import activations
from pinndiag.analyzers._constant import constant
from pinndiag.analyzers._curvature import curvature
from pinndiag.analyzers._derivative_check import derivative_check
from pinndiag.analyzers._estimated_error import estimated_error
from pinndiag.analyzers._gradients import gradients
from pinndiag.analyzers._held_out import held_out
from pinndiag.analyzers._kernel import kernel
from pinndiag.analyzers._noise import noise
from pinndiag.analyzers._pareto import pareto
from pinndiag.analyzers._pointwise import pointwise
from pinndiag.analyzers._precision import precision
from pinndiag.analyzers._probes import descent_probe, term_probes
from pinndiag.analyzers._rescaled import rescaled
from pinndiag.analyzers._restart import restart
from pinndiag.analyzers._solution import solution
from pinndiag.analyzers._start import start
from pinndiag.analyzers._weight_trials import weight_trials
from pinndiag.analyzers._weights import parameters, parameters_of
from pinndiag.analyzers._work import work

__all__ = [
    "activations",
    "constant",
    "curvature",
    "derivative_check",
    "descent_probe",
    "estimated_error",
    "gradients",
    "held_out",
    "kernel",
    "noise",
    "parameters",
    "parameters_of",
    "pareto",
    "pointwise",
    "precision",
    "rescaled",
    "restart",
    "solution",
    "start",
    "term_probes",
    "weight_trials",
    "work",
]
