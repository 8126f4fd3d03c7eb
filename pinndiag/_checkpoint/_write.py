"""Writing a self-contained checkpoint."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import torch

from pinndiag._capture import captured
from pinndiag._checkpoint._format import (
    KEY,
    VERSION,
    Layout,
    StoredOptimizer,
    StoredPoints,
    StoredReference,
    StoredTerm,
    plain,
)
from pinndiag._checkpoint._read import restored
from pinndiag._checkpoint._refusal import Refusal
from pinndiag._errors import CheckpointError
from pinndiag._terms._pinn import PINN
from pinndiag._terms._points import PointSet
from pinndiag._terms._view import View
from pinndiag._version import __version__

__all__ = ["FRESH", "save"]

FRESH = 4096  # points drawn by the user's sampler, which cannot be stored itself


def save(pinn: PINN, path: str | Path, *, skip_uncapturable: bool = False) -> Path:
    """Write a self-contained checkpoint; see `PINN.save`.

    It is an ordinary file of torch.save: `torch.load(path)["state_dict"]` is the model's state dict. Before it appears
    under its name the file is read back as `load` would, and its losses and gradients are compared.

    Args:
        pinn: what to write.
        path: the file; one that exists is replaced, whole or not at all.
        skip_uncapturable: leave out terms that cannot be captured, with a note in the file, instead of refusing.

    Raises:
        CaptureError: a term cannot be captured, or none can.
        CheckpointError: the file cannot be written, or does not give the same figures when it is read back.

    Cost: the capture, three evaluations of each term with a backward pass, `FRESH` calls' worth of each sampler.
    """
    path = Path(path)
    capture = captured(pinn, partial=skip_uncapturable)
    # figures come from the CPU twin, because that is what a reader compares with
    view = View(capture.rebuilt(device="cpu"))
    twin = view.pinn
    notes = [*pinn.notes, *capture.notes]
    notes += [
        f"term {name!r} is not in the file: {reason.splitlines()[0]}" for name, reason in capture.failures.items()
    ]
    terms = []
    for name, info in twin.infos.items():
        fresh, note = _fresh(pinn, name)
        notes += [note] if note else []
        terms.append(
            StoredTerm(
                name=name,
                kind=info.kind,
                shape=list(info.shape),
                takes_points=info.takes_points,
                points=None if info.points is None else StoredPoints.of(info.points),
                random=info.random,
                repeatable=info.repeatable,
                note=info.note,
                weight=pinn.weights[name],
                loss=view.losses[name],
                grad_l2=float(torch.linalg.vector_norm(view.gradients[name])),
                fresh=None if fresh is None else StoredPoints.of(fresh),
            )
        )
    layout = Layout(
        format=VERSION,
        versions={"pinndiag": __version__, "torch": str(torch.__version__)},
        parameters=list(pinn.parameters),
        initial=pinn.initial,
        terms=terms,
        optimizer=None if pinn.optimizer is None else StoredOptimizer.of(pinn.optimizer),
        reference=None
        if pinn.reference is None
        else StoredReference(points=StoredPoints.of(pinn.reference.points), values=pinn.reference.values),
        graph=capture.graph.to_plain(),
        notes=list(dict.fromkeys(notes)),
    )
    content = plain({"state_dict": {**pinn.state, **pinn.parameters}, KEY: layout})
    _replace(path, lambda scratch: torch.save(content, scratch))
    return path


def _fresh(pinn: PINN, name: str) -> tuple[PointSet | None, str]:
    """Points that the user's sampler draws now (or drew when the file was written), and what went wrong with it."""
    info = pinn.infos[name]
    if info.points is None or not info.takes_points or name not in pinn.sampled:
        return None, ""
    try:
        return pinn.fresh_points(name, FRESH)[0], ""
    except Exception as error:  # the user's own code may raise anything, and the terms are worth keeping without it
        return None, f"no fresh points of term {name!r} are stored: its sampler raised {type(error).__name__}: {error}"


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Write aside, read back, then rename: the name never holds half a file."""
    refuse = Refusal(path)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(scratch)
        restored(scratch)
        os.replace(scratch, path)
    except CheckpointError as error:
        raise refuse(
            "was not written, because reading it back failed",
            where=error.what.partition(": ")[2],
            cause=error.where,
            fix="report this with the terms that it happens for; skip_uncapturable=True does not help here",
        ) from error
    except (OSError, RuntimeError) as error:  # torch.save wraps errors of the disk into RuntimeError
        raise refuse(
            "cannot be written",
            where=str(path.absolute()),
            cause=f"{type(error).__name__}: {error}".splitlines()[0],
            fix="check that the folder exists, that it may be written to, and that the disk is not full",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
