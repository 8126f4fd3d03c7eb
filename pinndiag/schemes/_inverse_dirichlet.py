"""Inverse Dirichlet weighting of Maddu and others."""

from __future__ import annotations

import math
from typing import Any, Unpack, final

import torch

from pinndiag.schemes._about import About
from pinndiag.schemes._guards import guarded
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._presets import PUBLISHED, presets
from pinndiag.schemes._ratio_scheme import AbstractRatioScheme
from pinndiag.schemes._term_scheme import Coupling, Measured, Sound, Weights

__all__ = ["InverseDirichlet"]


@final
@presets(
    paper={**PUBLISHED, "keep": 0.5, "every": 5},
    dn_paper={**PUBLISHED, "first": -1},
)
class InverseDirichlet(AbstractRatioScheme):
    """w_i <- keep w_i + (1 - keep) std(g_r) / std(g_i): every term's gradient as widely spread as the PDE's.

    Standard deviations are taken over all parameters, with P - 1. On a network of PINN size they are root mean squares
    to a fraction of a percent, so the scheme is `DynamicNorm(p=2, bias_correction=False)` under another name.

    Args:
        keep: weight of the old value.
        every: steps between refreshes.
        options: see `AbstractScheme`; here `reference="max"` takes the largest spread of all terms, as the paper's
            general form does, and then every term has a weight of its own.

    Cost: the gradient of each term at a refresh, free where terms have their own points.

    Source: Maddu, Sturm, Mueller, Sbalzarini 2022, Mach. Learn.: Sci. Technol. 3, 015026 (arXiv:2107.00940).

    >>> scheme = InverseDirichlet(keep=0.0, eps_rel=0.0)
    >>> scheme.weigh(torch.ones(2), torch.tensor([[3.0, -3.0, 0.0], [1.0, 2.0, 3.0]]))  # 3 against 1
    tensor([1., 3.])
    """

    about = About(
        "inverse_dirichlet",
        "inverse Dirichlet: spread of the PDE's gradient over the spread of the others'",
        "gradients",
        "Maddu, Sturm, Mueller, Sbalzarini 2022, Mach. Learn.: Sci. Technol. 3, 015026 (arXiv:2107.00940)",
        "a gradient with equal entries has no spread; periodic conditions have no ceiling",
    )

    coupling: Coupling = "reference"

    def __init__(self, *, keep: Number = 0.9, every: int = 10, **options: Unpack[Options]) -> None:
        largest = options.get("reference") == "max"
        if largest:
            options["reference"] = None
        super().__init__(keep=keep, every=every, **options)
        self.largest = largest
        if largest:  # there is no reference then whose bad figures could spoil the others'
            self.coupling = "none"

    def argument(self, name: str) -> Any:
        """See `Configured`."""
        return "max" if name == "reference" and self.largest else super().argument(name)

    def ratio(self, gradients: Measured, applied: Weights, sound: Sound, reference: int | None) -> Weights:
        """See `AbstractRatioScheme`."""
        centred = gradients - gradients.mean(dim=1, keepdim=True)
        spread = torch.linalg.vector_norm(centred, dim=1) / math.sqrt(
            gradients.shape[1] - 1
        )  # `std` takes twice as long
        if self.largest:
            return guarded(spread.where(sound, 0).amax(), spread, self.eps_rel)
        assert reference is not None
        return guarded(spread[reference], spread, self.eps_rel)
