"""GradNorm of Chen and others: trained weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Unpack, final

import torch
from torch import Tensor

from pinndiag._engine import Evaluation
from pinndiag._errors import PinndiagError
from pinndiag._terms import _parameters
from pinndiag.schemes._about import About
from pinndiag.schemes._adam import adam, adam_start
from pinndiag.schemes._guards import guarded
from pinndiag.schemes._memory import Fields
from pinndiag.schemes._numbers import POSITIVE, SIZE, Ranges
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._presets import PUBLISHED, presets
from pinndiag.schemes._term_scheme import AbstractTermScheme, Measured, Sound, Weights, rows_of

__all__ = ["GradNorm"]


@final
@presets(
    paper={**PUBLISHED, "parametrisation": "plain", "ascent": "sgd", "w_min": None},
    physicsnemo={**PUBLISHED, "alpha": 1.0, "lr": 1e-3, "layer": "last", "w_min": None},
)
class GradNorm(AbstractTermScheme):
    """Weights trained so that w_i |g_i| follows mean_j(w_j |g_j|) (L_i / L_i(0))^alpha / mean_j (L_j / L_j(0))^alpha.

    d/dw_i of sum_i |w_i |g_i| - target_i| is sign(w_i |g_i| - target_i) |g_i|: no second derivative is needed. After
    each step the weights are brought to the sum m. A step's weights are those trained up to the step before.

    Args:
        alpha: how strongly terms that lag behind are favoured.
        lr: learning rate of the inner optimizer.
        layer: the parameters W that the gradients are taken of: None for all, "last" for the last matrix and what
            follows it (in the order of `parameters=`, or of the model), or a list of parameters.
        parametrisation: "log" trains log w_i, "plain" w_i itself, whose steps explode where norms differ by 1e6.
        ascent: "adam" or "sgd", the inner optimizer.
        options: see `AbstractScheme`; `w_min` is 1e-4 here. `weights=` are where the training starts.

    Cost: the gradient of each term at every step, free where terms have their own points.

    Source: Chen, Badrinarayanan, Lee, Rabinovich 2018, arXiv:1711.02257, Algorithm 1. The initial losses are kept.

    >>> scheme = GradNorm(parametrisation="plain", ascent="sgd", lr=0.1)
    >>> losses, gradients = torch.ones(2), torch.tensor([[3.0], [1.0]])  # targets 2 and 2: 3 falls, 1 rises
    >>> for step in range(2): print(scheme.weigh(losses, gradients, step))
    tensor([1., 1.])
    tensor([0.7778, 1.2222])
    """

    about = About(
        "gradnorm",
        "GradNorm: trained weights that keep gradient norms together",
        "gradients",
        "Chen, Badrinarayanan, Lee, Rabinovich 2018, ICML (arXiv:1711.02257)",
        "the weights sum to the number of terms, so an imbalance is met by silencing the PDE; slow: 1e-2 a step in "
        "log w",
    )

    ranges: ClassVar[Ranges] = {"alpha": SIZE, "lr": POSITIVE}
    shaping = ("ascent",)

    def __init__(
        self,
        *,
        alpha: Number = 1.5,
        lr: Number = 1e-2,
        layer: Sequence[Tensor] | Literal["last"] | None = None,
        parametrisation: Literal["log", "plain"] = "log",
        ascent: Literal["adam", "sgd"] = "adam",
        every: int = 1,
        **options: Unpack[Options],
    ) -> None:
        options.setdefault("w_min", 1e-4)
        super().__init__(every=every, **options)
        self.alpha, self.lr, self.parametrisation, self.ascent = alpha, lr, parametrisation, ascent
        self.layer: Sequence[Tensor | int] | Literal["last"] | None = (
            layer if layer is None or isinstance(layer, str) else list(layer)
        )

    def anew(self, parameters: Sequence[Tensor]) -> GradNorm:
        """See `AbstractScheme`; the layer is known in copies of the network by its place.

        Raises:
            PinndiagError: the network has no such parameters.
        """
        found = super().anew(parameters)
        assert isinstance(found, GradNorm)
        if isinstance(self.layer, list):
            found.layer = self._places(parameters)
        return found

    def start(self, name: str, weight: Number) -> Mapping[str, Number | Tensor]:
        """See `AbstractTermScheme`."""
        return {"trained": weight, "initial": math.nan, **adam_start(torch.zeros(()))}

    def measure(self, evaluation: Evaluation, taking_part: Sequence[int]) -> Measured | None:
        """See `AbstractTermScheme`: the columns of W."""
        gradients = rows_of(evaluation, taking_part)
        if self.layer is None:
            return gradients
        pieces = gradients.split(_parameters.sizes(evaluation.parameters), dim=1)
        return torch.cat([pieces[i] for i in self._places(evaluation.parameters)], dim=1)

    def refreshed(
        self, fields: Fields, losses: Weights, gradients: Measured | None, sound: Sound, reference: int | None
    ) -> tuple[Fields, Weights]:
        """See `AbstractTermScheme`."""
        assert gradients is not None
        weights, initial = fields["trained"], fields["initial"]
        initial = torch.where(initial.isnan(), losses, initial)
        norms = torch.linalg.vector_norm(gradients, dim=1).to(weights.dtype)
        pull = weights * norms
        rate = guarded(losses, initial, self.eps_rel)
        rate = rate / _mean(rate, sound)
        slope = (pull - _mean(pull, sound) * rate**self.alpha).sign() * norms
        if self.parametrisation == "log":
            moved, inner = self._step(weights.log(), slope * weights, fields)
            moved = moved.exp()
        else:
            moved, inner = self._step(weights, slope, fields)
        moved = self.limits(moved.clamp(min=0))
        held = weights.where(~sound, 0).sum()  # of terms that sit this step out
        moved = moved * (len(weights) - held) / moved.where(sound, 0).sum()
        return {"trained": moved, "initial": initial, **inner}, weights

    def _step(self, value: Weights, slope: Weights, fields: Fields) -> tuple[Weights, Fields]:
        if self.ascent == "adam":
            return adam(value, slope, fields, self.lr)
        return value - self.lr * slope, {}

    def _places(self, parameters: Sequence[Tensor]) -> list[int]:
        if self.layer == "last":
            if self.network.guessed:
                raise PinndiagError(
                    'GradNorm(layer="last") does not know which layer is the last',
                    cause="the order of the parameters cannot be read from a graph",
                    fix="pass parameters=model.parameters(), or the layer's parameters themselves",
                )
            matrices = [i for i, p in enumerate(parameters) if p.ndim > 1]
            return list(range(matrices[-1] if matrices else 0, len(parameters)))
        assert self.layer is not None
        wanted = {entry if isinstance(entry, int) else id(entry) for entry in self.layer}
        found = [i for i, p in enumerate(parameters) if i in wanted or id(p) in wanted]
        if not found:
            raise PinndiagError(
                "GradNorm(layer=...) names no parameter that is trained",
                where=f"{len(wanted)} tensors named, {len(parameters)} trained",
                cause="they are those of another network, of a copy, or frozen",
                fix='pass parameters of this network, or layer="last"',
            )
        return found


def _mean(values: Weights, sound: Sound) -> Tensor:
    return values.where(sound, 0).sum() / sound.sum()
