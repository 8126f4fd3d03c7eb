"""Residual-based attention of Anagnostopoulos and others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Unpack, final

import torch

from pinndiag.schemes._about import About
from pinndiag.schemes._memory import Fields
from pinndiag.schemes._numbers import POSITIVE, SIZE, Range, Ranges
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._point_scheme import AbstractPointScheme, Points, TermChoice
from pinndiag.schemes._presets import PUBLISHED, presets

__all__ = ["RBA"]


@final
@presets(
    paper={**PUBLISHED, "normalise": None},
    repository={**PUBLISHED, "normalise": None, "eta": 0.001},
    repository_init2={**PUBLISHED, "normalise": None, "eta": 0.001, "first_eta": 1.0},
    pina={**PUBLISHED, "normalise": None, "eta": 0.001, "outside_square": True},
)
class RBA(AbstractPointScheme):
    """v_j <- gamma v_j + eta |r_j| / max_l |r_l|, before the loss mean_j (v_j r_j)^2; v <= eta / (1 - gamma).

    `weights` shows the factor v_j^2 (normalised), `remembered` shows v.

    Args:
        gamma: memory.
        eta: learning rate.
        v0: v at the start; 0 makes the raw schedule a warm-up.
        first_eta: eta of the first refresh, if it is another.
        outside_square: the loss is mean_j v_j r_j^2.
        terms: see `AbstractPointScheme`.
        options: see `AbstractScheme`; `normalise` is "mean" here: without it growing weights act as a growing learning
            rate. `eps_rel` has nothing to guard.

    Cost: none.

    Source: Anagnostopoulos, Toscano, Stergiopulos, Karniadakis 2024, CMAME 421, 116805 (arXiv:2307.00379).

    >>> scheme = RBA(gamma=0.5, eta=1.0, normalise=None)
    >>> for step in range(2): print(scheme.weigh({"pde": torch.tensor([1.0, 2.0])}, step)["pde"].sqrt())
    tensor([0.5000, 1.0000])
    tensor([0.7500, 1.5000])
    """

    about = About(
        "rba",
        "RBA: points with large residuals gain weight",
        "residuals",
        "Anagnostopoulos, Toscano, Stergiopulos, Karniadakis 2024, CMAME 421, 116805 (arXiv:2307.00379)",
        "needs fixed points; one outlying residual holds the others down; raw weights act as a rising learning rate",
    )

    ranges: ClassVar[Ranges] = {
        "gamma": Range(0, 1, below=True, meaning="the memory: v <= eta / (1 - gamma)"),
        "eta": POSITIVE,
        "v0": SIZE,
        "first_eta": POSITIVE,
    }

    def __init__(
        self,
        *,
        gamma: Number = 0.999,
        eta: Number = 0.01,
        v0: Number = 0.0,
        first_eta: Number | None = None,
        outside_square: bool = False,
        terms: TermChoice = None,
        every: int = 1,
        **options: Unpack[Options],
    ) -> None:
        options.setdefault("normalise", "mean")
        super().__init__(terms=terms, every=every, **options)
        self.gamma, self.eta, self.v0, self.first_eta, self.outside_square = gamma, eta, v0, first_eta, outside_square

    def start(self, name: str, like: Points) -> Fields:
        """See `AbstractPointScheme`."""
        return {"v": torch.full_like(like, self.v0), "refreshes": like.new_zeros(())}

    def refreshed(self, fields: Mapping[str, Fields], measured: Mapping[str, Points]) -> dict[str, Fields]:
        """See `AbstractPointScheme`."""
        found = {}
        for name, residuals in measured.items():
            known, eta = fields[name], torch.full_like(residuals[:1], self.eta)
            if self.first_eta is not None:
                eta = torch.where(known["refreshes"] == 0, self.first_eta, eta)
            v = self.gamma * known["v"] + eta * residuals / residuals.max()
            found[name] = {"v": v, "refreshes": known["refreshes"] + 1}
        return found

    def factor(self, fields: Fields) -> Points:
        """See `AbstractPointScheme`."""
        return fields["v"] if self.outside_square else fields["v"].square()
