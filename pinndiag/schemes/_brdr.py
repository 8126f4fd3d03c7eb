"""Balanced residual decay rate of Chen, Howard and Stinis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Unpack, final

import torch

from pinndiag.schemes._about import About
from pinndiag.schemes._memory import Fields
from pinndiag.schemes._numbers import AVERAGE, Ranges
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._point_scheme import AbstractPointScheme, Points, TermChoice
from pinndiag.schemes._presets import PUBLISHED, presets

__all__ = ["BRDR"]

SMALL = 1e-14  # as in the formula


@final
@presets(paper={**PUBLISHED, "terms": "all"})
class BRDR(AbstractPointScheme):
    """Points whose residuals decay slowest get the weight; the mean weight over all points weighted stays 1.

        E_j <- keep E_j + (1 - keep) r_j^4, corrected by 1 - keep^k;   q_j = r_j^2 / (sqrt(E_j) + 1e-14)
        v_j <- v_j + (1 - keep) (q_j / mean q - v_j)                   acts from the next step on

    The paper's global factor, which also changes the learning rate, is left out.

    Args:
        keep: weight of the old value, of both averages.
        terms: see `AbstractPointScheme`; the paper weighs the points of "all" terms.
        options: see `AbstractScheme`. `eps_rel` has nothing to guard.

    Cost: none.

    Source: Chen, Howard, Stinis 2025, J. Comput. Phys. 542 (arXiv:2407.01613).

    >>> scheme = BRDR(keep=0.5)
    >>> for step, r in enumerate(([1.0, 1.0], [1.0, 0.5], [1.0, 0.5])):
    ...     print(scheme.weigh({"pde": torch.tensor(r)}, step)["pde"])
    tensor([1., 1.])
    tensor([1., 1.])
    tensor([1.2101, 0.7899])
    """

    about = About(
        "brdr",
        "BRDR: points whose residuals decay slowest gain weight",
        "residuals",
        "Chen, Howard, Stinis 2025, J. Comput. Phys. 542 (arXiv:2407.01613)",
        "needs fixed points; noise in a residual that is fitted already counts as no decay",
    )
    trained = True
    coupled = True
    ranges: ClassVar[Ranges] = {"keep": AVERAGE}

    def __init__(
        self, *, keep: Number = 0.999, terms: TermChoice = None, every: int = 1, **options: Unpack[Options]
    ) -> None:
        super().__init__(terms=terms, every=every, **options)
        self.keep = keep

    def start(self, name: str, like: Points) -> Fields:
        """See `AbstractPointScheme`."""
        return {"v": torch.ones_like(like), "fourth": torch.zeros_like(like), "refreshes": like.new_zeros(())}

    def refreshed(self, fields: Mapping[str, Fields], measured: Mapping[str, Points]) -> dict[str, Fields]:
        """See `AbstractPointScheme`."""
        found, decay = {}, {}
        for name, residuals in measured.items():
            known, square = fields[name], residuals.square()
            fourth = self.keep * known["fourth"] + (1 - self.keep) * square.square()
            refreshes = known["refreshes"] + 1
            decay[name] = square / ((fourth / (1 - self.keep**refreshes)).sqrt() + SMALL)
            found[name] = {"fourth": fourth, "refreshes": refreshes}
        mean = torch.cat(list(decay.values())).mean()
        for name, q in decay.items():
            v = fields[name]["v"]
            found[name]["v"] = v + (1 - self.keep) * (q / mean - v)
        return found

    def factor(self, fields: Fields) -> Points:
        """See `AbstractPointScheme`."""
        return fields["v"]
