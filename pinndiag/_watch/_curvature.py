"""The Hessians at one step of a training, on the graphs of that step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import final

import msgspec
import torch
from torch import Tensor

from pinndiag._engine import Combination, Evaluation
from pinndiag._engine._evaluation import silent_hooks
from pinndiag._records import CurvatureLine, Eigenvalue, TermCurvature
from pinndiag._watch._moment import moment, work
from pinndiag.analyzers import curvature
from pinndiag.linalg import LanczosResult

__all__ = ["CurvatureGauge", "of_all_terms"]


@final
class CurvatureGauge:
    """Measures the ends of the spectra, the stability limit and the remaining work.

    Args:
        processes: number of processes that train together.
    """

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._warm: dict[str, Tensor] = {}

    def measured(
        self,
        evaluation: Evaluation,
        combination: Combination,
        parameters: Mapping[str, Tensor],
        optimizer: torch.optim.Optimizer | None,
    ) -> tuple[CurvatureLine, dict[str, LanczosResult]]:
        """The record, without its times, and the Lanczos processes behind it. The graphs must be kept meanwhile.

        Cost: about 40 gradients; 2 to 4 products for each term while the network changes little.
        """
        weights = dict(zip(evaluation.names, combination.weights.tolist(), strict=True))
        behind: dict[str, LanczosResult] = {}
        with silent_hooks(list(parameters.values())):
            view = moment(evaluation, parameters, weights, optimizer)
            found = curvature(view, density=False, warm=self._warm, processes=behind)
            remaining = work(view)
        reasons = dict(found.reasons)
        if combination.points:
            reasons["points"] = "the curvature is that of the terms without their per-point weights"
        if self._processes > 1:
            reasons["processes"] = "the curvature is that of the share of the points of one process"
        line = CurvatureLine(
            step=evaluation.step,
            time=0.0,
            terms=found.terms,
            total=found.total,
            stability=found.stability,
            shares=found.shares,
            work=remaining,
            products=found.products,
            reasons=reasons,
        )
        return line, behind


def of_all_terms(line: CurvatureLine, names: Sequence[str]) -> CurvatureLine:
    """The record of a step whose loss was put together from several calls: the curvature of its sum is not known."""
    absent = [name for name in names if name not in line.terms]
    if not absent:
        return line
    unknown = Eigenvalue(value=math.nan, residual=math.nan, converged=False, products=0)
    why = "handed over in a later call of the step, when the curvature had been measured"
    reasons = {f"terms.{name}": why for name in absent} | {"total": "the terms were handed over in several calls"}
    return msgspec.structs.replace(
        line,
        total=TermCurvature(sigma_max=unknown, sigma_min=unknown),
        stability=None,
        shares={},
        reasons=line.reasons | reasons,
    )
