"""`analyze`: run the analyzers, merge their records, judge."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import torch
from torch import Tensor

from pinndiag import analyzers as measure
from pinndiag._analysis._merge import empty, merge
from pinndiag._analysis._plan import LEFT_OUT, Event, plan, stages
from pinndiag._analysis._running import run_stages
from pinndiag._diagnosis._diagnosis import Diagnosis
from pinndiag._diagnosis._judge import judge
from pinndiag._diagnosis._rules import Changes, rules
from pinndiag._errors import PinndiagError
from pinndiag._records import ONLY_THOROUGH, OptimizerCard, Parameters, RunCard
from pinndiag._terms._pinn import PINN
from pinndiag._version import __version__

__all__ = ["analyze", "analyze_weights"]


def analyze(
    pinn: PINN,
    *,
    analyzers: Sequence[str] | None = None,
    quick: bool = False,
    thorough: bool = False,
    seed: int = 0,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Changes = None,
    name: str = "",
    source: str = "",
    progress: Callable[[Event], None] | None = None,
) -> Diagnosis:
    """Measure a wrapped PINN and say what is wrong with it. Nothing of the PINN is changed.

    Args:
        pinn: from `wrap` or `load`.
        analyzers: names of analyzers to run (see `pinndiag.analyzers`); default all but the extra ones. The gradients
            of the terms are always measured: the record of a term begins with them.
        quick: no active tests (experiments on a copy).
        thorough: the extra active tests too.
        seed: of every random choice (points, start vectors, probes).
        select: codes or prefixes of the checks to judge by; default those of `[tool.pinndiag]` in the nearest
            pyproject.toml, or all.
        ignore: codes or prefixes of the checks to leave out; default likewise.
        thresholds: other bounds than the default ones, such as `{"work_ratio": 50}`; they win over those of
            `[tool.pinndiag.thresholds]`.
        name: how the report calls the PINN.
        source: the file it came from, for the report.
        progress: called with an `Event` before each stage.

    Cost: what `plan` states, in gradients; memory as `PINN.pieces` bounds it, plus the Lanczos basis.
    """
    if not isinstance(pinn, PINN):
        raise PinndiagError(
            "analyze needs a wrapped PINN",
            where=f"got {type(pinn).__name__}",
            cause="a file name or the bare model was passed",
            fix="pinndiag.analyze(pinndiag.load(path)), or pinndiag.analyze(pinndiag.wrap(model, terms))",
        )
    by = rules(select, ignore, thresholds)
    chosen = plan(pinn, analyzers=analyzers, quick=quick, thorough=thorough)
    began = time.perf_counter()
    found, reasons, seconds = run_stages(chosen, pinn, seed, progress)
    for stage in stages(len(pinn.names)):
        if stage.name not in found and stage.name not in reasons:
            left_out = LEFT_OUT if quick and stage.active else ""
            only = ONLY_THOROUGH if stage.extra and analyzers is None else "was not asked for"
            reasons[stage.name] = left_out or only
    card = RunCard(
        name=name or "PINN",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        pinndiag=__version__,
        torch=str(torch.__version__),
        python=platform.python_version(),
        device=str(pinn.device),
        dtype=str(pinn.dtype).removeprefix("torch."),
        parameters=pinn.size,
        mode="chosen" if analyzers is not None else "quick" if quick else "thorough" if thorough else "standard",
        seed=seed,
        seconds=time.perf_counter() - began,
        costs=seconds,
        source=source,
        origin=pinn.origin,
        factory=pinn.factory,
        optimizer=_optimizer_card(pinn),
        notes=pinn.notes,
    )
    return Diagnosis(judge(merge(pinn, found, reasons, card), **by))


def analyze_weights(
    tensors: Mapping[str, Tensor],
    *,
    name: str = "",
    source: str = "",
    notes: Sequence[str] = (),
    why: str = "the file holds weights only",
) -> Diagnosis:
    """What weights alone can tell (a file without loss terms): non-finite, dead, norms. `why` there is no more."""
    began = time.perf_counter()
    parameters: Parameters = measure.parameters_of(tensors)
    card = RunCard(
        name=name or "weights",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        pinndiag=__version__,
        torch=str(torch.__version__),
        python=platform.python_version(),
        device="cpu",
        dtype=", ".join(sorted({str(t.dtype).removeprefix("torch.") for t in tensors.values()})),
        parameters=parameters.entries,
        mode="weights",
        seed=0,
        seconds=time.perf_counter() - began,
        source=source,
        notes=list(notes),
    )
    reasons = {stage.name: f"needs the loss terms; {why}" for stage in stages(1) if stage.name != "parameters"}
    blank = empty(card, reasons)
    return Diagnosis(judge(msgspec.structs.replace(blank, parameters=parameters), **rules()))


def _optimizer_card(pinn: PINN) -> OptimizerCard | None:
    optimizer = pinn.optimizer
    if optimizer is None:
        return None
    return OptimizerCard(
        kind=optimizer.kind,
        lr=optimizer.lr,
        settings=optimizer.settings,
        has_state=bool(optimizer.state),
        counts=optimizer.counts,
    )
