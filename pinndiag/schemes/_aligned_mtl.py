"""Aligned-MTL of Senushkin and others."""

from __future__ import annotations

from typing import Literal, Unpack, final

import numpy as np

from pinndiag.schemes._about import About
from pinndiag.schemes._direction_scheme import AbstractDirectionScheme, Coefficients, Gramian
from pinndiag.schemes._options import Options

__all__ = ["AlignedMTL"]


@final
class AlignedMTL(AbstractDirectionScheme):
    """The gradients are turned and scaled, as little as can be, to be orthogonal and equally long, and averaged.

    c = s V diag(lam^-1/2) V^T 1/m with G = V diag(lam) V^T.

    Args:
        scale: s is the square root of the smallest ("min", the paper's), the "median" or the mean ("rmse") eigenvalue.
        options: see `AbstractScheme`; eigenvalues below `eps_rel` of the largest are dropped.

    Cost: the gradient of each term at every step, free where terms have their own points.

    Source: Senushkin, Patakin, Kuznetsov, Konushin 2023, arXiv:2305.19000, section 4; other scales as in TorchJD.

    >>> AlignedMTL().coefficients(np.diag([4.0, 1.0]))  # both one long, and half of each
    array([0.25, 0.5 ])
    """

    about = About(
        "aligned_mtl",
        "Aligned-MTL: gradients made orthogonal and equally long",
        "gradients",
        "Senushkin, Patakin, Kuznetsov, Konushin 2023, CVPR (arXiv:2305.19000)",
        "the smallest singular value sets the length: nearly dependent gradients leave a step close to zero",
    )

    def __init__(
        self, *, scale: Literal["min", "median", "rmse"] = "min", every: int = 1, **options: Unpack[Options]
    ) -> None:
        super().__init__(every=every, **options)
        self.scale = scale

    def coefficients(self, gramian: Gramian, reference: int = 0) -> Coefficients:
        """See `AbstractDirectionScheme`."""
        values, vectors = np.linalg.eigh(gramian)
        kept = values > max(self.eps_rel, 1e-14) * values[-1]
        values, vectors = values[kept], vectors[:, kept]
        square = {"min": values[0], "median": np.median(values), "rmse": values.mean()}[self.scale]
        mean = np.full(len(gramian), 1 / len(gramian))
        found: Coefficients = np.sqrt(square) * (vectors @ ((vectors.T @ mean) / np.sqrt(values)))
        return found
