"""Rows d r_j / d theta of a term's Jacobian, at chosen residuals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pinndiag._derivatives._rows import batched, one_by_one
from pinndiag._terms import _parameters
from pinndiag._terms._pinn import PINN
from pinndiag._terms._points import PointSet
from pinndiag._terms._view import View

__all__ = ["UNIFORM", "WHOLE", "Jacobian", "Rows", "draw", "generator", "joined", "uniform_rows"]

BLOCK = 16  # residuals differentiated in one batched pass: on a 4x50 network the fastest of 4, 8, ..., 256
WHOLE = 64  # rows at most where each costs a backward pass through the whole term
UNIFORM = 160  # points of the uniform sample that remaining work and the kernel share
ROWS = 640  # and no more rows than this, however many components a point has
MEMORY = 2**27  # bytes that the stored rows of a term may take

Entries = Int[Tensor, " chosen"]


@final
@dataclass(frozen=True)
class Rows:
    """Some rows of a term's Jacobian; a complex residual gives two, of its real and of its imaginary part.

    Attributes:
        entries: which entries of the flattened residual, sorted or not as they were asked for.
        residual: their values.
        matrix: d r_j / d theta over all P trainable parameters.
        real_rows: rows for each entry, 1 or 2.
        components: entries of a point, which stand together; 1 where the sample is of single entries.
    """

    entries: Entries
    residual: Float[Tensor, " rows"]
    matrix: Float[Tensor, "rows params"]
    real_rows: int
    components: int = 1

    @property
    def squared_norms(self) -> Float[Tensor, " chosen"]:
        """|d r_j / d theta|^2 of each entry."""
        return self.matrix.square().sum(1).reshape(-1, self.real_rows).sum(1)


def joined(blocks: Sequence[Rows], components: int = 1) -> Rows:
    """Rows one after another."""
    return Rows(
        torch.cat([b.entries for b in blocks]),
        torch.cat([b.residual for b in blocks]),
        torch.cat([b.matrix for b in blocks]),
        blocks[0].real_rows,
        components,
    )


@final
class Jacobian:
    """J = d r / d theta of one residual term, row by row, at the present parameters.

    A term that takes its points, and whose residual at a point does not depend on the other points (which is tried
    out), is evaluated at the chosen points only, in blocks of 16: 256 rows of the Laplacian of a 4x50 network take
    about 5 gradients of the term at 2500 points. Any other term costs a backward pass through all of it for each row,
    so at most 64 rows are taken (`limit`).

    Args:
        pinn: the PINN.
        name: a term that returns residuals, not a scalar loss.

    Cost: one forward pass of the term.
    """

    def __init__(self, pinn: PINN, name: str) -> None:
        self._pinn = pinn
        self._info = pinn.infos[name]
        self._name = name
        self.residual = torch.cat([part.detach().reshape(-1) for part, _ in pinn.parts(name)])

    @property
    def entries(self) -> int:
        """Number of entries of the residual."""
        return self._info.entries

    @cached_property
    def separable(self) -> bool:
        """Whether single residuals can be had without evaluating the whole term."""
        info = self._info
        if not info.takes_points or not info.by_point or info.random or not info.repeatable:
            return False
        assert info.points is not None
        components = info.components
        rows = torch.linspace(0, info.points.count - 1, min(BLOCK, info.points.count)).long().unique()
        try:
            alone = self._at(rows).detach()
        except Exception:  # the user's own code, which may not be made for another number of points
            return False
        known = self.residual.reshape(-1, components)[rows].reshape(-1)
        if alone.shape != known.shape:
            return False
        alone, known = torch.nan_to_num(alone), torch.nan_to_num(known)
        slack = 1e3 * torch.finfo(known.dtype).eps * torch.nan_to_num(self.residual).abs().max()
        return bool((alone - known).abs().max() <= slack)

    def limit(self, at_most: int) -> int:
        """How many rows to take of `at_most`: fewer where each costs a pass through the whole term."""
        return min(self.entries, at_most if self.separable else min(at_most, WHOLE))

    def blocks(self, entries: Entries) -> Iterator[Rows]:
        """Rows of the chosen entries, in blocks of at most 16, in the order asked for.

        Cost: a backward pass a row (batched where the operators allow it); memory of 16 rows.
        """
        entries = entries.to(self._pinn.device)
        whole = None if self.separable else self._pinn.outputs([self._name])[self._name].reshape(-1)
        for chosen in entries.split(BLOCK):
            yield self._block(chosen, self._alone(chosen) if whole is None else whole[chosen], batch=whole is None)

    def rows(self, entries: Entries) -> Rows:
        """Rows of the chosen entries, all at once. Memory: rows times P numbers."""
        return joined(list(self.blocks(entries)))

    def elsewhere(self, points: PointSet) -> Rows:
        """Rows of all residuals at other points, of a term that is separable. Cost and memory as of `rows`."""
        per, components = max(1, BLOCK // self._info.components), self._info.components
        blocks = []
        for chosen in torch.arange(points.count, device=self._pinn.device).split(per):
            flat = self._pinn.outputs([self._name], {self._name: points.rows(chosen)})[self._name].reshape(-1)
            entries = (chosen[:, None] * components + torch.arange(components, device=chosen.device)).reshape(-1)
            blocks.append(self._block(entries, flat, batch=True))
        return joined(blocks, components)

    def squared_norms(self, entries: Entries) -> Float[Tensor, " chosen"]:
        """|d r_j / d theta|^2 of the chosen entries; no more than 16 rows are held at a time."""
        return torch.cat([block.squared_norms for block in self.blocks(entries)])

    def _block(self, entries: Entries, output: Tensor, *, batch: bool) -> Rows:
        """Rows of these residuals, in one pass where the operators allow it."""
        flat = _parameters.real(output)
        matrix = batched(flat, self._pinn.tensors) if batch else None
        if matrix is None:
            matrix = one_by_one(flat, self._pinn.tensors)
        return Rows(entries, flat.detach(), matrix, flat.numel() // entries.numel())

    def _at(self, rows: Int[Tensor, " rows"]) -> Tensor:
        assert self._info.points is not None
        output = self._pinn.outputs([self._name], {self._name: self._info.points.rows(rows)})
        return output[self._name].reshape(-1)

    def _alone(self, entries: Entries) -> Tensor:
        """The chosen residuals, from an evaluation at their points only."""
        assert self._info.points is not None
        components = self._info.components
        points, position = torch.unique(entries // components, return_inverse=True)
        return self._at(points)[position * components + entries % components]


def generator(seed: int) -> torch.Generator:
    """A generator of its own, on the CPU so that equal seeds give equal choices on every device."""
    return torch.Generator().manual_seed(seed)


def draw(count: int, at_most: int, seed: int) -> Entries:
    """`at_most` of the numbers 0 to count - 1, uniform without replacement, in random order."""
    return torch.randperm(count, generator=generator(seed))[:at_most]


_SHARED: WeakKeyDictionary[View, dict[tuple[str, int], Rows]] = WeakKeyDictionary()


def uniform_rows(view: View, name: str, seed: int) -> Rows:
    """Rows of a term at no more than 160 points drawn uniformly, in random order; computed once for a view.

    A point has as many rows as its residual has components (twice as many complex ones). Where the points are not
    known, or not even one is affordable, single entries are drawn. No more than 640 rows; fewer where they would take
    more than 128 MB, or where each costs a pass through the whole term (64).
    """
    known = _SHARED.setdefault(view, {})
    if (name, seed) not in known:
        known[name, seed] = _uniform_rows(view.pinn, name, seed)
    return known[name, seed]


def _uniform_rows(pinn: PINN, name: str, seed: int) -> Rows:
    jacobian, info = Jacobian(pinn, name), pinn.infos[name]
    affordable = max(8, MEMORY // (pinn.size * torch.finfo(pinn.dtype).bits // 8))
    components = info.components
    rows = min(jacobian.limit(min(UNIFORM * components, ROWS)), affordable)
    if components > rows:
        components = 1
    points = draw(jacobian.entries // components, min(UNIFORM, rows // components), seed)
    entries = (points[:, None] * components + torch.arange(components)).reshape(-1)
    return replace(jacobian.rows(entries), components=components)
