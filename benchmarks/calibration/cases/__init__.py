"""Every case, by family. What is expected of each was written before it was trained."""

from __future__ import annotations

from benchmarks.calibration.case import Case, seeds
from benchmarks.calibration.cases import balance, faults, healthy, network, optimisation, points, scaling

__all__ = ["CASES", "by_name"]

CASES: tuple[Case, ...] = tuple(
    case
    for family in (faults, scaling, balance, points, network, optimisation, healthy)
    for case in seeds(family.CASES)
)


def by_name(name: str) -> Case:
    """The case of that name."""
    return next(case for case in CASES if case.name == name)
