"""Uncertainty weighting of Kendall, Gal and Cipolla, and its PINN form lbPINN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Unpack, final

import torch
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag.schemes._about import About
from pinndiag.schemes._adam import adam, adam_start
from pinndiag.schemes._memory import Fields
from pinndiag.schemes._numbers import FINITE, POSITIVE, Ranges
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._presets import PUBLISHED, presets
from pinndiag.schemes._term_scheme import AbstractTermScheme, Measured, Sound, Weights

__all__ = ["Uncertainty"]


@final
@presets(
    kendall={**PUBLISHED, "clamp": None},
    lbpinn={**PUBLISHED, "clamp": None, "parametrisation": "sigma", "init": 2.0},
    physicsnemo={**PUBLISHED, "clamp": None},
)
class Uncertainty(AbstractTermScheme):
    """w_i = exp(-s_i) / 2, with s trained on 1/2 sum_i (exp(-s_i) L_i + s_i): at rest w_i = 1 / (2 L_i).

    What a call returns is sum_i w_i L_i; the terms s_i / 2 act on s only. A step's weights are those trained up to the
    step before.

    Args:
        lr: learning rate of the inner Adam; 1e-3 takes a thousand steps for a factor e.
        parametrisation: "log_variance" trains s; "sigma" trains sigma of w = 1 / (2 sigma^2), as lbPINN does.
        init: s (or sigma) at the start.
        clamp: s stays within +- this; None turns it off.
        every: steps between refreshes.
        options: see `AbstractScheme`. `eps_rel` has nothing to guard.

    lbPINN also multiplies the loss by 1000, which Adam does not see. Kendall and PhysicsNeMo-Sym train s with the
    network's optimizer: give its learning rate.

    Cost: none.

    Source: Kendall, Gal, Cipolla 2018, arXiv:1705.07115; Xiang, Peng, Liu, Yao 2022, Neurocomputing 496.

    >>> scheme = Uncertainty(lr=0.1)
    >>> for step in range(2): print(scheme.weigh(torch.tensor([0.5, 2.0]), None, step))  # s moves by -0.1 and 0.1
    tensor([0.5000, 0.5000])
    tensor([0.5526, 0.4524])
    """

    about = About(
        "uncertainty",
        "uncertainty weighting: trained weights that tend to 1 / (2 loss)",
        "losses",
        "Kendall, Gal, Cipolla 2018, CVPR (arXiv:1705.07115); Xiang, Peng, Liu, Yao 2022 (arXiv:2104.06217)",
        "as slow as its learning rate; weights grow without bound as the losses fall; silences the largest loss",
    )

    ranges: ClassVar[Ranges] = {"lr": POSITIVE, "init": FINITE, "clamp": POSITIVE}
    shaping = ("parametrisation",)

    def __init__(
        self,
        *,
        lr: Number = 1e-3,
        parametrisation: Literal["log_variance", "sigma"] = "log_variance",
        init: Number = 0.0,
        clamp: Number | None = 12.0,
        every: int = 1,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(every=every, **options)
        if parametrisation == "sigma" and init <= 0:
            raise PinndiagError(f"Uncertainty cannot begin with sigma={init}", fix="give init > 0, such as 2.0")
        self.lr, self.parametrisation, self.init, self.clamp = lr, parametrisation, init, clamp

    def start(self, name: str, weight: Number) -> Mapping[str, Number | Tensor]:
        """See `AbstractTermScheme`."""
        return {"trained": self.init, **adam_start(torch.zeros(()))}

    def refreshed(
        self, fields: Fields, losses: Weights, gradients: Measured | None, sound: Sound, reference: int | None
    ) -> tuple[Fields, Weights]:
        """See `AbstractTermScheme`."""
        trained = fields["trained"]
        if self.parametrisation == "sigma":
            weights = 0.5 / trained.square()
            slope = 1 / trained - losses / trained**3
        else:
            weights = 0.5 * torch.exp(-trained)
            slope = 0.5 - weights * losses
        moved, inner = adam(trained, slope, fields, self.lr)
        if self.clamp is not None and self.parametrisation == "log_variance":
            moved = moved.clamp(-self.clamp, self.clamp)
        return {"trained": moved, **inner}, weights
