"""SoftAdapt of Heydari, Thompson and Mehmood."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, Unpack, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag.schemes._about import About
from pinndiag.schemes._guards import guarded
from pinndiag.schemes._memory import Fields
from pinndiag.schemes._numbers import COUNT, FINITE, Ranges
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._presets import PUBLISHED, presets
from pinndiag.schemes._term_scheme import AbstractTermScheme, Coupling, Measured, Sound, Weights

__all__ = ["SoftAdapt"]


@final
@presets(
    paper={**PUBLISHED, "normalise": "sum"},
    package={**PUBLISHED, "difference": "forward_oldest", "normalise": "sum"},
    relobralo={**PUBLISHED, "variant": "original"},
    physicsnemo={**PUBLISHED, "variant": "original", "ratio": True, "beta": 1.0},
)
class SoftAdapt(AbstractTermScheme):
    """w = m softmax(beta s), where s_i is the present slope of the loss L_i: terms that rise get the weight.

    Args:
        variant: "loss_weighted": m L_i exp(beta s_i) / sum_j L_j exp(beta s_j), with means over the window, as the
            authors advise; "original": without the losses; "normalised": "original" with s_i / sum_j |s_j|.
        beta: inverse temperature.
        order: the slope is a finite difference over order + 1 losses; weights are given ones until there are so many.
        difference: "backward": the slope at the newest loss. "forward_oldest": at the oldest one, as the package does.
        ratio: the newest loss over the one before it instead of the slope, as PhysicsNeMo-Sym does.
        every: steps between refreshes; losses in between are not seen.
        options: see `AbstractScheme`; `eps_rel` guards `ratio` alone. The weights sum to m; `normalise="sum"` brings
            them to 1, as in the paper.

    The package divides by the signed sum of the slopes, which reverses the order when all losses fall; here it is the
    absolute one.

    Cost: none.

    Source: Heydari, Thompson, Mehmood 2019, arXiv:1912.12355, section 3.1.

    >>> scheme = SoftAdapt(variant="original", beta=math.log(3.0))
    >>> for step, losses in enumerate(([1.0, 1.0], [1.0, 2.0])): print(scheme.weigh(torch.tensor(losses), None, step))
    tensor([1., 1.])
    tensor([0.5000, 1.5000])
    """

    about = About(
        "softadapt",
        "SoftAdapt: a softmax over the slopes of the losses",
        "losses",
        "Heydari, Thompson, Mehmood 2019, arXiv:1912.12355",
        "depends on the losses' units: one-hot with large losses, uniform with small ones; follows noise on "
        "mini-batches",
    )
    coupling: Coupling = "all"
    ranges: ClassVar[Ranges] = {"beta": FINITE, "order": COUNT}
    shaping = ("order",)

    def __init__(
        self,
        *,
        variant: Literal["original", "loss_weighted", "normalised"] = "loss_weighted",
        beta: Number = 0.1,
        order: int = 1,
        difference: Literal["backward", "forward_oldest"] = "backward",
        ratio: bool = False,
        every: int = 1,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(every=every, **options)
        self.variant, self.beta, self.order, self.difference, self.ratio = variant, beta, order, difference, ratio
        self._stencil = stencil(order, difference)

    def start(self, name: str, weight: Number) -> Mapping[str, Number | Tensor]:
        """See `AbstractTermScheme`: an empty window of losses."""
        return {"window": torch.full((self.order + 1,), math.nan)}

    def refreshed(
        self, fields: Fields, losses: Weights, gradients: Measured | None, sound: Sound, reference: int | None
    ) -> tuple[Fields, Weights]:
        """See `AbstractTermScheme`."""
        window = torch.cat([fields["window"][:, 1:], losses[:, None]], dim=1)
        slope = guarded(window[:, -1], window[:, -2], self.eps_rel) if self.ratio else window @ self._stencil.to(window)
        if self.variant == "normalised":
            slope = slope / slope.abs().sum().clamp(min=torch.finfo(slope.dtype).tiny)
        share = torch.softmax(self.beta * slope, dim=0)
        if self.variant == "loss_weighted":
            share = window.mean(dim=1) * share
            share = share / share.sum()
        full = window.isfinite().all()
        return {"window": window}, torch.where(full, len(losses) * share, fields["applied"])


def stencil(order: int, difference: Literal["backward", "forward_oldest"]) -> Float[Tensor, " window"]:
    """Weights of the finite difference for the slope over order + 1 equally spaced values, exact for polynomials.

    >>> stencil(2, "backward")  # 1/2, -2, 3/2
    tensor([ 0.5000, -2.0000,  1.5000], dtype=torch.float64)
    """
    places = np.arange(order + 1) - (order if difference == "backward" else 0)
    slope = np.zeros(order + 1)
    slope[1] = 1.0
    powers = places[None, :].astype(float) ** np.arange(order + 1)[:, None]
    return torch.from_numpy(np.linalg.solve(powers, slope))
