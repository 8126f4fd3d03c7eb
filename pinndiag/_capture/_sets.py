"""Capture one set of terms that are evaluated together: record, generalise in the number of points, fold, verify."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from pinndiag._capture._counts import unified
from pinndiag._capture._fold import Pruned, folded, pruned
from pinndiag._capture._graph import Graph, Input
from pinndiag._capture._plain import MAX_NODES
from pinndiag._capture._recast import recast
from pinndiag._capture._recording import Hint, Recording
from pinndiag._capture._replay import Plan, cast
from pinndiag._capture._shapes import checked_shapes
from pinndiag._capture._tape import taped
from pinndiag._capture._verify import Figures, difference, figures, perturbed, uncompiled
from pinndiag._errors import CaptureError
from pinndiag._terms import _parameters
from pinndiag._terms._graphs import custom_functions
from pinndiag._terms._points import PointSet

__all__ = ["Piece", "Subject", "captured_set"]

_FEW = 512


@final
@dataclass(frozen=True)
class Subject:
    """What is captured: named values as a function of parameters and points.

    Attributes:
        names: of the values.
        evaluate: the values at the present parameters, with graphs; given points replace the stored ones.
        parameters: name -> trainable tensor.
        points: group -> points that are an input.
        frozen: frozen parameters, by name.
        repeatable: evaluated again, the values are the same.
    """

    names: tuple[str, ...]
    evaluate: Callable[[Mapping[str, PointSet]], Mapping[str, Tensor]]
    parameters: Mapping[str, Tensor]
    points: Mapping[str, PointSet]
    frozen: Mapping[str, Tensor]
    repeatable: bool = True

    def inputs(self, points: Mapping[str, PointSet]) -> tuple[list[Input], list[Tensor]]:
        """The graph's inputs, and the tensors that stand for them."""
        found = [Input("parameter", n, 0, tuple(t.shape), t.dtype) for n, t in self.parameters.items()]
        tensors = list(self.parameters.values())
        for group, chosen in points.items():
            for column, tensor in enumerate(chosen.tensors):
                found.append(Input("points", group, column, tuple(tensor.shape), tensor.dtype))
                tensors.append(tensor)
        return found, tensors

    def fresh(self, counts: Mapping[str, int] | None = None, shift: float = 0.0) -> dict[str, PointSet]:
        """The points as new leaves; with `counts` as many as asked, with `shift` moved towards one another."""
        found = {}
        for group, chosen in self.points.items():
            index = (
                torch.arange((counts or {}).get(group, chosen.count), device=chosen.tensors[0].device) % chosen.count
            )
            rows = [t.detach()[index] for t in chosen.tensors]
            if shift:
                rows = [r + shift * (r.roll(1, 0) - r) if r.is_floating_point() else r for r in rows]
            found[group] = chosen.map(rows)
        return found


@final
@dataclass(frozen=True)
class Piece:
    """A captured set.

    Attributes:
        inputs: of the graph.
        graph: what was captured.
        fixed: groups whose number of points is baked in.
        notes: what a report should say.
    """

    inputs: list[Input]
    graph: Pruned
    fixed: frozenset[str]
    notes: list[str]


Record = Callable[[Subject, Mapping[str, PointSet]], Recording]


def captured_set(subject: Subject) -> Piece:
    """Capture a set of values in the first way that passes the verification.

    Raises:
        CaptureError: no way passed.
    """
    small = _on_few_points(subject)
    if small is not None:
        return small
    reasons: list[CaptureError] = []
    trials = [subject]
    if subject.points:
        trials.append(replace(subject, points={}, evaluate=_at_own_points(subject)))
    for trial in trials:
        for record in _ways(trial):
            try:
                piece = _captured(trial, record)
            except CaptureError as error:
                reasons.append(error)
                continue
            if trial is not subject:
                note = f"{_named(subject.names)}: stored at its own points only, for it depends on their values"
                return replace(piece, notes=[*piece.notes, note])
            return piece
    raise reasons[0]


def _on_few_points(subject: Subject) -> Piece | None:
    """Capture a set with many points at some of them, where any number will do: faster, and in bounded memory."""
    large = {group: chosen for group, chosen in subject.points.items() if chosen.count > _FEW}
    if not large:
        return None
    rows = {group: torch.arange(_FEW) * chosen.count // _FEW for group, chosen in large.items()}
    few = {g: c.rows(rows[g].to(c.tensors[0].device)) if g in large else c for g, c in subject.points.items()}
    try:
        piece = _captured(replace(subject, points=few), next(_ways(subject)))
        if piece.fixed:
            return None
        inputs, _ = subject.inputs(subject.points)
        if subject.repeatable:
            _Check(subject, inputs, piece.graph).whole()
    except CaptureError:
        return None
    return replace(piece, inputs=inputs)


def _at_own_points(subject: Subject) -> Callable[[Mapping[str, PointSet]], Mapping[str, Tensor]]:
    return lambda points: subject.evaluate(subject.fresh())


def _ways(subject: Subject) -> Iterator[Record]:
    flags: list[bool] = []

    def tape(subject: Subject, points: Mapping[str, PointSet]) -> Recording:
        recording = taped(lambda: subject.evaluate(points), subject.inputs(points)[1], subject.frozen)
        flags.append(all(node.grad for node in recording.nodes))
        return recording

    def flagless(subject: Subject, points: Mapping[str, PointSet]) -> Recording:
        # the forward pass of a custom autograd.Function runs without grad, but what it computes is differentiable
        recording = tape(subject, points)
        recording.nodes = [replace(node, grad=True) for node in recording.nodes]
        return recording

    yield tape
    if not all(flags):
        yield flagless
    yield _by_tracer


def _by_tracer(subject: Subject, points: Mapping[str, PointSet]) -> Recording:
    from pinndiag._capture._trace import traced  # a second to import, seldom needed

    recording = traced(subject.evaluate, subject.parameters, points)
    # the tape sees masks and sizes as they pass; the tracer does not
    inputs = tuple(subject.inputs(points)[0])
    checked_shapes(Graph(inputs, tuple(recording.constants), tuple(recording.nodes), recording.outputs))
    return recording


def _captured(subject: Subject, record: Record) -> Piece:
    points = subject.fresh()
    inputs, _ = subject.inputs(points)
    recording = _recorded(subject, record, points)
    _refuse_unstorable(subject, recording)
    values = recording.values
    base = pruned(recording)
    recording.nodes, recording.constants = [], []
    counts = {group: chosen.count for group, chosen in points.items()}
    generic = _generic(subject, record, base, counts) if counts else None
    candidates = [generic] if generic is not None else []
    candidates.append(base)
    error: CaptureError | None = None
    for candidate in candidates:
        graph = folded(candidate)
        if len(graph.nodes) > MAX_NODES:
            raise CaptureError(
                f"{_named(subject.names)} cannot be captured: it makes {len(graph.nodes)} calls",
                where=_named(subject.names),
                cause=f"a long loop; a file holds at most {MAX_NODES} calls",
                fix="work on all points at once, or save with skip_uncapturable=True and analyse the live PINN",
            )
        try:
            check = _Check(subject, inputs, graph)
            check.present(values, points)
            if subject.repeatable:
                check.elsewhere(doubtful=bool(recording.hints))
                if candidate is generic:
                    check.other_count()
        except CaptureError as found:
            own = custom_functions(values.values())
            error = error if error is not None and candidate is base else _explained(found, recording.hints, own)
            continue
        fixed = frozenset() if candidate is generic else frozenset(counts)
        notes = [f"{_named([group])}: its number of points is part of the stored graph" for group in fixed if group]
        if Hint.ITEM in recording.hints or Hint.NUMPY in recording.hints:
            notes.append(f"{_named(subject.names)}: takes numbers out of the graph; no effect was seen when stored")
        return Piece(inputs, graph, fixed, notes)
    assert error is not None
    raise error


def _recorded(subject: Subject, record: Record, points: Mapping[str, PointSet]) -> Recording:
    try:
        with uncompiled():
            return record(subject, points)
    except Exception as error:  # the tracer may fail in any way; so may a term under it
        raise CaptureError(
            f"{_named(subject.names)} cannot be captured: {type(error).__name__}: {str(error).splitlines()[0][:300]}",
            where=_named(subject.names),
            cause="the term does something that cannot be followed operator by operator",
            fix=_FIX,
        ) from error


def _generic(subject: Subject, record: Record, base: Pruned, counts: Mapping[str, int]) -> Pruned | None:
    """The program at any number of points, or None.

    Where the recording at N points is not the program at others (one point is broadcast, N equals a width), the
    program is taken from two other numbers; the verification tells whether it holds at N.
    """
    unlike = (n for n in itertools.count(7, 4) if n not in counts.values())
    first, second = dict.fromkeys(counts, next(unlike)), dict.fromkeys(counts, next(unlike))

    def recorded(chosen: Mapping[str, int]) -> Pruned:
        return pruned(_recorded(subject, record, subject.fresh(chosen)))

    try:
        found = unified(base, counts, [(g, first[g], recorded({**counts, g: first[g]})) for g in counts])
        if found is None:
            others = [(g, second[g], recorded({**first, g: second[g]})) for g in counts]
            found = unified(recorded(first), first, others)
    except CaptureError:
        return None
    return found


@final
class _Check:
    """Compares a captured graph with the live terms."""

    def __init__(self, subject: Subject, inputs: list[Input], graph: Pruned) -> None:
        self._subject, self._graph = subject, graph
        self._tensors = list(subject.parameters.values())
        self._program = Graph(tuple(inputs), graph.constants, graph.nodes, graph.outputs)
        self._plan = Plan(self._program, list(graph.outputs.values()), self._tensors[0].device)

    def present(self, values: Mapping[str, Tensor], points: Mapping[str, PointSet]) -> None:
        """At the present parameters, against the very evaluation that was recorded."""
        try:
            live = figures(values, self._tensors, 2)
        except RuntimeError as error:
            name = _named(self._subject.names)
            raise CaptureError(
                f"{name} cannot be captured: it has no gradient: {str(error).splitlines()[0][:300]}",
                where=name,
                cause="an operator of it cannot be differentiated, or a value that its gradient needs was overwritten",
                fix="call backward() on it once and mend what torch reports",
            ) from error
        self._compare(points, live, 2, "at the present parameters")

    def whole(self) -> None:
        """At all points, values only."""
        self._live(self._subject.fresh(), 0, "at all of its points")

    def elsewhere(self, *, doubtful: bool) -> None:
        """At parameters a small and a large step away, points moved too; further ways after something doubtful."""
        steps = [(0.05, 0, 1), (1.0, 0, 0)]
        if doubtful:  # a branch may need a certain direction: go both ways
            steps += [(sign * scale, seed, 0) for seed, scale in enumerate((0.05, 0.3, 1.0, 3.0)) for sign in (1, -1)]
        for scale, seed, order in steps:
            with perturbed(self._tensors, scale, seed):
                self._live(self._subject.fresh(shift=min(abs(scale), 1.0) * 0.1), order, "at other parameters")

    def other_count(self) -> None:
        """At another number of points than any that was recorded."""
        used = {chosen.count for chosen in self._subject.points.values()}
        count = next(n for n in itertools.count(23, 2) if n not in used)
        self._live(self._subject.fresh(dict.fromkeys(self._subject.points, count)), 1, "at other points")

    def _live(self, points: Mapping[str, PointSet], order: int, when: str) -> None:
        replay = {group: chosen.map(chosen.tensors) for group, chosen in points.items()}
        try:
            with uncompiled():
                live = figures(self._subject.evaluate(points), self._tensors, order)
        except Exception as error:  # the user's own code at other values
            raise CaptureError(
                f"{_named(self._subject.names)} cannot be verified {when}: {type(error).__name__}: {error}",
                where=_named(self._subject.names),
                cause="the term fails at values near those it was wrapped with",
                fix="evaluate it there by hand and mend what it reports",
            ) from error
        self._compare(replay, live, order, when)

    def _compare(self, points: Mapping[str, PointSet], live: Mapping[str, Figures], order: int, when: str) -> None:
        _, tensors = self._subject.inputs(points)
        counts = {group: chosen.count for group, chosen in points.items()}
        own = [t if i < len(self._tensors) else t.detach() for i, t in enumerate(tensors)]
        wide = _parameters.widest(self._tensors) == torch.float64
        try:
            with torch.enable_grad():
                found = self._plan.run(own, [c.value for c in self._graph.constants], counts)
            mine = figures(dict(zip(self._graph.outputs, found, strict=True)), self._tensors, order)
            exact = None if wide else functools.cache(lambda: self._exact(tensors, counts, order))
            differs = difference(mine, live, exact)
        except RuntimeError as error:
            name, what = self._subject.names[0], f"its graph cannot be run: {str(error).splitlines()[0][:300]}"
        else:
            if differs is None:
                return
            name, what = differs
        raise CaptureError(
            f"{_named([name])} cannot be captured: {what}, {when}",
            where=_named([name]),
            cause="the term depends on its values in a way that operators do not show",
            fix=_FIX,
        )

    def _exact(self, tensors: Sequence[Tensor], counts: Mapping[str, int], order: int) -> dict[str, Figures]:
        """The graph's figures in float64."""
        program = recast(self._program, torch.float64)
        given = [cast(t.detach(), torch.float64, t.device) for t in tensors]
        own = [t.requires_grad_() if i < len(self._tensors) else t for i, t in enumerate(given)]
        with torch.enable_grad():
            plan = Plan(program, list(program.outputs.values()), self._tensors[0].device)
            found = plan.run(own, [c.value for c in program.constants], counts)
        return figures(dict(zip(program.outputs, found, strict=True)), own[: len(self._tensors)], order)


_FIX = (
    "write the term in torch operators only (torch.where instead of if, tensors instead of .item() and numpy), "
    "or save with skip_uncapturable=True and analyse the live PINN"
)


def _named(names: Sequence[str]) -> str:
    if tuple(names) == ("",):
        return "the network's output"
    return ("term " if len(names) == 1 else "terms ") + ", ".join(map(repr, names))


def _refuse_unstorable(subject: Subject, recording: Recording) -> None:
    for hint in _CAUSES:
        if hint in recording.hints:
            raise CaptureError(
                f"{_named(subject.names)} cannot be captured: it {hint.value}: {recording.hints[hint]}",
                where=_named(subject.names),
                cause=_CAUSES[hint],
                fix=_FIXES[hint],
            )


_CAUSES = {
    Hint.LAYOUT: "only dense tensors can be stored",
    Hint.OPERATOR: "only operators on a list of pure tensor arithmetic can be stored",
    Hint.LARGE: "the term compares all points with one another, or has very many of them",
    Hint.MANY: "a loop runs over points one by one",
    Hint.SHAPE: "points are selected by a condition on parameters or points, so the shape is not known beforehand",
}
_FIXES = {
    Hint.LAYOUT: "call .to_dense() on it",
    Hint.OPERATOR: "replace it by ordinary tensor arithmetic",
    Hint.LARGE: "let the term take its points (points=), or give it fewer",
    Hint.MANY: "give the network all points at once, as rows of one tensor",
    Hint.SHAPE: "multiply by the mask, or use torch.where, instead of indexing with it",
}


def _explained(error: CaptureError, hints: Mapping[Hint, str], own: Sequence[str]) -> CaptureError:
    """The same error with the likely cause, from what was seen while the term ran."""
    if error.fix != _FIX:
        return error
    causes = [f"it {hint.value}" + (f": {detail}" if detail else "") for hint, detail in hints.items()]
    if own and "values" not in error.what:
        causes.append(f"the backward of torch.autograd.Function {', '.join(own)} is not the derivative of its forward")
        return CaptureError(error.what, where=error.where, cause="; ".join(causes), fix=_OWN_BACKWARD)
    return CaptureError(error.what, where=error.where, cause="; ".join(causes) or error.cause, fix=_FIX)


_OWN_BACKWARD = (
    "mend that backward, if it is a mistake (a file stores operators, and torch differentiates those); if it is "
    "meant so, save with skip_uncapturable=True and analyse the live PINN"
)
