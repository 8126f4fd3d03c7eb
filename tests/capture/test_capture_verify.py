"""When a graph counts as the live term: a fixed tolerance, and in doubt the graph's own rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from pinndiag._capture._verify import Figures, difference

EXACT = torch.tensor([3.0e-4, -1.0e-4], dtype=torch.float64)  # what is left of sums of about 1


def of(gradient: Tensor) -> dict[str, Figures]:
    return {"ode": Figures(torch.ones(1), gradient)}


def off(by: float) -> dict[str, Figures]:
    return of((EXACT + by).float())


@pytest.fixture
def asked() -> Callable[[], Mapping[str, Figures]]:
    return lambda: of(EXACT)


def test_a_well_trained_term_differs_by_its_rounding(asked: Callable[[], Mapping[str, Figures]]) -> None:
    graph, live = off(1e-7), off(-4e-7)  # roundings of sums of 1 in float32, 1e-3 of what is left
    found = difference(graph, live)
    assert found is not None
    assert found[0] == "ode"
    assert found[1].startswith("its gradient differs by 2")
    assert difference(graph, live, asked) is None


@pytest.mark.parametrize("error", [5e-6, -1e-4, float("nan"), float("inf")])
def test_what_is_no_rounding_is_another_term(error: float, asked: Callable[[], Mapping[str, Figures]]) -> None:
    assert difference(off(1e-7), off(error), asked) is not None


def test_within_the_tolerance_nobody_asks_for_more() -> None:
    def never() -> dict[str, Figures]:
        raise AssertionError

    assert difference(off(0.0), off(1e-9), never) is None
