"""Schemes whose weight is a moving average of a ratio between the terms."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Unpack, final

import torch
from torch import Tensor

from pinndiag.schemes._memory import Fields
from pinndiag.schemes._numbers import AVERAGE, Ranges
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._term_scheme import AbstractTermScheme, Measured, Sound, Weights

__all__ = ["AbstractRatioScheme"]


class AbstractRatioScheme(AbstractTermScheme):
    """w <- keep w + (1 - keep) w_hat, where w_hat is the ratio that a scheme names.

    With bias correction w starts at 0 and w / (1 - keep^k) is applied after k refreshes (Kingma & Ba's correction), so
    that the first weight is the ratio itself.
    """

    ranges: ClassVar[Ranges] = {"keep": AVERAGE}
    shaping = ("bias_correction",)

    def __init__(self, *, keep: Number, every: int, bias_correction: bool = False, **options: Unpack[Options]) -> None:
        super().__init__(every=every, **options)
        self.keep, self.bias_correction = keep, bias_correction

    @abstractmethod
    def ratio(self, gradients: Measured, applied: Weights, sound: Sound, reference: int | None) -> Weights:
        """w_hat of every term."""

    @final
    def start(self, name: str, weight: Number) -> Mapping[str, Number | Tensor]:
        """See `AbstractTermScheme`."""
        return {"average": 0.0 if self.bias_correction else self.limits.number(weight), "share": 0.0}

    @final
    def refreshed(
        self, fields: Fields, losses: Weights, gradients: Measured | None, sound: Sound, reference: int | None
    ) -> tuple[Fields, Weights]:
        """See `AbstractTermScheme`."""
        assert gradients is not None
        applied = fields["applied"]
        proposal = self.ratio(gradients, applied, sound, reference).to(losses.dtype)
        own = 1.0 if self.reference is None else self.given.get(self.reference, 1.0)
        if self.coupling == "reference" and own != 1:
            proposal = proposal * own
        average = fields["average"].lerp(self.limits(proposal), 1 - self.keep)
        if not self.bias_correction:
            return {"average": average, "share": fields["share"]}, average
        # 1 - keep^k, by the same recursion: no cancellation
        share = fields["share"].lerp(torch.ones_like(average), 1 - self.keep)
        return {"average": average, "share": share}, average / share
