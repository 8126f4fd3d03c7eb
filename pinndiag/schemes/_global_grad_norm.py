"""Global gradient norms, as in jaxpi and the expert's guide to PINNs."""

from __future__ import annotations

from typing import Literal, Unpack, final

import torch

from pinndiag.schemes._about import About
from pinndiag.schemes._guards import guarded
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._presets import PUBLISHED, presets
from pinndiag.schemes._ratio_scheme import AbstractRatioScheme
from pinndiag.schemes._term_scheme import Measured, Sound, Weights

__all__ = ["GlobalGradNorm"]


@final
@presets(
    paper={**PUBLISHED, "total": "sum", "every": 1000, "first": 1},
    jaxpi={**PUBLISHED, "every": 1000, "first": 1},
    jaxpi_pirate={"every": 1000, "first": 1, "eps_rel": 1e-5},
    pina={**PUBLISHED, "total": "sum", "keep": 0.0, "every": 1},
)
class GlobalGradNorm(AbstractRatioScheme):
    """w_i <- keep w_i + (1 - keep) mean_j |g_j| / |g_i|: every gradient, the PDE's included, as long as their mean.

    jaxpi calls it "grad norm"; it is not Chen's `GradNorm`. `weights=` are where the average starts.

    Args:
        keep: weight of the old value.
        every: steps between refreshes; 1000 in the paper is for runs of 1e5 steps.
        total: "sum" instead of "mean" is the paper's formula, larger by the number of terms.
        options: see `AbstractScheme`; `eps_rel` is 1e-5 here.

    Cost: the gradient of each term at a refresh, free where terms have their own points.

    Source: Wang, Sankaran, Wang, Perdikaris 2023, arXiv:2308.08468, eqs (2.12)-(2.15); the mean as in jaxpi.

    >>> scheme = GlobalGradNorm(keep=0.0, eps_rel=0.0)
    >>> scheme.weigh(torch.ones(2), torch.tensor([[3.0, -4.0], [0.0, 1.0]]))  # mean 3, against 5 and 1
    tensor([0.6000, 3.0000])
    """

    about = About(
        "global_grad_norm",
        "global gradient norm: every gradient as long as their mean",
        "gradients",
        "Wang, Sankaran, Wang, Perdikaris 2023, arXiv:2308.08468",
        "a term whose gradient vanishes takes all the weight; as with dynamic norm, slow on zero boundary data",
    )

    continues = True

    def __init__(
        self,
        *,
        keep: Number = 0.9,
        every: int = 100,
        total: Literal["mean", "sum"] = "mean",
        **options: Unpack[Options],
    ) -> None:
        options.setdefault("eps_rel", 1e-5)
        super().__init__(keep=keep, every=every, **options)
        self.total = total

    def ratio(self, gradients: Measured, applied: Weights, sound: Sound, reference: int | None) -> Weights:
        """See `AbstractRatioScheme`."""
        norms = torch.linalg.vector_norm(gradients, dim=1)
        total = norms.where(sound, 0).sum()
        return guarded(total if self.total == "sum" else total / sound.sum(), norms, self.eps_rel)
