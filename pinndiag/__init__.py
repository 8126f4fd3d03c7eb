"""Diagnose and cure gradient pathologies in physics-informed neural networks (PINNs).

    pinn = pinndiag.wrap(model, {"pde": pde_residual, "bc": bc_residual})
    print(pinndiag.analyze(pinn))

Names are loaded when they are first used, so that the command line starts before torch does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pinndiag._version import __version__

if TYPE_CHECKING:
    from pinndiag import analyzers, checks, integrations, linalg, nn, problems, schemes
    from pinndiag._analysis._analyze import analyze
    from pinndiag._checkpoint import load
    from pinndiag._diagnosis._compare import compare
    from pinndiag._diagnosis._diagnosis import Diagnosis
    from pinndiag._diagnosis._fronts import pareto_fronts
    from pinndiag._errors import CaptureError, CheckpointError, PinndiagError, TermError
    from pinndiag._remediate import Comparison, remediate
    from pinndiag._terms._pinn import PINN
    from pinndiag._terms._wrap import wrap
    from pinndiag._watch import Watch, watch
    from pinndiag.integrations import attach

__all__ = [
    "PINN",
    "CaptureError",
    "CheckpointError",
    "Comparison",
    "Diagnosis",
    "PinndiagError",
    "TermError",
    "Watch",
    "__version__",
    "analyze",
    "analyzers",
    "attach",
    "checks",
    "compare",
    "integrations",
    "linalg",
    "load",
    "nn",
    "pareto_fronts",
    "problems",
    "remediate",
    "schemes",
    "watch",
    "wrap",
]

_HOME = {
    "PINN": "pinndiag._terms._pinn",
    "CaptureError": "pinndiag._errors",
    "CheckpointError": "pinndiag._errors",
    "Comparison": "pinndiag._remediate",
    "Diagnosis": "pinndiag._diagnosis._diagnosis",
    "PinndiagError": "pinndiag._errors",
    "TermError": "pinndiag._errors",
    "Watch": "pinndiag._watch",
    "analyze": "pinndiag._analysis._analyze",
    "attach": "pinndiag.integrations",
    "compare": "pinndiag._diagnosis._compare",
    "load": "pinndiag._checkpoint",
    "pareto_fronts": "pinndiag._diagnosis._fronts",
    "remediate": "pinndiag._remediate",
    "watch": "pinndiag._watch",
    "wrap": "pinndiag._terms._wrap",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in ("analyzers", "checks", "integrations", "linalg", "nn", "problems", "schemes"):
        return import_module(f"pinndiag.{name}")
    raise AttributeError(f"module 'pinndiag' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
