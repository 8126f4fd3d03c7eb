"""Pareto stationarity: how short a combination of the weighted gradients can be."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from torch import Tensor

from pinndiag._records import Pareto
from pinndiag._statistics import _statistics
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View

__all__ = ["STALLED", "pareto"]

STALLED = 0.05  # smallest norm in the hull / sum of the norms: below it the terms hold each other (design 4.3)

Matrix = Float[Tensor, "terms n"]
Vector = Float[np.ndarray, " terms"]


def pareto(subject: PINN | View) -> Pareto:
    """Measure how far the present parameters are from a point where no step lowers all terms at once.

    Finds the smallest norm in the convex hull of the weighted gradients w_i g_i, |sum_i a_i w_i g_i| with a_i >= 0 and
    sum_i a_i = 1. At a Pareto-stationary point it is zero; its ratio to sum_i |w_i g_i| below 0.05 is called stalled.

    A term of weight zero is not trained and does not count. A term whose gradient is zero puts zero into the hull: the
    ratio is 0. If every gradient is zero the ratio is NaN (0 / 0). If one is not finite all figures are NaN. Neither
    is called stalled.

    Cost: one forward and one backward pass of each term (shared through a `View`), a QR factorisation of the P x terms
    matrix in float64, and a non-negative least-squares problem with as many unknowns as terms.

    Sources: Desideri 2012 (C. R. Acad. Sci. 350, 313), the multiple-gradient descent algorithm; Sener, Koltun 2018
    (arXiv:1810.04650).

    >>> import torch, pinndiag
    >>> k = torch.tensor([1.0, 1.0], requires_grad=True)
    >>> terms = {"a": lambda: 3 * k[0], "b": lambda: 4 * k[1]}      # g = (3, 0) and (0, 4): nearest point at 12 / 5
    >>> found = pareto(pinndiag.wrap(lambda p, x: x, terms, parameters={"k": k}))
    >>> round(found.smallest_norm, 12), {name: round(a, 12) for name, a in found.multipliers.items()}
    (2.4, {'a': 0.64, 'b': 0.36})
    """
    view = View.of(subject)
    weights = view.pinn.weights
    trained = [name for name in view.pinn.names if weights[name] != 0]
    multipliers = dict.fromkeys(view.pinn.names, 0.0)
    if not trained:
        return Pareto(smallest_norm=float("nan"), ratio=float("nan"), multipliers=multipliers, stalled=False)
    matrix = torch.stack([weights[name] * view.gradients[name].double() for name in trained])
    norm, lengths, shares = smallest_in_hull(matrix)
    total = float(lengths.sum())
    ratio = _statistics.quotient(norm, total)
    multipliers |= dict(zip(trained, shares.tolist(), strict=True))
    return Pareto(smallest_norm=norm, ratio=ratio, multipliers=multipliers, stalled=ratio < STALLED)


def smallest_in_hull(matrix: Matrix) -> tuple[float, Vector, Vector]:
    """The smallest norm in the convex hull of the rows, the norms of the rows, and the multipliers that reach it.

    With v_i = |v_i| u_i and s the smallest norm, z >= 0 that minimises |sum z_i u_i|^2 + (1 - sum z_i s/|v_i|)^2 is,
    up to a common factor, a_i = z_i s/|v_i|: a non-negative least-squares problem whose columns have lengths between 1
    and sqrt 2, whatever the lengths of the v_i are. The rows enter through the triangle of a QR factorisation, not
    through their Gram matrix, which would square the condition. Where rows cancel, the norm is right to about 1e-15 of
    the sum of the norms.
    """
    lengths = _statistics.norms(matrix)
    triangle = torch.linalg.qr((matrix / lengths[:, None]).nan_to_num().T, mode="r").R
    norms: Vector = lengths.cpu().numpy()
    terms = len(norms)
    if not np.isfinite(norms).all():
        return float("nan"), norms, np.full(terms, np.nan)
    smallest = norms.min()
    if smallest == 0:
        zero = norms == 0
        return 0.0, norms, zero / zero.sum()
    units = triangle.cpu().numpy()
    columns = np.vstack([units, smallest / norms])
    z, _ = nnls(columns, np.eye(len(columns))[-1])
    shares = z * (smallest / norms)
    norm = smallest * np.linalg.norm(units @ z) / shares.sum()
    return float(norm), norms, shares / shares.sum()
