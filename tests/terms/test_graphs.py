"""What a walk through the graphs of terms meets, on graphs that are drawn by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pinndiag._terms._graphs import walk


class Keeps(torch.autograd.Function):
    """The identity, by somebody who kept a `variable` in its context."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.variable = x.detach()
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def leaf(value: float) -> Tensor:
    return torch.tensor(value, requires_grad=True)


def test_leaves_come_once_in_the_order_in_which_they_are_met() -> None:
    a, b = leaf(1.0), leaf(2.0)
    assert [id(t) for t in walk([a * a, b * a]).leaves] == [id(a), id(b)]


def test_an_output_may_be_a_leaf() -> None:
    a = leaf(1.0)
    met = walk([a, a * 2])
    assert [id(t) for t in met.leaves] == [id(a)]
    assert not met.shared


def test_leaves_in_common_are_no_shared_part_but_nodes_are() -> None:
    a = leaf(1.0)
    hidden = a.sin()
    assert not walk([a.sin(), a.cos()]).shared
    assert walk([hidden * 2, hidden * 3]).shared
    assert walk([hidden, hidden]).shared


def test_the_last_nodes_are_those_next_to_a_leaf() -> None:
    a, b = leaf(1.0), leaf(2.0)
    inner = a.sin()
    output = (inner.cos() * b).exp()
    names = sorted(type(node).__name__ for node in walk([output]).last)
    assert names == ["MulBackward0", "SinBackward0"]


def test_what_lies_behind_a_function_that_keeps_a_variable_is_found() -> None:
    a, b = leaf(1.0), leaf(2.0)
    met = walk([Keeps.apply(a.sin()).cos(), Keeps.apply(b.sin()).cos()])  # type: ignore[no-untyped-call]
    assert [id(t) for t in met.leaves] == [id(a), id(b)]
    assert "KeepsBackward" in {kind.__name__ for kind in met.kinds}
