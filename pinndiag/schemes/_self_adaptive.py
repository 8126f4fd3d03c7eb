"""Self-adaptive weights (SA-PINN) of McClenny and Braga-Neto."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal, Unpack, final

import torch
from torch import Tensor

from pinndiag.schemes._about import About
from pinndiag.schemes._adam import adam, adam_start
from pinndiag.schemes._memory import Fields
from pinndiag.schemes._numbers import AVERAGE, FINITE, POSITIVE, SEED, Ranges
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._point_scheme import AbstractPointScheme, Points, TermChoice
from pinndiag.schemes._presets import PUBLISHED, presets

__all__ = ["SelfAdaptive"]

Start = Number | tuple[Number, Number]

_RAW = {**PUBLISHED, "normalise": None, "w_max": None}


@final
@presets(
    paper=_RAW,
    allen_cahn={**_RAW, "betas": (0.99, 0.999)},
    burgers={**_RAW, "init": 100.0},
    pina={**_RAW, "mask": "sigmoid", "init": 0.0, "lr": 1e-3},
    sigmoid={"mask": "sigmoid", "init": 0.0},
)
class SelfAdaptive(AbstractPointScheme):
    """Descent in theta and ascent in v of 1/2 mean_j M(v_j) r_j^2: stubborn points gain weight.

    v_j rises along M'(v_j) r_j^2 / 2 and never falls. With Adam the rise per step is about the learning rate at every
    point whose residual is steady, whatever its size. A sigmoid mask that starts at 1/2 never lets two weights differ
    by more than a factor 2. `weights` shows M(v_j) (normalised), `remembered` shows v. A step's weights are those of
    the step before.

    Args:
        mask: "square" (v^2, the authors' code), "sigmoid", "identity", or an increasing function of a tensor.
        init: v at the start: a number, or the two ends of a uniform draw; or a mapping from terms to such.
        scale, sharpness: the mask is scale M(sharpness v).
        ascent: "adam" or "sgd" (plain gradient ascent, which feels the size of the residual).
        lr: learning rate of the ascent.
        betas: Adam's.
        terms: see `AbstractPointScheme`.
        seed: of the draw.
        options: see `AbstractScheme`; here `normalise` is "mean" and `w_max` 1e4, and `eps_rel` guards nothing.

    Cost: none.

    Source: McClenny, Braga-Neto 2023, J. Comput. Phys. 474, 111722 (arXiv:2009.04544v5), eqs (10)-(20).

    >>> scheme = SelfAdaptive(ascent="sgd", lr=1.0, init=1.0, normalise=None)
    >>> for step in range(2): print(scheme.weigh({"pde": torch.tensor([1.0, 2.0])}, step)["pde"])  # v: 1 + 1, 1 + 4
    tensor([1., 1.])
    tensor([ 4., 25.])
    """

    about = About(
        "sa",
        "self-adaptive points: weights trained to raise the loss",
        "residuals",
        "McClenny, Braga-Neto 2023, J. Comput. Phys. 474, 111722 (arXiv:2009.04544)",
        "needs fixed points; weights never fall and grow without bound; freeze them (eval()) for L-BFGS",
    )
    trained = True
    ranges: ClassVar[Ranges] = {
        "scale": POSITIVE,
        "sharpness": POSITIVE,
        "lr": POSITIVE,
        "betas": AVERAGE,
        "seed": SEED,
        "init": FINITE,
    }
    shaping = ("mask", "ascent")

    def __init__(
        self,
        *,
        mask: Literal["square", "sigmoid", "identity"] | Callable[[Tensor], Tensor] = "square",
        init: Start | Mapping[str, Start] = (0.0, 1.0),
        scale: Number = 1.0,
        sharpness: Number = 1.0,
        ascent: Literal["adam", "sgd"] = "adam",
        lr: Number = 5e-3,
        betas: tuple[Number, Number] = (0.9, 0.999),
        terms: TermChoice = None,
        seed: int = 0,
        every: int = 1,
        **options: Unpack[Options],
    ) -> None:
        options.setdefault("normalise", "mean")
        options.setdefault("w_max", 1e4)
        super().__init__(terms=terms, every=every, **options)
        self.init = dict(init) if isinstance(init, Mapping) else init
        self.scale, self.sharpness, self.ascent, self.lr, self.betas, self.seed = (
            scale,
            sharpness,
            ascent,
            lr,
            betas,
            seed,
        )
        self.mask = mask
        self._mask = _MASKS[mask] if isinstance(mask, str) else mask

    def start(self, name: str, like: Points) -> Fields:
        """See `AbstractPointScheme`."""
        init = self.init.get(name, (0.0, 1.0)) if isinstance(self.init, dict) else self.init
        low, high = init if isinstance(init, tuple) else (init, init)
        if low == high:
            v = torch.full_like(like, low)
        else:
            v = (low + (high - low) * torch.rand(like.shape, generator=self.memory.generator(self.seed))).to(like)
        return {"v": v, **adam_start(torch.zeros_like(like))}

    def refreshed(self, fields: Mapping[str, Fields], measured: Mapping[str, Points]) -> dict[str, Fields]:
        """See `AbstractPointScheme`."""
        return {name: self._risen(fields[name], residuals) for name, residuals in measured.items()}

    def factor(self, fields: Fields) -> Points:
        """See `AbstractPointScheme`."""
        return self.scale * self._mask(self.sharpness * fields["v"])

    def _risen(self, fields: Fields, residuals: Points) -> Fields:
        rise = 0.5 * self._slope(fields["v"]) * residuals.square()
        if self.ascent == "sgd":
            return {"v": fields["v"] + self.lr * rise}
        v, inner = adam(fields["v"], -rise, fields, self.lr, self.betas)
        return {"v": v, **inner}

    def _slope(self, v: Points) -> Points:
        """Derivative of the factor."""
        if isinstance(self.mask, str):
            return self.scale * self.sharpness * _SLOPES[self.mask](self.sharpness * v)
        with torch.enable_grad():
            leaf = v.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.factor({"v": leaf}).sum(), leaf)
        return slope


_MASKS: dict[str, Callable[[Tensor], Tensor]] = {
    "square": torch.square,
    "sigmoid": torch.sigmoid,
    "identity": lambda v: v,
}
_SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "square": lambda v: 2 * v,
    "sigmoid": lambda v: torch.sigmoid(v) * torch.sigmoid(-v),
    "identity": torch.ones_like,
}
