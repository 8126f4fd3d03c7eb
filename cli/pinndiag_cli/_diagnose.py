"""The work of `analyze`: load a checkpoint, state the cost, measure, judge."""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, final

import msgspec

from pinndiag import PinndiagError
from pinndiag_cli._loading import described, device_of, dtype_of
from pinndiag_cli._progress import Progress

if TYPE_CHECKING:
    from pinndiag import Diagnosis

__all__ = ["Request", "diagnose"]


@final
class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    target: Path
    factory: str | None
    unsafe: bool
    device: str | None
    dtype: str | None
    quick: bool
    thorough: bool
    seed: int
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    thresholds: dict[str, float]


def diagnose(request: Request, shown: Progress) -> tuple[Diagnosis, PinndiagError | None]:
    """Load and analyse; beside the diagnosis of mere weights stands the error that says what is lacking."""
    shown.begin("loading torch")
    import pinndiag
    from pinndiag._analysis._analyze import analyze_weights
    from pinndiag._analysis._plan import plan
    from pinndiag._checkpoint import NoTermsError

    device, dtype = device_of(request.device), dtype_of(request.dtype)
    shown.begin(f"loading {request.target}")
    source = str(request.target)
    try:
        pinn = pinndiag.load(request.target, factory=request.factory, device=device, dtype=dtype, unsafe=request.unsafe)
    except NoTermsError as error:
        taken = [f"weights taken from {error.where}"]
        return analyze_weights(error.weights, name=request.target.name, source=source, notes=taken), error
    stages = plan(pinn, quick=request.quick, thorough=request.thorough)
    total = sum(stage.gradients for stage in stages)
    shown.state(
        f"{described(pinn, request.target.name)}\n"
        f"measuring in {len(stages)} steps, at a cost of about {total:.0f} gradients of the total loss"
        + ("" if request.quick else " (--quick: fewer)")
    )
    threading.Thread(target=import_module, args=("pinndiag_reports._html",), daemon=True).start()  # used afterwards
    diagnosis = pinndiag.analyze(
        pinn,
        quick=request.quick,
        thorough=request.thorough,
        seed=request.seed,
        select=request.select,
        ignore=request.ignore,
        thresholds=request.thresholds,
        name=request.target.name,
        source=source,
        progress=shown.stage,
    )
    return diagnosis, None
