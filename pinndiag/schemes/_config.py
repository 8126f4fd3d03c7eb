"""ConFIG of Liu, Chu and Thuerey: the direction with equal angles."""

from __future__ import annotations

from typing import Unpack, final

import numpy as np

from pinndiag.schemes._about import About
from pinndiag.schemes._direction_scheme import AbstractDirectionScheme, Coefficients, Gramian
from pinndiag.schemes._options import Options

__all__ = ["ConFIG"]


@final
class ConFIG(AbstractDirectionScheme):
    """The direction with the same positive cosine to every gradient, as long as their projections on it together.

    d is along pinv(U) 1, U the unit gradients as rows; |d| = sum_i g_i . d / |d|. Opposite gradients have no such
    direction, and the step is zero.

    Args:
        options: see `AbstractScheme`; eigenvalues of U U^T below `eps_rel` of the largest are dropped.

    Cost: the gradient of each term at every step, free where terms have their own points.

    Source: Liu, Chu, Thuerey 2024, arXiv:2408.11104, eqs (2)-(5).

    >>> ConFIG().coefficients(np.diag([4.0, 1.0]))  # along the bisector, length (2 + 1) / sqrt(2)
    array([0.75, 1.5 ])
    """

    about = About(
        "config",
        "ConFIG: the direction with equal angles to all gradients",
        "gradients",
        "Liu, Chu, Thuerey 2024, arXiv:2408.11104",
        "nearly opposite gradients leave a step close to zero; not for L-BFGS",
    )

    def __init__(self, *, every: int = 1, **options: Unpack[Options]) -> None:
        super().__init__(every=every, **options)

    def coefficients(self, gramian: Gramian, reference: int = 0) -> Coefficients:
        """See `AbstractDirectionScheme`."""
        norms = np.sqrt(np.diag(gramian))
        cosines = gramian / np.outer(norms, norms)
        along = np.linalg.pinv(cosines, rcond=max(self.eps_rel, 1e-14), hermitian=True).sum(axis=1)
        square = along @ cosines @ along
        if square <= 1e-14:  # 1 lies in the null space
            return np.zeros(len(norms))
        projections = norms @ (cosines @ along) / square
        scaled: Coefficients = projections * along / norms
        return scaled
