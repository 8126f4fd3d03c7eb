"""Weights from the gradient norm of each residual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Unpack, final

import torch

from pinndiag._derivatives._rows import squared_norms
from pinndiag._engine import Evaluation
from pinndiag.schemes._about import About
from pinndiag.schemes._memory import Fields
from pinndiag.schemes._numbers import SHARE, Ranges
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._point_scheme import AbstractPointScheme, Points, TermChoice

__all__ = ["PointGradNorm"]


@final
class PointGradNorm(AbstractPointScheme):
    """v_j = max_l gamma_l / gamma_j with gamma_j = |d r_j / d theta|: every point pulls in proportion to its residual.

    Experimental. Points in a steep layer have the largest gradients and so get LESS weight: in a race on tanh(20 x) the
    ratio of the errors inside and outside the layer rose from 3.6 to 4.9.

    Args:
        floor: gamma_j counts as at least this much of the largest.
        terms: see `AbstractPointScheme`.
        every: steps between refreshes.
        options: see `AbstractScheme`; here `normalise` is "mean" and `w_max` 100. `floor` does what `eps_rel` would.

    Cost of a refresh: a backward pass through the whole term for each of its residuals. Use it with a large `every`.

    Source: an extrapolation of Wang, Teng, Perdikaris 2021, who balance terms, to points; row normalisation of the
    residual Jacobian.

    >>> scheme = PointGradNorm(normalise=None)
    >>> scheme.weigh({"pde": torch.tensor([4.0, 1.0, 0.0])})["pde"]  # 4/4, 4/1, and the cap
    tensor([  1.,   4., 100.])
    """

    about = About(
        "point_grad_norm",
        "per-point gradient norm: every point pulls in proportion to its residual",
        "residual Jacobians",
        "an extrapolation of Wang, Teng, Perdikaris 2021 from terms to points; experimental",
        "dear; hard points have the largest gradients and get less weight",
    )
    keeps_graphs = True
    remembers = False
    ranges: ClassVar[Ranges] = {"floor": SHARE}

    def __init__(
        self, *, floor: Number = 1e-3, terms: TermChoice = None, every: int = 1, **options: Unpack[Options]
    ) -> None:
        options.setdefault("normalise", "mean")
        options.setdefault("w_max", 100.0)
        super().__init__(terms=terms, every=every, **options)
        self.floor = floor

    def measure(self, evaluation: Evaluation, name: str) -> Points:
        """See `AbstractPointScheme`: gamma_j."""
        output = evaluation.outputs[name]
        if not output.requires_grad:
            return torch.zeros_like(output.reshape(-1).real)
        entries = torch.arange(output.numel(), device=output.device)
        return squared_norms(output, entries, evaluation.parameters).sqrt()

    def start(self, name: str, like: Points) -> Fields:
        """See `AbstractPointScheme`: no memory."""
        return {"gamma": torch.ones_like(like)}

    def refreshed(self, fields: Mapping[str, Fields], measured: Mapping[str, Points]) -> dict[str, Fields]:
        """See `AbstractPointScheme`."""
        return {name: {"gamma": torch.maximum(gamma, self.floor * gamma.max())} for name, gamma in measured.items()}

    def factor(self, fields: Fields) -> Points:
        """See `AbstractPointScheme`."""
        return fields["gamma"].max() / fields["gamma"]
