"""Learning-rate annealing of Wang, Teng and Perdikaris."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Unpack, final

import torch
from torch import Tensor

from pinndiag._engine import Evaluation
from pinndiag._errors import PinndiagError
from pinndiag.schemes._about import About
from pinndiag.schemes._guards import guarded
from pinndiag.schemes._options import Number, Options
from pinndiag.schemes._presets import PUBLISHED, presets
from pinndiag.schemes._ratio_scheme import AbstractRatioScheme
from pinndiag.schemes._term_scheme import Coupling, Measured, Sound, Weights, rows_of

__all__ = ["LRAnnealing"]

Statistic = Literal["max/mean", "mean/mean"]
Pooling = Literal["global", "layer_mean", "layer_max_ratio"]

_RATIO = {**PUBLISHED, "feedback": False}
_CODE = {**PUBLISHED, "params": "matrices", "first": 1}  # refreshed after the optimizer's step: it acts one step later


@final
@presets(
    wtp_sisc=PUBLISHED,
    wtp_code={**_CODE, "pooling": "layer_mean"},
    wtp_cavity={**_CODE, "pooling": "layer_max_ratio"},
    arxiv={**_RATIO, "keep": 0.1},
    mean={**_RATIO, "stat": "mean/mean"},
    dn_paper={**PUBLISHED, "first": -1},
    id_code={**PUBLISHED, "keep": 0.5, "every": 5},
    pinnacle={**PUBLISHED, "every": 1},
    config={**_RATIO, "every": 1},
    relobralo={**_RATIO, "stat": "mean/mean", "keep": 0.999, "every": 1},
    physicsnemo={**_RATIO, "stat": "mean/mean", "keep": 0.99, "every": 1},
)
class LRAnnealing(AbstractRatioScheme):
    """w_i <- keep w_i + (1 - keep) max|g_r| / mean|w_i g_i|: every term's gradient against the largest of the PDE's.

    With the current weight in the denominator (`feedback`, the journal version and the authors' code) a constant ratio
    R leads to w = sqrt(R). Without it (the preprint) w reaches R, the boundary term wins by a factor of 16 to 53, its
    gradient shrinks and the weight runs away: seven of seven runs on the Helmholtz problem ended at u = 0.

    Args:
        keep: weight of the old value.
        every: steps between refreshes.
        stat: "mean/mean" is `DynamicNorm(p=1)` when there is no feedback.
        feedback: whether the present weight stands in the denominator.
        params: "matrices" leaves out biases and other vectors.
        pooling: "global": one statistic over all entries. "layer_mean": the denominator is the plain average of the
            means of the tensors. "layer_max_ratio": the largest ratio of any tensor.
        options: see `AbstractScheme`.

    The presets `relobralo` and `physicsnemo` leave out an absolute 1e-8 that those codes add to the denominator.

    Cost: the gradient of each term at a refresh, free where terms have their own points.

    Source: Wang, Teng, Perdikaris 2021, SIAM J. Sci. Comput. 43(5), eqs (2.30)-(2.31); arXiv:2001.04536, eqs (40)-(41).

    >>> scheme = LRAnnealing(keep=0.0, eps_rel=0.0)
    >>> scheme.weigh(torch.ones(2), torch.tensor([[3.0, -4.0], [0.0, 1.0]]))  # 4 against 1/2
    tensor([1., 8.])
    """

    about = About(
        "lra",
        "LR annealing: largest entry of the PDE's gradient over the mean of the others'",
        "gradients",
        "Wang, Teng, Perdikaris 2021, SIAM J. Sci. Comput. 43(5) A3055 (arXiv:2001.04536)",
        "the ratio form runs away; periodic conditions (a gradient that can vanish) have no ceiling; one outlying "
        "entry of the PDE's gradient sets the weight",
    )
    coupling: Coupling = "reference"

    def __init__(
        self,
        *,
        keep: Number = 0.9,
        every: int = 10,
        stat: Statistic = "max/mean",
        feedback: bool = True,
        params: Literal["all", "matrices"] = "all",
        pooling: Pooling = "global",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(keep=keep, every=every, **options)
        self.stat, self.feedback, self.params, self.pooling = stat, feedback, params, pooling
        self.shapes: Sequence[Sequence[int]] | None = None
        """Shapes of the parameters behind the columns of the gradients; those of the evaluation, if there is one."""

    def measure(self, evaluation: Evaluation, taking_part: Sequence[int]) -> Measured | None:
        """See `AbstractTermScheme`."""
        self.shapes = [p.shape for p in evaluation.parameters]
        return rows_of(evaluation, taking_part)

    def ratio(self, gradients: Measured, applied: Weights, sound: Sound, reference: int | None) -> Weights:
        """See `AbstractRatioScheme`."""
        assert reference is not None
        size = gradients.abs()
        weight = applied if self.feedback else torch.ones_like(applied)
        if self.params == "all" and self.pooling == "global":
            return guarded(self._numerator(size[reference]), weight * size.mean(dim=1), self.eps_rel)
        pieces = self._pieces(size)
        if self.pooling == "global":
            pieces = [torch.cat(pieces, dim=1)]
        top = torch.stack([self._numerator(piece[reference]) for piece in pieces])
        mean = torch.stack([piece.mean(dim=1) for piece in pieces])
        if self.pooling == "layer_max_ratio":
            return guarded(top[:, None], weight * mean, self.eps_rel).amax(dim=0)
        whole = top.amax() if self.stat == "max/mean" else top.mean()
        return guarded(whole, weight * mean.mean(dim=0), self.eps_rel)

    def _numerator(self, size: Tensor) -> Tensor:
        return size.max() if self.stat == "max/mean" else size.mean()

    def _pieces(self, size: Tensor) -> list[Tensor]:
        """The columns of each tensor that counts."""
        if self.shapes is None:
            raise PinndiagError(
                "the layers behind the gradients are not known",
                where=f"params={self.params!r}, pooling={self.pooling!r}",
                fix="set scheme.shapes to the parameters' shapes, in the order of the columns",
            )
        pieces = size.split([math.prod(shape) for shape in self.shapes], dim=1)
        wanted = [
            piece for piece, shape in zip(pieces, self.shapes, strict=True) if self.params == "all" or len(shape) > 1
        ]
        if not wanted:
            raise PinndiagError("no parameter is a matrix", where=f"shapes {list(self.shapes)}", fix='use params="all"')
        return wanted
