"""The optimizer as a report names it."""

from __future__ import annotations

from typing import Any

from pinndiag._records._record import Record

__all__ = ["OptimizerCard"]


class OptimizerCard(Record):
    """The optimizer as the file names it.

    Attributes:
        kind: class name, such as "Adam".
        lr: learning rate (of the first group).
        settings: the other settings of the first group.
        has_state: whether its state (moments, momentum) came along.
        counts: what torch's L-BFGS counts over all of its calls: "n_iter" and "func_evals"; empty for others.
    """

    kind: str
    lr: float | None
    settings: dict[str, Any] = {}
    has_state: bool = False
    counts: dict[str, int] = {}
