"""Frameworks for PINNs: one file each, and none of them is imported unless its user has done so.

    handle = pinndiag.attach(model, to="runs/heat")     # a DeepXDE model, a PINA solver, ...: see FRAMEWORKS
    model.train(iterations=10_000)                      # unchanged
    handle.diagnose()
    handle.remove()                                     # the object is as it was
    pinn = pinndiag.wrap(model)                         # its terms, for analyze, save and remediate

Each is built from one or two of three mechanisms: a function that sees all losses of a step is replaced by one that
passes them on, a forward hook stands at every term, or the framework is called out of band.
"""

from pinndiag.integrations._attach import Handle, attach
from pinndiag.integrations._framework import About, AbstractFramework, Trained
from pinndiag.integrations._registry import FRAMEWORKS, known, recognised
from pinndiag.integrations._terms import Terms

__all__ = ["FRAMEWORKS", "About", "AbstractFramework", "Handle", "Terms", "Trained", "attach", "known", "recognised"]
