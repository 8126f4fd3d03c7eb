"""A plain fit."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmarks.calibration.equation import Equation, Term, equals
from benchmarks.calibration.equations._domain import Pose, box_of, known

__all__ = ["fit"]


def fit(waves: float = 1.0, *, width: float = 0.0, points: int = 200, dimensions: int = 1, grid: bool = False) -> Pose:
    """A plain fit, one term: a wave along every coordinate, and a step of a given width if asked for.

    With `grid` there are regular points, so many along each coordinate.
    """

    def pose(dtype: torch.dtype) -> Equation:
        box = box_of([-1.0] * dimensions, [1.0] * dimensions, dtype)

        def exact(x: Tensor) -> Tensor:
            wave = torch.sin(math.pi * waves * x).prod(dim=1, keepdim=True)
            return wave + torch.tanh(x[:, :1] / width) if width else wave

        regular = box.grid(points) if grid else None
        term = Term(equals(exact), box.inside, points if regular is None else len(regular), regular)
        return Equation(box, {"data": term}, known(box, exact))

    return pose
