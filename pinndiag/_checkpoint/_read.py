"""Reading a self-contained checkpoint: structure, graph, then the figures it claims."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pinndiag._capture import CapturedTerms, Graph, checked_shapes
from pinndiag._checkpoint._archive import read_archive
from pinndiag._checkpoint._extent import Extent, extent
from pinndiag._checkpoint._format import KEY, Layout, malformed, typed
from pinndiag._checkpoint._refusal import Refusal, quoted
from pinndiag._errors import CheckpointError
from pinndiag._terms._pinn import CHUNK, PINN, Reference
from pinndiag._terms._terms import TermInfo
from pinndiag._terms._view import View

__all__ = ["is_self_contained", "rebuild", "restored"]

TOLERANCE = {16: 0.1, 32: 1e-3, 64: 1e-8}  # relative, by the bits of the parameters' dtype
DIGITS = 16  # units in the last place by which parameters are changed to see what rounding does
PERTURBATIONS = 3
ROUNDING = 10.0  # times the largest difference seen: what another machine's rounding may do


def restored(path: Path) -> PINN:
    """The PINN of a self-contained checkpoint.

    Raises:
        CheckpointError: not a self-contained checkpoint, or not one that can be trusted.
    """
    return rebuild(read_archive(path), path)


def is_self_contained(content: object) -> bool:
    """Whether a file was written by `PINN.save`."""
    return isinstance(content, dict) and KEY in content


def rebuild(content: Mapping[str, Any], path: Path) -> PINN:
    """The PINN of a self-contained file's content, on the CPU and in the dtypes of the file, its figures re-checked.

    Raises:
        CheckpointError: malformed, an operator outside the allow list, or losses and gradient norms that differ.

    Cost: one evaluation of each term with a backward pass.
    """
    refuse = Refusal(path)
    size = extent(content)
    if size.fault:
        raise malformed(refuse, size.fault)
    layout, state = typed(content, refuse)
    try:
        graph = Graph.from_plain(layout.graph)
        _check_inputs(graph, layout, state, refuse)
        counts = _counts(graph)
        _check_memory(checked_shapes(graph, {n: min(c, CHUNK) for n, c in counts.items()}).memory, size, refuse)
        # sizes that fit at two numbers of points always fit
        _check_work(checked_shapes(graph, {n: c + 1 for n, c in counts.items()}).work, size, refuse)
        pinn = _assembled(graph, layout, state, path)
        found = _figures(pinn)
    except CheckpointError as error:  # name the file
        if error.what.startswith(path.name):
            raise
        raise refuse(error.what, where=error.where, cause=error.cause, fix=error.fix) from error
    except (MemoryError, RecursionError, torch.OutOfMemoryError) as error:
        raise _too_large(refuse, type(error).__name__) from error
    except Exception as error:  # a graph that is well formed may still fail in any operator
        raise refuse(
            "its terms cannot be evaluated",
            where=f"{type(error).__name__}: {quoted(str(error))}",
            cause="the graph was changed after it was written, or this version of torch has other operators "
            f"(this is {torch.__version__}, it was written with {quoted(layout.versions.get('torch', '?'))})",
        ) from error
    _compare(pinn, layout, found, refuse)
    return pinn


def _check_inputs(graph: Graph, layout: Layout, state: Mapping[str, torch.Tensor], refuse: Refusal) -> None:
    """The graph must want what the file has: its terms, parameters and points."""
    terms = {term.name: term for term in layout.terms}
    reason = ""
    if set(graph.outputs) != set(terms):
        reason = "the graph and the list of terms name different terms"
    for wanted in graph.inputs:
        if wanted.kind == "parameter":
            tensor = state[wanted.name] if wanted.name in layout.parameters else None
        elif wanted.name in terms:
            points = terms[wanted.name].points
            columns = [] if points is None else points.columns
            tensor = columns[wanted.column] if wanted.column < len(columns) else None
        else:  # the points of the network's own output are given when it is evaluated
            continue
        if tensor is None or (tuple(tensor.shape), tensor.dtype) != (wanted.shape, wanted.dtype):
            reason = f"the graph wants {wanted.kind} {quoted(wanted.name)} in another form than the file has it"
    if reason:
        raise malformed(refuse, reason)


def _counts(graph: Graph) -> dict[str, int]:
    """Points of each group whose number may vary."""
    return {name: count for name, count in graph.groups.items() if name not in graph.fixed}


def _check_memory(needed: int, size: Extent, refuse: Refusal) -> None:
    if needed > size.memory:
        raise _too_large(refuse, f"its terms need about {needed / 2**30:.1f} GiB, and it holds {size.stored:,} bytes")
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # a system that does not say
        return
    if needed > there:
        raise _too_large(refuse, f"its terms need about {needed / 2**30:.0f} GiB; this machine has {there / 2**30:.0f}")


def _check_work(needed: int, size: Extent, refuse: Refusal) -> None:
    if needed > size.work:
        raise refuse(
            "would take too long to evaluate",
            where=f"its terms need about {needed:.1e} operations, and it holds {size.stored:,} bytes",
            cause="it is made to keep the machine busy, or its terms compare very many points with one another",
            fix="use a file from a source you trust; for large terms use fewer points",
        )


def _too_large(refuse: Refusal, where: str) -> CheckpointError:
    return refuse(
        "needs more memory than there is",
        where=where,
        cause="its terms are evaluated at very many points at once, or the file is made to fill the memory",
        fix="let the terms take their points (points= of wrap), so that they can be evaluated piece by piece",
    )


def _assembled(graph: Graph, layout: Layout, state: Mapping[str, torch.Tensor], path: Path) -> PINN:
    parameters = {name: state[name].clone().requires_grad_(True) for name in layout.parameters}
    infos = {
        term.name: TermInfo(
            term.name,
            term.kind,
            tuple(term.shape),
            term.takes_points,
            None if term.points is None else term.points.restored(),
            term.random,
            term.repeatable,
            term.note,
        )
        for term in layout.terms
    }
    reference = layout.reference
    return PINN(
        parameters,
        CapturedTerms(graph, infos, parameters, device=torch.device("cpu")),
        weights={term.name: term.weight for term in layout.terms},
        state={**state, **parameters},
        initial=layout.initial,
        optimizer=None if layout.optimizer is None else layout.optimizer.restored(),
        reference=None if reference is None else Reference(reference.points.restored(), reference.values),
        samplers={},
        fresh={term.name: term.fresh.restored() for term in layout.terms if term.fresh is not None},
        origin=str(path),
        notes=layout.notes,
    )


def _compare(pinn: PINN, layout: Layout, found: Mapping[str, tuple[float, float]], refuse: Refusal) -> None:
    """Refuse figures that differ by more than rounding."""
    tolerance = TOLERANCE[torch.finfo(pinn.dtype).bits]
    slack: dict[str, tuple[float, float]] | None = None
    for term in layout.terms:
        for what, stored, now, i in (
            ("loss", term.loss, found[term.name][0], 0),
            ("gradient norm", term.grad_l2, found[term.name][1], 1),
        ):
            if _close(stored, now, tolerance, 0.0):
                continue
            if slack is None:
                slack = _rounding(pinn, found)
            if not _close(stored, now, tolerance, slack[term.name][i]):
                raise refuse(
                    f"the {what} of term {quoted(term.name)} is not the one it was written with",
                    where=f"stored {stored:.9g}, found {now:.9g} (relative tolerance {tolerance:g})",
                    cause="the weights, points or terms in the file were changed after it was written, or this version "
                    f"of torch computes them differently (written with {quoted(layout.versions.get('torch', '?'))})",
                    fix="write it again with pinn.save(); to analyse other weights use factory='FILE.py:NAME'",
                )


def _close(stored: float, now: float, relative: float, absolute: float) -> bool:
    if math.isnan(stored) or math.isnan(now):
        return math.isnan(stored) and math.isnan(now)
    return math.isclose(stored, now, rel_tol=relative, abs_tol=absolute)


def _rounding(pinn: PINN, found: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """How far loss and gradient norm of each term may lie from the stored ones by rounding alone.

    Where a residual is a small difference of large numbers, another processor gives other digits. What comes out of a
    network in floating-point arithmetic is what exact arithmetic gives at parameters that differ in their last digits;
    so it is seen from what a change of those digits does.
    """
    generator = torch.Generator().manual_seed(0)
    slack = dict.fromkeys(pinn.names, (0.0, 0.0))
    kept = [tensor.detach().clone() for tensor in pinn.tensors]
    with torch.no_grad():
        for _ in range(PERTURBATIONS):
            for tensor, value in zip(pinn.tensors, kept, strict=True):
                signs = 2.0 * torch.randint(0, 2, value.shape, generator=generator).double() - 1.0
                tensor.copy_(value * (1 + DIGITS * torch.finfo(value.dtype).eps * signs))
            now = _figures(pinn)
            for name in pinn.names:
                differences = (abs(a - b) for a, b in zip(now[name], found[name], strict=True))
                loss, norm = (ROUNDING * d if math.isfinite(d) else 0.0 for d in differences)
                slack[name] = max(slack[name][0], loss), max(slack[name][1], norm)
        for tensor, value in zip(pinn.tensors, kept, strict=True):
            tensor.copy_(value)
    return slack


def _figures(pinn: PINN) -> dict[str, tuple[float, float]]:
    """Loss and gradient norm of each term."""
    view = View(pinn)
    with torch.enable_grad():
        return {n: (view.losses[n], float(torch.linalg.vector_norm(view.gradients[n]))) for n in pinn.names}
