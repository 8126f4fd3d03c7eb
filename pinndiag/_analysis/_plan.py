"""Which analyzers an analysis runs, in which order, and what each costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import msgspec

from pinndiag import analyzers as measure
from pinndiag._errors import PinndiagError
from pinndiag._records import Curvature
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View

__all__ = ["LEFT_OUT", "Event", "Stage", "plan", "stages"]

FRAME = "gradients"  # what every record of a term begins with: part of any analysis
LEFT_OUT = "left out by quick"  # a reason


@final
@dataclass(frozen=True)
class Stage:
    """One analyzer in the plan of an analysis.

    Attributes:
        name: the analyzer's name, as in `analyzers=[...]`.
        words: what it does, for a progress line.
        gradients: what it costs, in gradients of the total (a rough figure, known beforehand).
        active: an experiment on a copy, left out by `quick`.
        beside: works on copies of its own and takes long, so that it may run beside the others.
        extra: only run by `thorough`, or when named.
    """

    name: str
    words: str
    gradients: int | float  # beartype, in the tests, takes no int for a float
    run: Callable[[View, int], Any]
    active: bool = False
    beside: bool = False
    extra: bool = False

    @property
    def cost(self) -> str:
        """The cost in words."""
        return f"about {self.gradients:.0f} gradient{'s' if self.gradients != 1 else ''}"


@final
@dataclass(frozen=True)
class Event:
    """Progress: a stage is about to begin."""

    stage: str
    index: int
    count: int
    cost: str


def stages(terms: int, *, quick: bool = False) -> list[Stage]:
    """Every analyzer, in the order in which they run; `quick` leaves out the spectral density of the curvature."""
    hessian = 30 * (terms + 1) + (0 if quick else 160)
    trials = 130 * (2 * terms + 1 if terms > 2 else 3)
    return [
        Stage("gradients", "gradients of every term", 1, _plain(measure.gradients)),
        Stage("pareto", "Pareto stationarity", 0, _plain(measure.pareto)),
        Stage("parameters", "parameters", 0, _plain(measure.parameters)),
        Stage("solution", "error against the reference", 1, _plain(measure.solution)),
        Stage("curvature", "Hessian eigenvalues by Lanczos", hessian, partial(_curvature, quick=quick)),
        Stage("kernel", "neural tangent kernel", 5 * terms, _seeded(measure.kernel)),
        Stage("pointwise", "residuals point by point", 5 * terms, _seeded(measure.pointwise)),
        Stage("work", "remaining work", terms, _seeded(measure.work)),
        Stage(
            "estimated_error",
            "error estimated from the residuals",
            4 * terms,
            _seeded(measure.estimated_error),
            active=True,
        ),
        Stage("constant", "against the best constant output", 6, _plain(measure.constant)),
        Stage("activations", "activations", 1, _plain(measure.activations)),
        Stage("held_out", "residuals at fresh points", 2, _seeded(measure.held_out), active=True),
        Stage("precision", "the same in float64", 4, _plain(measure.precision), active=True),
        Stage("derivative_check", "derivatives checked", 15 * terms, _seeded(measure.derivative_check), active=True),
        Stage("noise", "noise of the batches", 16, _seeded(measure.noise), active=True),
        Stage("start", "the initial parameters", 20, _seeded(measure.start), active=True),
        Stage("descent_probe", "L-BFGS on a copy", 220, _seeded(measure.descent_probe), active=True, beside=True),
        Stage(
            "term_probes",
            "L-BFGS on each term alone",
            130 * terms,
            _seeded(measure.term_probes),
            active=True,
            beside=True,
        ),
        Stage(
            "weight_trials",
            "other weights on a copy",
            trials,
            _seeded(measure.weight_trials),
            active=True,
            beside=True,
            extra=True,
        ),
        Stage(
            "restart",
            "the training begun again on copies",
            400,
            _seeded(measure.restart),
            active=True,
            beside=True,
            extra=True,
        ),
        Stage(
            "rescaled",
            "inputs and output rescaled on a copy",
            200,
            _seeded(measure.rescaled),
            active=True,
            beside=True,
            extra=True,
        ),
    ]


def _plain(analyzer: Callable[[View], Any]) -> Callable[[View, int], Any]:
    return lambda view, seed: analyzer(view)


def _seeded(analyzer: Callable[..., Any]) -> Callable[[View, int], Any]:
    return lambda view, seed: analyzer(view, seed=seed)


def _curvature(view: View, seed: int, *, quick: bool) -> Curvature:
    found = measure.curvature(view, seed=seed, density=not quick)
    left_out = dict.fromkeys(("density", "trace"), LEFT_OUT) if quick else {}
    return msgspec.structs.replace(found, reasons=left_out | found.reasons)


def plan(
    pinn: PINN, *, analyzers: Iterable[str] | None = None, quick: bool = False, thorough: bool = False
) -> list[Stage]:
    """The analyzers that `analyze` would run, with their costs. The gradients are always among them.

    Raises:
        PinndiagError: a name in `analyzers` is unknown, or both `quick` and `thorough` are asked.
    """
    if quick and thorough:
        raise PinndiagError("quick and thorough exclude each other", fix="ask for one of them")
    known = stages(len(pinn.names), quick=quick)
    if analyzers is None:
        return [s for s in known if not (quick and s.active) and (thorough or not s.extra)]
    wanted = list(analyzers)
    unknown = [name for name in wanted if name not in {s.name for s in known}]
    if unknown:
        raise PinndiagError(
            f"there is no analyzer called {', '.join(map(repr, unknown))}",
            where=f"known: {', '.join(s.name for s in known)}",
            fix="use names from that list",
        )
    return [s for s in known if s.name in wanted or s.name == FRAME]
