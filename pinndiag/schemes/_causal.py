"""Causal weights of Wang, Sankaran and Perdikaris."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Unpack, final

import torch
from torch import Tensor

from pinndiag._engine import Evaluation
from pinndiag._errors import PinndiagError
from pinndiag.schemes._about import About
from pinndiag.schemes._memory import Fields
from pinndiag.schemes._numbers import COUNT, SIZE, Ranges
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._point_scheme import AbstractPointScheme, Points, TermChoice
from pinndiag.schemes._presets import PUBLISHED, presets

__all__ = ["Causal"]

Time = Tensor | Callable[[], Tensor]


@final
@presets(
    paper={**PUBLISHED, "eps": (1e-2, 1e-1, 1.0, 1e1, 1e2)},
    jaxpi={**PUBLISHED, "slabs": 16},
)
class Causal(AbstractPointScheme):
    """mean_c v_c L_c over M slabs of time, v_c = exp(-eps sum_{b<c} L_b): later times wait for earlier ones.

    The points are sorted by time, with their residuals, and cut into slabs of equal counts. `weights` shows v_c at each
    point (times N / (M N_c) where the counts differ, so that slabs count alike). Give the initial condition a large
    weight. No memory: the points may be drawn afresh, when `time` gives their times.

    Args:
        time: term -> the time of each of its points, or a function that gives it.
        terms: whose points are weighted; default: those with a time.
        slabs: M; no more than there are points.
        eps: how strictly to wait; or a rising list, whose next value is taken once the smallest weight exceeds 0.99.
        before: a term (such as the initial condition) whose loss stands in front of the sums.
        options: see `AbstractScheme`. `eps_rel` has nothing to guard.

    Cost: a sort.

    Source: Wang, Sankaran, Perdikaris 2022, arXiv:2203.07404, eqs (12)-(15).

    >>> scheme = Causal(time={"pde": torch.tensor([1.0, 0.0, 0.1, 0.9])}, slabs=2)
    >>> scheme.weigh({"pde": torch.tensor([5.0, 1.0, 1.0, 5.0])})["pde"]  # the early slab's loss is 1
    tensor([0.3679, 1.0000, 1.0000, 0.3679])
    """

    about = About(
        "causal",
        "causal weights: later times wait for earlier ones",
        "residuals",
        "Wang, Sankaran, Perdikaris 2022, arXiv:2203.07404",
        "too large an eps freezes all but the first slab, too small a one does nothing; needs a large weight on the "
        "initial condition",
    )
    remembers = False
    ranges: ClassVar[Ranges] = {"slabs": COUNT, "eps": SIZE}

    def __init__(
        self,
        *,
        time: Mapping[str, Time],
        slabs: int = 32,
        eps: Number | Sequence[Number] = 1.0,
        before: str | None = None,
        terms: TermChoice = None,
        every: int = 1,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(terms=tuple(time) if terms is None else terms, every=every, **options)
        self.time, self.slabs, self.before = dict(time), slabs, before
        self.eps = tuple(eps) if isinstance(eps, Sequence) else (eps,)
        if not self.eps or list(self.eps) != sorted(self.eps):
            raise PinndiagError(f"Causal(eps={eps!r}) is no rising list", fix="give one number, or a list that rises")
        self._ahead: Tensor | None = None

    def measure(self, evaluation: Evaluation, name: str) -> Points:
        """See `AbstractPointScheme`; looks up the loss that stands in front as well."""
        if self.before is not None and self.before in evaluation.losses:
            self._ahead = evaluation.losses[self.before].detach()
        return evaluation.outputs[name].detach().abs().reshape(-1)

    def start(self, name: str, like: Points) -> Fields:
        """See `AbstractPointScheme`: which eps, and the weights."""
        return {"stage": like.new_zeros(()), "v": torch.ones_like(like)}

    def refreshed(self, fields: Mapping[str, Fields], measured: Mapping[str, Points]) -> dict[str, Fields]:
        """See `AbstractPointScheme`."""
        return {name: self._waiting(name, fields[name]["stage"], r) for name, r in measured.items()}

    def factor(self, fields: Fields) -> Points:
        """See `AbstractPointScheme`."""
        return fields["v"]

    def _waiting(self, name: str, stage: Tensor, residuals: Points) -> Fields:
        order = self._order(name, residuals)
        points = len(order)
        slabs = min(self.slabs, points)
        # like numpy's array_split: the first slabs hold one point more where they do not come out even
        slab = torch.arange(slabs, device=order.device).repeat_interleave(
            torch.tensor([points // slabs + (c < points % slabs) for c in range(slabs)], device=order.device),
            output_size=points,
        )
        loss = residuals.square().reshape(points, -1).mean(dim=1)[order]
        counts = torch.zeros(slabs, dtype=loss.dtype, device=loss.device).index_add(0, slab, torch.ones_like(loss))
        means = torch.zeros_like(counts).index_add(0, slab, loss) / counts
        earlier = means.cumsum(0) - means
        if self._ahead is not None:
            earlier = earlier + self._ahead.to(earlier)
        ladder = torch.tensor(self.eps, dtype=loss.dtype, device=loss.device)
        v = torch.exp(-ladder[stage.long()] * earlier)
        factor = (v * points / (slabs * counts))[slab]
        by_point = torch.empty_like(factor).index_copy(0, order, factor)
        passed = (v.amin() > 0.99) & (stage < len(ladder) - 1)
        spread = by_point[:, None].expand(points, len(residuals) // points).reshape(-1)
        return {"stage": stage + passed, "v": spread}

    def _order(self, name: str, residuals: Points) -> Tensor:
        """The points of a term in the order of time."""
        if name not in self.time:
            raise PinndiagError(f"Causal has no time for the points of term {name!r}", fix=f"give time={{{name!r}: t}}")
        given = self.time[name]
        time = (given if isinstance(given, Tensor) else given()).detach().reshape(-1).to(residuals.device)
        if not len(time) or len(residuals) % len(time):
            raise PinndiagError(
                f"the times of term {name!r} do not fit its residuals",
                where=f"{len(time)} times, {len(residuals)} residuals",
                cause="the points were drawn afresh and time= was not, or it holds whole points",
                fix="give one time for each point: x[:, 0], or a function that returns it at each step",
            )
        return time.argsort(stable=True)
