"""Problems of the literature, with points and steps of our own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.calibration.equation import Equation, Term
from benchmarks.calibration.equations._domain import Pose
from pinndiag import problems
from pinndiag.problems import Box

__all__ = ["literature"]


def literature(name: str, counts: dict[str, int] | None = None, **options: object) -> tuple[Pose, Callable]:
    """A problem of `pinndiag.problems` and the maker of its network; `counts` replaces numbers of points."""
    made: list[problems.Problem] = []

    def pose(dtype: torch.dtype) -> Equation:
        seed = int(torch.randint(2**31, (1,)))
        problem = problems.make(name, seed=seed, dtype=dtype, **options)
        made[:] = [problem]
        box = _hull(problem)
        terms = {}
        for key, term in problem.terms.items():
            count = (counts or {}).get(key, len(term.points))
            points = None if count != len(term.points) else term.points

            def residual(net: nn.Module, x: Tensor, term: problems.Term = term) -> Tensor:
                return term.residual(x)  # it refers to the problem's own network

            every = 1 if term.resampled else 0
            terms[key] = Term(residual, term.draw, count, points, weight=term.weight, resample=every)
        return Equation(box, terms, problem.solution)

    return pose, lambda equation: made[0].model


def _hull(problem: problems.Problem) -> Box:
    points = torch.cat([term.points for term in problem.terms.values()])
    return Box(tuple(points.amin(0).tolist()), tuple(points.amax(0).tolist()), points[:0])
