"""The neural tangent kernel of every term, on a subset of its points."""

from __future__ import annotations

import math

import torch

from pinndiag._derivatives._jacobian import Rows, uniform_rows
from pinndiag._records._points import Kernel, TermKernel
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View

__all__ = ["kernel"]

POINTS = 128
SLOW = 1e-4  # eigendirections below this share of the largest eigenvalue are slow
RANK = 1e-6


def kernel(subject: PINN | View, *, seed: int = 0) -> Kernel:
    """K = J J^T of every term on at most 128 of its points, drawn uniformly; eigenvalues and what follows from them.

    A residual of several components has a row for each of them at a point; one whose points are not known is taken
    entry by entry.

    Under gradient flow the residual's component along an eigenvector decays at the rate of its eigenvalue (Jacot et al.
    2018; Wang, Yu, Perdikaris 2022), so the share of the residual in directions of small eigenvalue is what training
    will not reach soon. Not normalised: 2 K / N drives the loss mean(r^2) over N residuals.

    Args:
        subject: a wrapped PINN, or a view of it.
        seed: of the choice of points.

    Cost: as `work`, with which it shares its rows through a view; memory of 128 rows of P numbers for each
    component (fewer where they would take more than 128 MB).
    """
    view = View.of(subject)
    terms, reasons = {}, {}
    for name, info in view.pinn.infos.items():
        if info.kind == "loss":
            reasons[name] = "a scalar loss has no residuals of which a kernel could be formed"
            continue
        rows = uniform_rows(view, name, seed)
        if bool(rows.matrix.isfinite().all()):
            terms[name] = _spectrum(rows)
        else:
            reasons[name] = "derivatives of its residuals are not finite"
    return Kernel(terms=terms, reasons=reasons)


def _spectrum(rows: Rows) -> TermKernel:
    points = min(POINTS, len(rows.entries) // rows.components)
    chosen = points * rows.components
    size = chosen * rows.real_rows  # the points are in random order, so the first ones are a uniform sample too
    matrix, residual = rows.matrix[:size].double(), rows.residual[:size].double()
    rounding = size * torch.finfo(rows.matrix.dtype).eps
    values, vectors = torch.linalg.eigh(matrix @ matrix.T)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)  # positive semi-definite but for rounding
    largest = float(values[0])
    if largest == 0:  # no parameter moves these residuals
        return TermKernel(
            eigenvalues=values.tolist(), residuals=chosen, trace=0.0, condition=math.nan, rank=0, slow_share=math.nan
        )
    share = (vectors.T @ residual).square()
    return TermKernel(
        eigenvalues=values.tolist(),
        residuals=chosen,
        trace=float(values.sum()) / chosen,
        condition=largest / float(values[values > rounding * largest][-1]),
        rank=int((values > RANK * largest).sum()),
        slow_share=float(share[values < SLOW * largest].sum() / share.sum()),
    )
