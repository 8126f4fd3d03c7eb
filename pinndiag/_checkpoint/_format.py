"""The layout of a self-contained checkpoint, typed, and its older versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import torch
from torch import Tensor

from pinndiag._checkpoint._refusal import Refusal, quoted
from pinndiag._errors import CheckpointError
from pinndiag._terms._optimizer import OptimizerState
from pinndiag._terms._points import PointSet

__all__ = [
    "KEY",
    "VERSION",
    "Layout",
    "StoredOptimizer",
    "StoredPoints",
    "StoredReference",
    "StoredTerm",
    "malformed",
    "plain",
    "typed",
]

KEY = "pinndiag"  # beside "state_dict", which other tools load
VERSION = 2  # 1: losses, gradient norms and weights in tables of their own; no fresh points
MOST_TERMS = 10_000


class StoredPoints(msgspec.Struct, frozen=True, kw_only=True):
    """A set of points.

    Attributes:
        columns: tensors of equal first dimension.
        single: the term receives the only column itself, not a tuple of columns.
        differentiable: which columns require grad.
    """

    columns: list[Tensor]
    single: bool
    differentiable: list[bool]

    @staticmethod
    def of(points: PointSet) -> StoredPoints:
        """As stored."""
        return StoredPoints(
            columns=[t.detach() for t in points.tensors],
            single=isinstance(points.value, Tensor),
            differentiable=[t.requires_grad for t in points.tensors],
        )

    def restored(self) -> PointSet:
        """As the term receives them."""
        leaves = [t.clone().requires_grad_(d) for t, d in zip(self.columns, self.differentiable, strict=True)]
        return PointSet(leaves[0] if self.single else tuple(leaves))


class StoredTerm(msgspec.Struct, frozen=True, kw_only=True):
    """One term: the facts of `TermInfo`, its weight, and its figures when the file was written.

    Attributes:
        loss: unweighted loss at the stored parameters.
        grad_l2: Euclidean norm of its gradient over all trainable parameters.
        fresh: points that the user's sampler drew, where there was one.
    """

    name: str
    kind: Literal["residual", "loss"]
    shape: list[int]
    takes_points: bool
    points: StoredPoints | None
    random: bool
    repeatable: bool
    note: str
    weight: float
    loss: float
    grad_l2: float
    fresh: StoredPoints | None = None


class StoredOptimizer(msgspec.Struct, frozen=True, kw_only=True):
    """See `OptimizerState`."""

    kind: str
    groups: list[dict[str, Any]]
    state: dict[str, dict[str, Any]]

    @staticmethod
    def of(optimizer: OptimizerState) -> StoredOptimizer:
        """As stored: settings that are no numbers, flags, texts or lists of these are left out."""
        return StoredOptimizer(
            kind=optimizer.kind,
            groups=[{key: value for key, value in group.items() if _is_setting(value)} for group in optimizer.groups],
            state={
                name: {key: value for key, value in entries.items() if _is_kept(value)}
                for name, entries in optimizer.state.items()
            },
        )

    def restored(self) -> OptimizerState:
        """As the checks use it."""
        return OptimizerState(self.kind, [dict(group) for group in self.groups], dict(self.state))


class StoredReference(msgspec.Struct, frozen=True, kw_only=True):
    """A known solution."""

    points: StoredPoints
    values: Tensor


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in the file but the state dict.

    Attributes:
        format: version of this layout.
        versions: of the libraries that wrote the file.
        parameters: names of the trainable entries of the state dict, in order.
        initial: the trainable parameters before training.
        graph: `Graph.to_plain()`.
    """

    format: int
    versions: dict[str, str]
    parameters: list[str]
    initial: dict[str, Tensor] | None
    terms: list[StoredTerm]
    optimizer: StoredOptimizer | None
    reference: StoredReference | None
    graph: dict[str, Any]
    notes: list[str]


def plain(value: Any) -> Any:
    """Structures as dictionaries; tensors as compact copies on the CPU, sharing where they shared."""
    return _plain(value, {})


def _plain(value: Any, copies: dict[int, Tensor]) -> Any:
    if isinstance(value, Tensor):
        if id(value) not in copies:
            bare = value.detach().as_subclass(Tensor)  # classes of frameworks would be pickled as objects
            bare = bare.cpu().resolve_conj().resolve_neg()
            copies[id(value)] = bare.clone(memory_format=torch.contiguous_format)
        return copies[id(value)]
    if isinstance(value, msgspec.Struct):
        return {field: _plain(getattr(value, field), copies) for field in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {_plain(key, copies): _plain(item, copies) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, copies) for item in value]
    for kind in (bool, int, float, str):  # classes derived from these (numpy's float64) would be pickled as objects
        if isinstance(value, kind):
            return kind(value)
    return value


def typed(content: Mapping[str, Any], refuse: Refusal) -> tuple[Layout, dict[str, Tensor]]:
    """Layout and state dict of a file, checked part by part; older versions are brought up to date.

    Raises:
        CheckpointError: written by a newer pinndiag, or not in the form this version writes.
    """
    entry = content[KEY]
    version = entry.get("format") if isinstance(entry, dict) else None
    if type(version) is not int or version < 1:
        raise malformed(refuse, f"it has no version number under {KEY!r}")
    if version > VERSION:
        raise refuse(
            f"is written in version {version} of the format, and this pinndiag reads up to {VERSION}",
            cause="a newer pinndiag wrote it",
            fix="upgrade pinndiag",
        )
    try:
        layout = msgspec.convert(_upgraded(entry, version), Layout, dec_hook=_tensor)
        state = msgspec.convert(content.get("state_dict"), dict[str, Tensor], dec_hook=_tensor)
    except (msgspec.ValidationError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise malformed(refuse, quoted(str(error))) from error
    reason = _inconsistency(layout, state)
    if reason:
        raise malformed(refuse, reason)
    return layout, state


def malformed(refuse: Refusal, reason: str) -> CheckpointError:
    """The error for a file whose parts do not fit together."""
    return refuse(
        "is not a well-formed checkpoint",
        where=reason,
        cause="it was changed after pinndiag wrote it, or another program wrote it",
        fix="write it again with pinn.save(), or use a file from a source you trust",
    )


def _upgraded(entry: dict[str, Any], version: int) -> dict[str, Any]:
    if version == 1:
        tables = {"loss": entry["losses"], "grad_l2": entry["gradients"], "weight": entry["weights"]}
        rows = [
            {**term, **{column: table[term["name"]] for column, table in tables.items()}} for term in entry["terms"]
        ]
        return {**entry, "terms": rows, "format": VERSION}
    return entry


def _tensor(kind: type, value: Any) -> Any:
    if kind is Tensor and type(value) in (Tensor, torch.nn.Parameter) and value.layout == torch.strided:
        return value.detach()
    raise ValueError(f"expected an ordinary tensor, got {type(value).__name__}")


def _inconsistency(layout: Layout, state: Mapping[str, Tensor]) -> str:
    """What does not fit together, or ""."""
    names = [term.name for term in layout.terms]
    if not 0 < len(names) <= MOST_TERMS or len(set(names)) != len(names) or any("|" in n or not n for n in names):
        return "the names of its terms are missing, repeated, or contain |"
    missing = [name for name in layout.parameters if name not in state]
    if missing or not layout.parameters or len(set(layout.parameters)) != len(layout.parameters):
        return f"its state dict lacks trainable parameters: {', '.join(map(quoted, missing[:6]))}"
    for name in layout.parameters:
        if not (state[name].is_floating_point() or state[name].is_complex()) or not state[name].numel():
            return f"parameter {quoted(name)} is {state[name].dtype}, {tuple(state[name].shape)}"
    if layout.initial is not None:
        if set(layout.initial) != set(layout.parameters):
            return "the initial parameters have other names than the trainable ones"
        for name, value in layout.initial.items():
            if (value.shape, value.dtype) != (state[name].shape, state[name].dtype):
                return f"the initial value of {quoted(name)} has another shape or type than the present one"
    for term in layout.terms:
        reason = _wrong_points(term)
        if reason:
            return f"term {quoted(term.name)}: {reason}"
    if layout.optimizer is not None:
        reason = _wrong_optimizer(layout.optimizer, layout.parameters)
        if reason:
            return reason
    if layout.reference is not None:
        points, values = layout.reference.points, layout.reference.values
        if not _is_set(points) or values.ndim != 2 or len(values) != len(points.columns[0]):
            return "the reference solution does not fit its points"
    return ""


def _wrong_points(term: StoredTerm) -> str:
    if any(n < 0 for n in term.shape) or len(term.shape) > 64:
        return "its shape is impossible"
    if term.points is None:
        return "it takes points, but none are there" if term.takes_points or term.fresh is not None else ""
    if not _is_set(term.points) or (term.fresh is not None and not _is_set(term.fresh)):
        return "its points are not columns of equal length"
    if term.fresh is not None:
        pairs = list(zip(term.points.columns, term.fresh.columns, strict=False))
        same = all(a.shape[1:] == b.shape[1:] and a.dtype == b.dtype for a, b in pairs)
        if not same or len(term.points.columns) != len(term.fresh.columns) or term.points.single != term.fresh.single:
            return "its fresh points have another form than its points"
    return ""


def _is_set(points: StoredPoints) -> bool:
    lengths = {len(column) if column.ndim else -1 for column in points.columns}
    return (
        len(lengths) == 1
        and -1 not in lengths
        and len(points.differentiable) == len(points.columns)
        and (len(points.columns) == 1 or not points.single)
        and all(c.is_floating_point() or not d for c, d in zip(points.columns, points.differentiable, strict=True))
    )


def _wrong_optimizer(optimizer: StoredOptimizer, parameters: Sequence[str]) -> str:
    known = set(parameters)
    for group in optimizer.groups:
        members = group.get("parameters")
        if not isinstance(members, list) or any(not isinstance(name, str) or name not in known for name in members):
            return "a parameter group of the optimizer names unknown parameters"
        if not all(_is_setting(value) for key, value in group.items() if key != "parameters"):
            return "a setting of the optimizer is not a number, a flag or a text"
    if not set(optimizer.state) <= known:
        return "the optimizer has state of unknown parameters"
    for entries in optimizer.state.values():
        if not all(_is_kept(value) for value in entries.values()):
            return "the optimizer's state holds something that is no tensor, number or list of these"
    return ""


def _is_kept(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return all(type(item) is Tensor or (not isinstance(item, list) and _is_setting(item)) for item in items)


def _is_setting(value: Any) -> bool:
    single = (bool, int, float, str, type(None))
    return isinstance(value, single) or (isinstance(value, list) and all(isinstance(item, single) for item in value))
