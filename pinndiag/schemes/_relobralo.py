"""Relative loss balancing with random look-back (ReLoBRaLo) of Bischof and Kraus."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, Unpack, final

import torch
from torch import Tensor

from pinndiag.schemes._about import About
from pinndiag.schemes._guards import guarded
from pinndiag.schemes._memory import Fields
from pinndiag.schemes._numbers import COUNT, POSITIVE, SEED, SHARE, SIZE, Ranges
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._presets import PUBLISHED, presets
from pinndiag.schemes._term_scheme import AbstractTermScheme, Coupling, Measured, Sound, Weights

__all__ = ["ReLoBRaLo"]


@final
@presets(
    article={**PUBLISHED, "keep": 0.999, "T": 0.1, "E_rho": 0.99},
    repository={**PUBLISHED, "keep": 0.999, "T": 1.0, "E_rho": 1.0, "eps": 1e-12, "begin": "repository"},
    burgers={**PUBLISHED, "keep": 0.999, "T": 0.1, "E_rho": 0.9999},
    kirchhoff={**PUBLISHED, "keep": 0.999, "T": 0.01, "E_rho": 0.9999},
    helmholtz={**PUBLISHED, "keep": 0.99, "T": 1e-5, "E_rho": 0.99},
    physicsnemo={**PUBLISHED, "keep": 0.95, "T": 1.0, "E_rho": 0.99, "eps": 1e-8, "begin": "averaged"},
)
class ReLoBRaLo(AbstractTermScheme):
    """Terms that fell least since the step before, or since the start, get the weight; the weights sum to m.

        bal(t, t')_i = m softmax_i( L_i(t) / (T L_i(t') + eps) )
        hist(t)      = rho w(t-1) + (1 - rho) bal(t, 0),   rho = 1 with probability E_rho, one draw a step for all terms
        w(t)         = keep hist(t) + (1 - keep) bal(t, t-1)

    Args:
        keep: weight of the old value (the paper's alpha).
        T: temperature; small is sharp: 1e-5 makes the softmax one-hot.
        E_rho: probability of keeping the history; larger means fewer look-backs.
        eps: added to the denominators as they stand in the formula.
        begin: "article": w(1) = bal(1, 0) outright. "repository": the same, and look-backs go to the losses of the
            second step. "averaged": the moving average begins at t = 1.
        warmup_average: the look-back goes to the mean of so many first losses, for mini-batches.
        alpha: the paper's name for `keep`; it wins over it.
        seed: of the draws.
        every: steps between refreshes.
        options: see `AbstractScheme`.

    Cost: none.

    Source: Bischof, Kraus 2025, Comput. Methods Appl. Mech. Engrg. 439, 117914, eq (11) (arXiv:2110.09813).

    >>> scheme = ReLoBRaLo(T=1 / math.log(3.0), eps_rel=0.0)
    >>> for step, losses in enumerate(([1.0, 1.0], [1.0, 2.0])): print(scheme.weigh(torch.tensor(losses), None, step))
    tensor([1., 1.])
    tensor([0.5000, 1.5000])
    """

    about = About(
        "relobralo",
        "ReLoBRaLo: a softmax over the losses' progress, with random look-backs to the start",
        "losses",
        "Bischof, Kraus 2025, Comput. Methods Appl. Mech. Engrg. 439, 117914 (arXiv:2110.09813)",
        "weights lie between 0 and the number of terms: no cure for gradients that differ by a hundred",
    )
    coupling: Coupling = "all"
    ranges: ClassVar[Ranges] = {
        "keep": SHARE,
        "alpha": SHARE,
        "E_rho": SHARE,
        "T": POSITIVE,
        "eps": SIZE,
        "warmup_average": COUNT,
        "seed": SEED,
    }

    def __init__(
        self,
        *,
        keep: Number = 0.999,
        T: Number = 0.1,
        E_rho: Number = 0.999,
        eps: Number = 0.0,
        begin: Literal["article", "repository", "averaged"] = "article",
        warmup_average: int = 1,
        alpha: Number | None = None,
        seed: int = 0,
        every: int = 1,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(every=every, **options)
        self.keep, self.alpha = keep if alpha is None else alpha, alpha
        self.T, self.E_rho, self.eps, self.begin, self.seed = T, E_rho, eps, begin, seed
        self.warmup_average = warmup_average

    def start(self, name: str, weight: Number) -> Mapping[str, Number | Tensor]:
        """See `AbstractTermScheme`."""
        return {"first_loss": math.nan, "last_loss": math.nan, "losses_seen": 0.0}

    def refreshed(
        self, fields: Fields, losses: Weights, gradients: Measured | None, sound: Sound, reference: int | None
    ) -> tuple[Fields, Weights]:
        """See `AbstractTermScheme`."""
        seen, applied = fields["losses_seen"], fields["applied"]
        last = torch.where(seen > 0, fields["last_loss"], losses)
        begun = torch.where(seen > 0, fields["first_loss"], losses)
        kept = float(torch.rand((), generator=self.memory.generator(self.seed))) < self.E_rho
        look_back = self._balance(losses, begun)
        averaged = self.keep * (applied if kept else look_back) + (1 - self.keep) * self._balance(losses, last)
        opening = seen.amax() == (1 if self.begin != "averaged" else 0)
        weights = torch.where(opening, look_back, averaged)
        if self.begin != "averaged":
            weights = torch.where(seen.amax() == 0, applied, weights)
        begun = torch.where(seen < self.warmup_average, (seen * begun + losses) / (seen + 1), begun)
        if self.begin == "repository":
            begun = torch.where(seen == 1, losses, begun)
        return {"first_loss": begun, "last_loss": losses, "losses_seen": seen + 1}, weights

    def _balance(self, losses: Weights, before: Weights) -> Weights:
        return len(losses) * torch.softmax(guarded(losses, self.T * before + self.eps, self.eps_rel), dim=0)
