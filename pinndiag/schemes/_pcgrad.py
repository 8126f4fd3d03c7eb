"""PCGrad of Yu and others: gradient surgery by projection."""

from __future__ import annotations

from typing import ClassVar, Literal, Unpack, final

import numpy as np
import torch

from pinndiag.schemes._about import About
from pinndiag.schemes._direction_scheme import AbstractDirectionScheme, Coefficients, Gramian
from pinndiag.schemes._numbers import SEED, Ranges
from pinndiag.schemes._options import Options

__all__ = ["PCGrad"]


@final
class PCGrad(AbstractDirectionScheme):
    """Each gradient loses its projection on every other one it conflicts with; the results are added up.

    Args:
        order: "random", the paper's: the partners of a gradient are taken in a new order each time; "fixed": as the
            terms are given. The same for two terms, a few percent apart for three.
        seed: of the order.
        options: see `AbstractScheme`. `eps_rel` has nothing to guard.

    Cost: the gradient of each term at every step, free where terms have their own points.

    Source: Yu, Kumar, Gupta, Levine, Hausman, Finn 2020, arXiv:2001.06782, Algorithm 1.

    >>> J = np.array([[1.0, 0.0], [-1.0, 1.0]])
    >>> PCGrad().coefficients(J @ J.T)  # (1/2, 1/2) + (0, 1)
    array([2. , 1.5])
    """

    about = About(
        "pcgrad",
        "PCGrad: conflicting parts of the gradients are projected out",
        "gradients",
        "Yu, Kumar, Gupta, Levine, Hausman, Finn 2020, NeurIPS (arXiv:2001.06782)",
        "does nothing about gradients that differ in size only; with three terms the sum may still conflict with one",
    )

    ranges: ClassVar[Ranges] = {"seed": SEED}

    def __init__(
        self, *, order: Literal["random", "fixed"] = "random", seed: int = 0, every: int = 1, **options: Unpack[Options]
    ) -> None:
        super().__init__(every=every, **options)
        self.order, self.seed = order, seed

    def coefficients(self, gramian: Gramian, reference: int = 0) -> Coefficients:
        """See `AbstractDirectionScheme`."""
        count = len(gramian)
        rows = np.eye(count)
        for i, partners in enumerate(self._partners(count)):
            for j in partners:
                dot = float(rows[i] @ gramian[:, j])
                if j != i and dot < 0:
                    rows[i, j] -= dot / gramian[j, j]
        total: Coefficients = rows.sum(axis=0)
        return total

    def _partners(self, count: int) -> list[list[int]]:
        if self.order == "fixed" or count < 3:
            return [list(range(count))] * count
        generator = self.memory.generator(self.seed)
        return [torch.randperm(count, generator=generator).tolist() for _ in range(count)]
