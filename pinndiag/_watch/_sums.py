"""What the evaluations of one step add up to, while it is still on the device."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag._engine import Matrix

__all__ = ["Part", "Sums"]

Weights = Float[Tensor, " terms"]


@final
@dataclass(eq=False)
class Part:
    """Evaluations of the same terms: micro-batches, or the one evaluation of a step.

    Sums are weighted by what each evaluation went backward with, so that `(loss / n).backward()` and micro-batches of
    unequal size give the figures of the whole batch.

    Attributes:
        names: the terms.
        weights: w_i, in float64.
        points: smallest, mean and largest per-point weight of each term; None where no term has such.
        losses: unweighted, in float64.
        rows: unweighted gradients; None where they could not be formed.
        applied: what goes into the step of each (before w_i), where that is something else than `rows`.
        upstream: what the loss went backward with; None is 1.
        count: number of evaluations.
    """

    names: tuple[str, ...]
    weights: Weights
    points: Tensor | None
    losses: Weights
    rows: Matrix | None
    applied: Matrix | None
    upstream: Tensor | None
    count: int = 1

    @property
    def factor(self) -> Tensor:
        """What it counts, in float64."""
        return self.weights.new_ones(()) if self.upstream is None else self.upstream.double()

    def with_(self, other: Part) -> Part:
        """The weighted means over the evaluations of both."""
        both = self.factor + other.factor
        count = self.count + other.count
        share = torch.where(both == 0, other.count / count, other.factor / both)  # zero: none of them counts

        def mean(x: Tensor | None, y: Tensor | None) -> Tensor | None:
            return None if x is None or y is None else x * (1 - share).to(x.dtype) + y * share.to(y.dtype)

        losses = mean(self.losses, other.losses)
        assert losses is not None
        apart = self.applied is not None or other.applied is not None
        return Part(
            self.names,
            self.weights,
            other.points,
            losses,
            mean(self.rows, other.rows),
            mean(self.seen, other.seen) if apart else None,
            both,
            count,
        )

    @property
    def seen(self) -> Matrix | None:
        """What goes into the step of each term, before w_i."""
        return self.rows if self.applied is None else self.applied


@final
class Sums:
    """The evaluations of one step. Those that never went backward do not count.

    Calls with other terms make one record: a term's figures are means over the evaluations that it took part in, and
    its weight says how much of it the optimizer sees beside the first term.

    Attributes:
        begun: evaluations of the step, whether or not they went backward.
    """

    def __init__(self) -> None:
        self.begun = 0
        self._order: dict[str, None] = {}
        self._parts: dict[tuple[str, ...], Part] = {}

    def begin(self, names: Sequence[str]) -> None:
        """One more evaluation, of these terms; backward passes may run in another order."""
        self.begun += 1
        self._order |= dict.fromkeys(names)

    def add(self, part: Part) -> None:
        """One more evaluation whose backward pass has run."""
        known = self._parts.get(part.names)
        self._parts[part.names] = part if known is None else known.with_(part)
        self.__dict__.pop("_whole", None)

    @property
    def counted(self) -> int:
        """Evaluations that went backward."""
        return sum(part.count for part in self._parts.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The terms, in the order in which they came."""
        return self._whole.names

    @property
    def batches(self) -> int:
        """Micro-batches: the most evaluations that a term took part in."""
        return max(sum(p.count for p in self._parts.values() if name in p.names) for name in self.names)

    @property
    def losses(self) -> Weights:
        """Mean unweighted losses."""
        return self._whole.losses

    @property
    def weights(self) -> Weights:
        """w_i."""
        return self._whole.weights

    @property
    def points(self) -> Tensor | None:
        """As in `Part`."""
        return self._whole.points

    @property
    def upstream(self) -> Tensor | None:
        """As in `Part`."""
        return self._whole.upstream

    @property
    def measured(self) -> bool:
        """Whether the gradients are known."""
        return self._whole.rows is not None

    @property
    def rows(self) -> Matrix:
        """Mean unweighted gradients."""
        assert self._whole.rows is not None
        return self._whole.rows

    @property
    def applied(self) -> Matrix:
        """Mean gradients as they go into the sum, before w_i: those of per-point weights where there are such."""
        assert self._whole.seen is not None
        return self._whole.seen

    @functools.cached_property
    def _whole(self) -> Part:
        """All parts as one."""
        parts = list(self._parts.values())
        return parts[0] if len(parts) == 1 else _merged(parts, self._order)


def _merged(parts: Sequence[Part], order: Iterable[str]) -> Part:
    names = tuple(name for name in order if any(name in part.names for part in parts))
    single = [functools.reduce(Part.with_, [_row(p, p.names.index(n)) for p in parts if n in p.names]) for n in names]
    # beside the first term, since a gradient scaler's factor and a division by the number of batches look alike
    beside = single[0].factor
    share = torch.stack([part.factor for part in single]) / torch.where(beside == 0, 1.0, beside)
    known = all(part.rows is not None for part in single)
    ones = parts[0].weights.new_ones(1, 3)
    return Part(
        names,
        torch.cat([part.weights for part in single]) * share,
        torch.cat([ones if p.points is None else p.points for p in single])
        if any(p.points is not None for p in single)
        else None,
        torch.cat([part.losses for part in single]),
        torch.cat([part.rows for part in single if part.rows is not None]) if known else None,
        torch.cat([part.seen for part in single if part.seen is not None])
        if known and any(part.applied is not None for part in single)
        else None,
        single[0].upstream,
    )


def _row(part: Part, place: int) -> Part:
    def row(table: Tensor | None) -> Tensor | None:
        return None if table is None else table[place : place + 1]

    return Part(
        (part.names[place],),
        part.weights[place : place + 1],
        row(part.points),
        part.losses[place : place + 1],
        row(part.rows),
        row(part.applied),
        part.upstream,
        part.count,
    )
