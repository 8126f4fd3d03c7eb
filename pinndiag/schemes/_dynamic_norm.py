"""Dynamic normalisation of Deguchi and Asai."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Unpack, final

import torch

from pinndiag.schemes._about import About
from pinndiag.schemes._guards import guarded
from pinndiag.schemes._numbers import POSITIVE, Range, Ranges
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._presets import PUBLISHED, presets
from pinndiag.schemes._ratio_scheme import AbstractRatioScheme
from pinndiag.schemes._term_scheme import Coupling, Measured, Sound, Weights

__all__ = ["DynamicNorm"]


@final
@presets(
    paper={**PUBLISHED, "bias_correction": False, "first": -1},
    paper_corrected={**PUBLISHED, "first": -1},
)
class DynamicNorm(AbstractRatioScheme):
    """w_j <- keep w_j + (1 - keep) |g_r|_p / |g_j|_p: every term's gradient as long as the PDE's.

    Args:
        p: norm of the gradients: 2, 1 or "inf"; the choice made no difference in the paper.
        keep: weight of the old value; 0.99 at every tenth step remembers 1000 steps.
        every: steps between refreshes.
        bias_correction: start at the ratio itself rather than at 1 (eq 26).
        power: the ratio to this power. Ours, not the literature's: 0.75 was within a factor 2 of the better of this
            scheme and LR annealing on two problems where the two differ by factors of 3 to 8.
        options: see `AbstractScheme`.

    Cost: the gradient of each term at a refresh, free where terms have their own points.

    Source: Deguchi, Asai 2023, J. Phys. Commun. 7, 075005, eqs (21)-(26), (38)-(39). The correction counts refreshes.

    >>> scheme = DynamicNorm()
    >>> scheme.weigh(torch.ones(2), torch.tensor([[3.0, -4.0], [0.0, 0.5]])).round(decimals=3)  # 5 against 1/2
    tensor([ 1., 10.])
    """

    about = About(
        "dynamic_norm",
        "dynamic norm: norm of the PDE's gradient over the norm of the others'",
        "gradients",
        "Deguchi, Asai 2023, J. Phys. Commun. 7, 075005",
        "with zero boundary data the network sits near u = 0 for thousands of steps; periodic conditions have no "
        "ceiling (exclude them, or give w_max); presumes a PDE term that dominates",
    )
    coupling: Coupling = "reference"
    ranges: ClassVar[Ranges] = {"p": Range(1, meaning="1, 2 or infinity"), "power": POSITIVE}

    def __init__(
        self,
        *,
        p: Number | Literal["inf"] = 2,
        keep: Number = 0.99,
        every: int = 10,
        bias_correction: bool = True,
        power: Number = 1.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(keep=keep, every=every, bias_correction=bias_correction, **options)
        self.p, self.power = math.inf if isinstance(p, str) else p, power

    def ratio(self, gradients: Measured, applied: Weights, sound: Sound, reference: int | None) -> Weights:
        """See `AbstractRatioScheme`."""
        assert reference is not None
        norms = torch.linalg.vector_norm(gradients, ord=self.p, dim=1)
        ratio = guarded(norms[reference], norms, self.eps_rel)
        return ratio if self.power == 1 else ratio**self.power
