"""UPGrad of Quinton and Rey."""

from __future__ import annotations

from typing import ClassVar, Unpack, final

import numpy as np
from scipy.optimize import nnls

from pinndiag.schemes._about import About
from pinndiag.schemes._direction_scheme import AbstractDirectionScheme, Coefficients, Gramian
from pinndiag.schemes._numbers import SIZE, Ranges
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._presets import presets

__all__ = ["UPGrad"]


@final
@presets(torchjd={"regularisation": 1e-4})
class UPGrad(AbstractDirectionScheme):
    """The mean of the projections of each gradient on the dual cone {d: g_j . d >= 0 for all j}.

    The projection of g_i is J^T (e_i + lam) with lam >= 0 of least length: a least-squares problem with non-negative
    unknowns, which Lawson and Hanson's active-set method solves exactly.

    Args:
        regularisation: added to the diagonal of G / trace(G). TorchJD's 1e-4 moves results by about 0.5 %.
        options: see `AbstractScheme`. `eps_rel` has nothing to guard.

    Cost: the gradient of each term at every step, free where terms have their own points.

    Source: Quinton, Rey 2024, arXiv:2406.16232, section 2.2.

    >>> J = np.array([[1.0, 0.0], [-1.0, 1.0]])
    >>> UPGrad().coefficients(J @ J.T)  # half of (1/2, 1/2) + (0, 1)
    array([1.  , 0.75])
    """

    about = About(
        "upgrad",
        "UPGrad: the mean of the gradients' projections on the cone where no term rises",
        "gradients",
        "Quinton, Rey 2024, arXiv:2406.16232 (TorchJD)",
        "does nothing about gradients that differ in size only; not for L-BFGS",
    )

    ranges: ClassVar[Ranges] = {"regularisation": SIZE}

    def __init__(self, *, regularisation: Number = 0.0, every: int = 1, **options: Unpack[Options]) -> None:
        super().__init__(every=every, **options)
        self.regularisation = regularisation

    def coefficients(self, gramian: Gramian, reference: int = 0) -> Coefficients:
        """See `AbstractDirectionScheme`."""
        count = len(gramian)
        if self.regularisation:
            sizes = np.ones(count)
            matrix = gramian / np.trace(gramian) + self.regularisation * np.eye(count)
        else:  # unit gradients span the same cone, and are better conditioned
            sizes = np.sqrt(np.diag(gramian))
            matrix = gramian / np.outer(sizes, sizes)
        values, vectors = np.linalg.eigh(matrix)
        root = np.sqrt(values.clip(min=0))[:, None] * vectors.T  # root^T root = matrix
        total = np.zeros(count)
        for i in range(count):
            total += sizes[i] * (np.eye(count)[i] + nnls(root, -root[:, i])[0])
        found: Coefficients = total / sizes / count
        return found
