"""Which framework an object belongs to."""

from __future__ import annotations

import warnings
from importlib import metadata
from typing import Any

from pinndiag._errors import PinndiagError
from pinndiag.integrations._deepxde import DeepXDE
from pinndiag.integrations._framework import AbstractFramework
from pinndiag.integrations._lightning import Lightning, PytorchLightning
from pinndiag.integrations._neurodiffeq import Neurodiffeq
from pinndiag.integrations._neuromancer import NeuroMancer
from pinndiag.integrations._physicsnemo_sym import PhysicsNeMoSym
from pinndiag.integrations._pina import PINA
from pinndiag.integrations._torchphysics import TorchPhysics

__all__ = ["FRAMEWORKS", "known", "recognised"]

# in this order: the solvers of PINA and TorchPhysics are modules of Lightning, too
FRAMEWORKS: dict[str, type[AbstractFramework]] = {
    framework.about.key: framework
    for framework in (
        DeepXDE,
        PINA,
        TorchPhysics,
        Neurodiffeq,
        NeuroMancer,
        PhysicsNeMoSym,
        Lightning,
        PytorchLightning,
    )
}


def known(subject: Any) -> bool:
    """Whether an object belongs to a framework that has an integration."""
    return _of(subject) is not None


def recognised(subject: Any, data: Any = None) -> AbstractFramework:
    """The framework of an object, by the modules of its classes; nothing is imported.

    Args:
        subject: the object.
        data: what its terms are evaluated on out of band, where it does not know that itself.

    Raises:
        PinndiagError: it belongs to none, or is not the object of its framework that trains.
    """
    framework = _of(subject)
    if framework is None:
        raise PinndiagError(
            f"{type(subject).__name__} belongs to no framework that is known",
            where=f"got {type(subject).__module__}.{type(subject).__qualname__}; "
            f"known: {', '.join(dict.fromkeys(f.about.takes for f in FRAMEWORKS.values()))}",
            cause="it is a plain module, or an object beside the one that trains",
            fix="in a loop of your own use pinndiag.watch(model, optimizer); "
            "to analyse a network, pinndiag.wrap(model, terms)",
        )
    _look_at_version(framework)
    return framework(subject, data)


def _of(subject: Any) -> type[AbstractFramework] | None:
    modules = [f"{cls.__module__}." for cls in type(subject).__mro__]
    return next((f for f in FRAMEWORKS.values() if any(m.startswith(f"{f.about.package}.") for m in modules)), None)


def _look_at_version(framework: type[AbstractFramework]) -> None:
    about = framework.about
    try:
        version = metadata.version(about.distribution)
    except metadata.PackageNotFoundError:  # run from its sources
        version = "of unknown version"
    if version not in about.tested:
        warnings.warn(
            f"pinndiag was tested with {about.distribution} {', '.join(about.tested) or 'in no version'}; "
            f"this is {version}",
            UserWarning,
            stacklevel=4,
        )
