"""What a check needs of a record, and why it is absent when it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from pinndiag._records import DiagnosisRecord
from pinndiag.checks._measures import counted, works

__all__ = ["NEEDS", "Need", "absent"]


@final
@dataclass(frozen=True)
class Need:
    """A measurement a check can ask for.

    Attributes:
        words: what it is.
        there: whether a record has it.
        keys: where `record.reasons` says why it is absent.
    """

    words: str
    there: Callable[[DiagnosisRecord], bool]
    keys: tuple[str, ...]


NEEDS = {
    "terms": Need("the loss terms", lambda r: bool(counted(r)), ("gradients",)),
    "pair": Need("two loss terms or more", lambda r: len(counted(r)) > 1, ("gradients",)),
    "terms.work": Need("remaining work", lambda r: bool(works(r)), ("work", "gradients")),
    "terms.held_out": Need(
        "residuals at fresh points",
        lambda r: any(t.held_out is not None for t in counted(r).values()),
        ("held_out", "gradients"),
    ),
    "terms.derivative_check": Need(
        "the derivative check",
        lambda r: any(t.derivative_check is not None for t in counted(r).values()),
        ("derivative_check", "gradients"),
    ),
    "terms.probe_alone": Need(
        "a descent probe of each term",
        lambda r: bool(counted(r)) and all(t.probe_alone is not None or t.loss == 0 for t in counted(r).values()),
        ("term_probes", "gradients"),
    ),
    "probe": Need("the descent probe", lambda r: r.probe is not None, ("descent_probe", "gradients")),
    "start": Need("the initial parameters", lambda r: r.start is not None, ("start", "gradients")),
    "precision": Need("the same in float64", lambda r: r.precision is not None, ("precision", "gradients")),
    "noise": Need("gradients on fresh batches", lambda r: r.noise is not None, ("noise", "gradients")),
    "pointwise": Need("residuals point by point", lambda r: bool(r.pointwise), ("pointwise", "gradients")),
    "history": Need("the course of a training", lambda r: r.history is not None, ("history",)),
    "activations": Need("the activations", lambda r: bool(r.activations and r.activations.layers), ("activations",)),
}


def absent(record: DiagnosisRecord, path: str) -> str | None:
    """Why the measurement at `path` is absent, in words; None when it is there."""
    need = NEEDS[path]
    if need.there(record):
        return None
    return f"needs {need.words}: {reason(record, need.keys)}"


def reason(record: DiagnosisRecord, keys: tuple[str, ...]) -> str:
    """The record's own reason under one of `keys`, or under a part of them."""
    for key in keys:
        if key in record.reasons:
            return record.reasons[key].removeprefix("not applicable: ")
        parts = sorted(name for name in record.reasons if name.startswith(f"{key}."))
        if parts:
            return record.reasons[parts[0]].removeprefix("not applicable: ")
    return "only a watched training has it (pinndiag.watch)" if keys == ("history",) else "not measured"
