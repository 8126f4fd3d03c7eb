"""`captured`: the graph of a whole PINN, kept as long as it is the same PINN."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import final
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from pinndiag._capture._activations import found_activations
from pinndiag._capture._fold import merged
from pinndiag._capture._graph import REFERENCE, Activation, Graph
from pinndiag._capture._replay import cast
from pinndiag._capture._sets import Piece, Subject, captured_set
from pinndiag._capture._terms import CapturedTerms
from pinndiag._capture._verify import Figures, difference, figures, uncompiled
from pinndiag._errors import CaptureError, PinndiagError
from pinndiag._terms import _parameters
from pinndiag._terms._pinn import PINN, Reference
from pinndiag._terms._points import PointSet
from pinndiag._terms._terms import AbstractTerms, LiveTerms, TermInfo

__all__ = ["Captured", "captured"]


@final
@dataclass(frozen=True)
class Captured:
    """A PINN whose terms were captured.

    Attributes:
        pinn: the PINN.
        graph: its terms, the network's output, the hidden activations.
        infos: facts about the captured terms, in order.
        failures: term -> why it could not be captured (only with `partial=True`).
        notes: what a report should say about the capture.
    """

    pinn: PINN
    graph: Graph
    infos: Mapping[str, TermInfo]
    failures: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def rebuilt(
        self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None, initial: bool = False
    ) -> PINN:
        """An independent PINN over the graph, at the present (or initial) parameters; its parameters are new leaves.

        Weights, optimizer, reference, samplers and stored fresh points come along. Cost: copies of the tensors.

        Raises:
            PinndiagError: `initial` was asked and the initial parameters are unknown.
        """
        pinn = self.pinn
        place = pinn.device if device is None else torch.device(device)
        if initial and pinn.initial is None:
            raise PinndiagError(
                "the initial parameters are unknown",
                where=f"PINN from {pinn.origin}",
                cause="the file was written without them",
                fix="wrap before training, or pass initial= to wrap, and save again",
            )
        source = pinn.initial if initial and pinn.initial is not None else pinn.parameters

        def moved(tensor: Tensor) -> Tensor:
            return cast(tensor.detach(), dtype, place).clone()

        parameters = {name: moved(source[name]).requires_grad_(True) for name in pinn.parameters}
        reference = pinn.reference
        if reference is not None:
            points = reference.points.map([moved(t) for t in reference.points.tensors])
            reference = Reference(points, moved(reference.values))
        return PINN(
            parameters,
            CapturedTerms(self.graph, self.infos, parameters, device=place, dtype=dtype),
            weights=pinn.weights,
            state={name: parameters[name] if name in parameters else moved(t) for name, t in pinn.state.items()},
            initial=None if pinn.initial is None else {name: moved(t) for name, t in pinn.initial.items()},
            optimizer=None if pinn.optimizer is None else pinn.optimizer.moved(moved),
            reference=reference,
            samplers={name: draw for name, draw in pinn._samplers.items() if name in self.infos},
            fresh={n: p.map([moved(t) for t in p.tensors]) for n, p in pinn._fresh.items() if n in self.infos},
            origin=pinn.origin,
            notes=[*pinn.notes, *(note for note in self.notes if note not in pinn.notes)],
        )


@final
@dataclass(frozen=True)
class _Known:
    """What is kept of a capture, without the PINN."""

    graph: Graph
    infos: dict[str, TermInfo]
    failures: dict[str, CaptureError]
    notes: tuple[str, ...]
    parameters: tuple[int, ...]


_KNOWN: WeakKeyDictionary[AbstractTerms, _Known] = WeakKeyDictionary()


def captured(pinn: PINN, *, partial: bool = False) -> Captured:
    """Capture the terms of a PINN as a graph, verified against the live terms.

    The capture is kept with the PINN's terms; asked again it costs one evaluation of the terms, which shows whether
    anything outside the parameters (points in a closure, a frozen layer) has changed since.

    Args:
        pinn: the PINN.
        partial: leave out what cannot be captured instead of raising; see `Captured.failures`.

    Raises:
        CaptureError: a term cannot be captured; the message names it, the likely cause, and what to do.

    Cost: about ten evaluations of each term with their gradients, and one Hessian-vector product.
    """
    terms = pinn.terms
    if isinstance(terms, CapturedTerms):
        return Captured(pinn, terms.graph, terms.infos)
    if not isinstance(terms, LiveTerms):
        raise CaptureError(
            f"terms of type {type(terms).__name__} cannot be captured",
            cause="only terms given to wrap, and those of a loaded file, can be",
            fix="wrap the model",
        )
    known = _KNOWN.get(terms)
    if known is None or known.parameters != tuple(map(id, pinn.tensors)) or not _still(pinn, known):
        known = _KNOWN[terms] = _fresh_capture(pinn, terms)
    if known.failures and (not partial or not known.infos):
        raise next(iter(known.failures.values()))
    failures = {name: str(error) for name, error in known.failures.items()}
    return Captured(pinn, known.graph, known.infos, failures, known.notes)


def _still(pinn: PINN, known: _Known) -> bool:
    """Whether the graph still gives what the live terms give."""
    names = [name for name, info in known.infos.items() if pinn.infos[name].repeatable]

    def replayed(dtype: torch.dtype | None = None) -> dict[str, Figures]:
        parameters = {name: cast(tensor, dtype, pinn.device) for name, tensor in pinn.parameters.items()}
        replay = CapturedTerms(known.graph, known.infos, parameters, device=pinn.device, dtype=dtype)
        return figures(replay.outputs(names), list(parameters.values()), 0)

    with uncompiled():
        live = figures(pinn.outputs(names), pinn.tensors, 0)
    wide = _parameters.widest(pinn.tensors) == torch.float64
    return difference(replayed(), live, None if wide else functools.partial(replayed, torch.float64)) is None


def _fresh_capture(pinn: PINN, terms: LiveTerms) -> _Known:
    trained = {id(t) for t in pinn.tensors}
    frozen = {name: t for name, t in pinn.state.items() if isinstance(t, torch.nn.Parameter) and id(t) not in trained}
    pieces: list[Piece] = []
    activations: list[Activation] = []
    failures: dict[str, CaptureError] = {}
    together = [list(pinn.names)] if terms.shared else [[name] for name in pinn.names]
    while together:
        names = together.pop(0)
        try:
            pieces.append(captured_set(_subject(pinn, terms, names, frozen)))
        except CaptureError as error:
            if len(names) > 1:  # one that cannot be captured leaves the others
                together = [[name] for name in names] + together
            else:
                failures[names[0]] = error
    solve = _solve(pinn, terms, frozen)
    if solve is not None:
        pieces.append(solve)
    inputs, whole = merged([(piece.inputs, piece.graph) for piece in pieces])
    outputs = dict(whole.outputs)
    network = outputs.pop(REFERENCE, None)
    infos = {}
    sets = {name: piece for piece in pieces for name in piece.graph.outputs if name != REFERENCE}
    for name, info in terms.infos.items():
        if name in outputs:
            activations += found_activations(inputs, whole, name)
            takes = any(i.kind == "points" and i.name == name for i in sets[name].inputs)
            infos[name] = replace(info, takes_points=takes)
    graph = Graph(
        inputs,
        whole.constants,
        whole.nodes,
        {name: outputs[name] for name in infos},
        network,
        tuple(activations),
        frozenset(group for piece in pieces for group in piece.fixed),
    )
    notes = tuple(note for piece in pieces for note in piece.notes)
    return _Known(graph, infos, failures, notes, tuple(map(id, pinn.tensors)))


def _subject(pinn: PINN, terms: LiveTerms, names: list[str], frozen: Mapping[str, Tensor]) -> Subject:
    points = {n: p for n in names if terms.takes_points[n] and (p := terms.infos[n].points) is not None}
    return Subject(
        tuple(names),
        lambda given: terms.outputs(names, given),
        pinn.parameters,
        points,
        frozen,
        all(terms.infos[n].repeatable for n in names),
    )


def _solve(pinn: PINN, terms: LiveTerms, frozen: Mapping[str, Tensor]) -> Piece | None:
    """The network's output at the reference's points, else at the first points that it takes, if any."""
    candidates = [] if pinn.reference is None else [pinn.reference.points]
    candidates += [info.points for info in terms.infos.values() if info.points is not None]

    def evaluate(given: Mapping[str, PointSet]) -> dict[str, Tensor]:
        with torch.enable_grad():
            return {REFERENCE: terms.solve(given[REFERENCE])}

    for points in candidates:
        try:
            if not evaluate({REFERENCE: points})[REFERENCE].requires_grad:
                continue
            return captured_set(Subject((REFERENCE,), evaluate, pinn.parameters, {REFERENCE: points}, frozen))
        except Exception:  # the points of a term need not be what the network takes
            continue
    return None
