"""`attach`: one line before the training, for the objects of every framework."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

from torch import Tensor

from pinndiag import schemes
from pinndiag._diagnosis._rules import Changes
from pinndiag._errors import PinndiagError
from pinndiag._watch import Watch, watch
from pinndiag.integrations._framework import About
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._registry import recognised
from pinndiag.integrations._taps import Removable
from pinndiag.schemes._registry import scheme_of

if TYPE_CHECKING:
    from pinndiag._diagnosis._diagnosis import Diagnosis
    from pinndiag._store import Run
    from pinndiag._terms._pinn import PINN
    from pinndiag._watch import When

__all__ = ["Handle", "attach"]


def attach(
    subject: Any,
    *,
    to: str | Path | None = None,
    every: When = 100,
    histograms: When | None = None,
    curvature: When | None = None,
    scheme: schemes.AbstractScheme | str | None = None,
    solution: tuple[Any, Tensor] | None = None,
    names: Sequence[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Handle:
    """Watch the training of a framework's object; its own training call stays as it is.

        handle = pinndiag.attach(model, to="runs/heat", every=100)
        model.train(iterations=20_000)
        print(handle.diagnose())
        handle.remove()

    Objects of DeepXDE, PINA, TorchPhysics, neurodiffeq, NeuroMancer, PhysicsNeMo-Sym and modules of Lightning are known
    by their classes' module. Without a scheme the training is that without the handle, bit for bit.

    Args:
        subject: the object that trains, compiled or built, before its training call.
        to: the run folder, as in `watch`; None keeps the records in memory.
        every: when the terms are measured, as in `watch`.
        histograms: when the layers are measured, as in `watch`.
        curvature: when the Hessians are measured, as in `watch`.
        scheme: a scheme that gives each term one weight, or its key; it moves the weights where the framework keeps
            them, between the optimizer's steps.
        solution: (points, values) of a known solution, as in `watch`.
        names: what the terms are called, all of them, in the framework's order; default: as the framework calls them.
        resume: go on with the run in `to`.
        overwrite: replace the run in `to`.

    Raises:
        PinndiagError: an object that is not known, or a scheme that gives more than one weight a term. In training:
            names that are not one for each term.

    Cost: a measured step costs one more backward pass of every term; others next to nothing.
    """
    framework = recognised(subject)
    if scheme is not None:
        scheme = _one_weight_a_term(scheme, framework.about.takes)
        warnings.warn(f"pinndiag: {framework.about.caution}", UserWarning, stacklevel=2)
    trained = framework.trained()
    watching = watch(
        trained.model,
        list(trained.optimizers),
        to=to,
        every=every,
        histograms=histograms,
        curvature=curvature,
        scheme=scheme,
        solution=solution,
        parameters=trained.parameters,
        resume=resume,
        overwrite=overwrite,
    )
    observe = Observer(watching, balanced=scheme is not None, names=names)
    return Handle(watching, framework.about, framework.attach(observe))


@final
class Handle:
    """An object of a framework under watch; made by `attach`. Also a context manager.

    Attributes:
        watch: what records; see `pinndiag.watch`.
        about: the framework, and what else in it depends on the weights.
    """

    def __init__(self, watch: Watch, about: About, parts: Sequence[Removable]) -> None:
        self.watch, self.about = watch, about
        self._parts = list(parts)

    @property
    def weights(self) -> Mapping[str, float]:
        """The weights of the scheme's last step."""
        return self.watch.weights

    def run(self) -> Run:
        """The records so far."""
        return self.watch.run()

    def diagnose(
        self,
        pinn: PINN | None = None,
        *,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        thresholds: Changes = None,
    ) -> Diagnosis:
        """Judge the run so far; see `Watch.diagnose`. `pinndiag.wrap` of the same object gives the PINN."""
        return self.watch.diagnose(pinn, select=select, ignore=ignore, thresholds=thresholds)

    def remove(self) -> None:
        """Write what waits, and leave the object as it was found."""
        for part in reversed(self._parts):
            part.remove()
        self._parts = []
        self.watch.close()

    def __enter__(self) -> Handle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def _one_weight_a_term(scheme: schemes.AbstractScheme | str, takes: str) -> schemes.AbstractScheme:
    made = scheme_of(scheme)
    if not isinstance(made, schemes.AbstractTermScheme) or isinstance(made, schemes.NTKWeights):
        reason = "needs the residuals point by point" if isinstance(made, schemes.NTKWeights) else "weighs points"
        raise PinndiagError(
            f"the scheme {made.about.key!r} cannot move the weights of {takes}",
            where=f"{type(made).__name__}, which {'chooses a direction' if made.directs else reason}",
            cause="the framework has one weight for each term's loss, and sums them itself",
            fix="use a scheme of one weight a term, such as 'dynamic_norm' or 'lra', "
            "or write the loop and use pinndiag.watch",
        )
    return made
