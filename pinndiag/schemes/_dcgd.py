"""Dual cone gradient descent of Hwang and Lim."""

from __future__ import annotations

from typing import Literal, Unpack, final

import numpy as np

from pinndiag.schemes._about import About
from pinndiag.schemes._direction_scheme import AbstractDirectionScheme, Coefficients, Gramian
from pinndiag.schemes._options import Options

__all__ = ["DCGD"]

OPPOSITE = 1e-8  # of cos = -1: there is no common direction


@final
class DCGD(AbstractDirectionScheme):
    """A direction in the dual cone of two gradients: the reference's, and the sum of all others.

    Args:
        variant: "centre": the projection of g = g_1 + g_2 on the bisector u_1 + u_2. "projection": g, or where it
            conflicts with one of the two its projection on the dual cone. "average": g, or where it conflicts the mean
            of its projections across both. Opposite gradients (cosine -1 to 1e-8) give a zero step.
        options: see `AbstractScheme`. `eps_rel` has nothing to guard.

    Cost: the gradient of each term at every step, free where terms have their own points.

    Source: Hwang, Lim 2024, arXiv:2409.18426, Algorithms 1-3.

    >>> DCGD().coefficients(np.diag([4.0, 1.0]))  # along the bisector, length 3 / sqrt(2)
    array([0.75, 1.5 ])
    """

    about = About(
        "dcgd",
        "dual cone descent: between the PDE's gradient and that of the conditions",
        "gradients",
        "Hwang, Lim 2024, arXiv:2409.18426",
        "all conditions are one: a conflict among them is not seen; opposite gradients leave a step of zero",
    )

    def __init__(
        self,
        *,
        variant: Literal["centre", "projection", "average"] = "centre",
        every: int = 1,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(every=every, **options)
        self.variant = variant

    def coefficients(self, gramian: Gramian, reference: int = 0) -> Coefficients:
        """See `AbstractDirectionScheme`."""
        others = np.ones(len(gramian))
        others[reference] = 0
        size = np.sqrt(gramian[reference, reference])
        other = np.sqrt(max(others @ gramian @ others, 0.0))
        dot = float(gramian[reference] @ others)
        if other == 0:  # one term alone, or others that cancel
            own, theirs = 1.0, 1.0
        elif dot < (OPPOSITE - 1) * size * other:
            own, theirs = 0.0, 0.0
        else:
            own, theirs = self._two(size, other, dot)
        found = theirs * others
        found[reference] = own
        return found

    def _two(self, size: float, other: float, dot: float) -> tuple[float, float]:
        """Coefficients of two gradients, given their norms and their dot product."""
        if self.variant == "centre":
            return (size + other) / (2 * size), (size + other) / (2 * other)
        with_own, with_other = size**2 + dot, other**2 + dot  # of g = g_1 + g_2
        if with_own >= 0 and with_other >= 0:
            return 1.0, 1.0
        if self.variant == "average":
            return (1 - dot / size**2) / 2, (1 - dot / other**2) / 2
        return (-dot / size**2, 1.0) if with_own < 0 else (1.0, -dot / other**2)
