"""Where a run trains: the points of the file, another draw of them for another seed, fresh ones as it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

from pinndiag._derivatives._jacobian import draw
from pinndiag._errors import PinndiagError
from pinndiag._terms._pinn import PINN
from pinndiag._terms._points import PointSet
from pinndiag.schemes import AbstractScheme, Causal
from pinndiag.schemes._point_scheme import AbstractPointScheme

__all__ = ["Draws", "bound", "drawn"]

POOL = 16  # times as many points as a term has; sets drawn from them have few points in common


@final
@dataclass(frozen=True, eq=False)
class Draws:
    """Fresh points of some terms, drawn once for all arms: equal seeds and steps mean equal points.

    Attributes:
        pools: term -> points to draw from.
        every: steps after which these terms get others; 0: they keep theirs for the whole run.
        reasons: term -> why it keeps the points of the file.
    """

    pools: Mapping[str, PointSet] = field(default_factory=dict)
    every: int = 0
    reasons: Mapping[str, str] = field(default_factory=dict)

    def due(self, step: int) -> bool:
        """Whether the points change before this step."""
        return bool(self.pools) and self.every > 0 and step % self.every == 0

    def place(self, twin: PINN, seed: int, step: int) -> None:
        """Give a copy the points of this step; seed 0 begins at those of the file."""
        turn = step // self.every if self.every else 0
        if turn == 0 and seed == 0:
            return
        infos = dict(twin.infos)
        for name, pool in self.pools.items():
            known = infos[name].points
            assert known is not None
            rows = draw(pool.count, known.count, 1_000_003 * seed + turn)
            infos[name] = replace(infos[name], points=pool.rows(rows.to(pool.tensors[0].device)))
        twin.terms.infos = infos


def drawn(pinn: PINN, schemes: Sequence[AbstractScheme], *, every: int, others: bool) -> Draws:
    """The pools that the runs of a remediation draw from.

    With `every` those of each term that takes its points, else, for other seeds, those of each term with a sampler. A
    term whose times a scheme was given keeps its points in every arm.

    Args:
        pinn: the PINN.
        schemes: of all arms.
        every: steps after which the points change, 0 for never.
        others: whether there are seeds beyond the first that begin elsewhere.

    Raises:
        PinndiagError: a scheme remembers points that are to change.

    Cost: one draw of 16 times as many points as a term has.
    """
    names = [n for n, i in pinn.infos.items() if i.takes_points and not i.random and (every or n in pinn.sampled)]
    pools, reasons = {}, {}
    for name in names if every or others else ():
        holder = next((s for s in schemes if name in bound(s, pinn)), None)
        known = pinn.infos[name].points
        assert known is not None
        try:
            pool, _ = pinn.fresh_points(name, POOL * known.count)
        except PinndiagError as error:
            reasons[name] = error.what
            continue
        if holder is not None and every:
            raise _remembered(holder, name, every)
        if isinstance(holder, Causal):
            reasons[name] = "Causal was given their times"
        elif pool.count < known.count:
            reasons[name] = f"only {pool.count} fresh points came with the file"
        else:
            pools[name] = pool
    return Draws(pools, every, reasons)


def bound(scheme: AbstractScheme, pinn: PINN) -> frozenset[str]:
    """Terms whose points a scheme remembers, or whose times it was given."""
    if isinstance(scheme, Causal):
        return frozenset(scheme.time)
    if not isinstance(scheme, AbstractPointScheme) or not scheme.remembers:
        return frozenset()
    if scheme.terms is None:
        return frozenset({scheme.reference or pinn.names[0]})
    return frozenset(pinn.names if scheme.terms == "all" else scheme.terms)


def _remembered(scheme: AbstractScheme, name: str, every: int) -> PinndiagError:
    return PinndiagError(
        f"{type(scheme).__name__} weighs the points of term {name!r} one by one, and they are to change",
        where=f"fresh points every {every} steps",
        cause="a point's weight belongs to the point",
        fix="leave the points as they are (resample=0), or name a scheme that weighs terms",
    )
