"""Weights from the neural tangent kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Unpack, final

import torch
from torch import Tensor

from pinndiag._derivatives._rows import squared_norms
from pinndiag._engine import Evaluation
from pinndiag._errors import TermError
from pinndiag._terms import _parameters
from pinndiag.schemes._about import About
from pinndiag.schemes._guards import guarded
from pinndiag.schemes._numbers import COUNT, SEED, Ranges
from pinndiag.schemes._options import Number, Options, names_of
from pinndiag.schemes._presets import PUBLISHED, presets
from pinndiag.schemes._ratio_scheme import AbstractRatioScheme
from pinndiag.schemes._term_scheme import Measured, Sound, Weights

__all__ = ["NTKWeights"]


@final
@presets(
    paper={**PUBLISHED, "trace": "sum", "total": "sum", "keep": 0.0, "points": None},
    notebook={**PUBLISHED, "trace": "sum", "total": "sum", "keep": 0.0, "points": 300},
    jaxpi={**PUBLISHED, "every": 1000, "first": 1, "points": None},
)
class NTKWeights(AbstractRatioScheme):
    """w_i <- keep w_i + (1 - keep) mean_j k_j / k_i, where k_i is the mean of |d r_i / d theta|^2 over the points.

    k_i is the mean of the diagonal of the kernel K_i = J_i J_i^T of the residuals (not of the loss): the mean speed at
    which gradient descent lowers them. Every term needs residuals; `exclude` those that are scalar losses.

    Args:
        keep: weight of the old value.
        every: steps between refreshes.
        estimate: "points": rows of J at a random subset. "signs": |J^T z|^2 / N with random signs z, unbiased over all
            points, but with a spread as large as the value where few directions carry the kernel, as in PINNs.
        points: residuals drawn afresh at each refresh, for "points"; None takes all.
        probes: random vectors, for "signs".
        trace: "sum" takes the trace of K_i, which grows with the number of points.
        total: "sum" instead of "mean" is the paper's formula.
        terms: the terms weighed; default: all that are not excluded.
        seed: of the draws.
        options: see `AbstractScheme`.

    Cost of a refresh: one backward pass of each term for each of its points or probes.

    Source: Wang, Yu, Perdikaris 2022, J. Comput. Phys. 449, 110768 (arXiv:2007.14527), eqs (6.5)-(6.6), Algorithm 1;
    means instead of traces as in jaxpi.

    >>> scheme = NTKWeights(keep=0.0, eps_rel=0.0)
    >>> scheme.weigh(torch.ones(2), torch.tensor([[9.0], [1.0]]))  # mean diagonals 9 and 1
    tensor([0.5556, 5.0000])
    """

    about = About(
        "ntk",
        "NTK: every term's residuals decay as fast as the others'",
        "residual Jacobians",
        "Wang, Yu, Perdikaris 2022, J. Comput. Phys. 449, 110768 (arXiv:2007.14527)",
        "dear; the mean speed says nothing of the slowest directions, which set the error",
    )
    keeps_graphs = True
    ranges: ClassVar[Ranges] = {"points": COUNT, "probes": COUNT, "seed": SEED}

    def __init__(
        self,
        *,
        keep: Number = 0.9,
        every: int = 100,
        estimate: Literal["points", "signs"] = "points",
        points: int | None = 32,
        probes: int = 16,
        trace: Literal["mean", "sum"] = "mean",
        total: Literal["mean", "sum"] = "mean",
        terms: Sequence[str] | None = None,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(keep=keep, every=every, **options)
        self.estimate, self.points, self.probes, self.seed = estimate, points, probes, seed
        self.trace, self.total = trace, total
        self.terms = self.only = None if terms is None else names_of("terms", terms)

    def measure(self, evaluation: Evaluation, taking_part: Sequence[int]) -> Measured | None:
        """See `AbstractTermScheme`: one column, the mean diagonal (or the trace) of each term's kernel."""
        outputs = [evaluation.outputs[evaluation.names[i]] for i in taking_part]
        for i, output in zip(taking_part, outputs, strict=True):
            if output.ndim == 0:
                raise TermError(
                    f"NTKWeights needs residuals, and term {evaluation.names[i]!r} is a scalar loss",
                    cause="the mean of squares was taken before the scheme saw the residuals",
                    fix="hand over the residual tensor, or leave the term out: exclude=, or terms= with the others",
                )
        generator = self.memory.generator(self.seed)
        means = [self._mean_diagonal(output, evaluation.parameters, generator) for output in outputs]
        if self.trace == "sum":
            means = [mean * output.numel() for mean, output in zip(means, outputs, strict=True)]
        return evaluation.reduced(torch.stack(means))[:, None]

    def ratio(self, gradients: Measured, applied: Weights, sound: Sound, reference: int | None) -> Weights:
        """See `AbstractRatioScheme`."""
        figure = gradients[:, 0]
        total = figure.where(sound, 0).sum()
        return guarded(total if self.total == "sum" else total / sound.sum(), figure, self.eps_rel)

    def _mean_diagonal(self, output: Tensor, parameters: list[Tensor], generator: torch.Generator) -> Tensor:
        count = output.numel()
        if not output.requires_grad:
            return torch.zeros((), dtype=parameters[0].dtype, device=parameters[0].device)
        if self.estimate == "points":
            entries = torch.arange(count) if self.points is None else torch.randperm(count, generator=generator)
            return squared_norms(output, entries[: self.points].to(output.device), parameters).mean()
        flat = _parameters.real(output)
        found = []
        for _ in range(self.probes):
            signs = (2 * torch.randint(0, 2, flat.shape, generator=generator) - 1).to(flat)
            pulled = torch.autograd.grad(flat, parameters, signs, retain_graph=True, allow_unused=True)
            found.append(_parameters.flatten(pulled, parameters).square().sum())
        return torch.stack(found).mean() / count
