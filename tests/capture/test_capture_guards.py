"""Operators whose kernels trust their arguments: what fits passes, what does not is refused before the call."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pinndiag._capture._guards import PARTS, unsound

aten = torch.ops.aten
MASK = [True, True, True]


def t(*shape: int) -> torch.Tensor:
    return torch.empty(*shape, device="meta")


LAYER = [t(4, 3), t(4, 3), [3], t(4, 1), t(4, 1), t(3), t(3), MASK]


def changed(place: int, value: Any) -> list[Any]:
    return [value if i == place else given for i, given in enumerate(LAYER)]


@pytest.mark.parametrize(
    ("operator", "args", "bad"),
    [
        (aten._weight_norm_interface.default, [t(5, 3), t(5, 1), 0], False),
        (aten._weight_norm_interface.default, [t(5, 3), t(1, 3), 1], False),
        (aten._weight_norm_interface.default, [t(5, 3), t(1, 1), 0], True),
        (aten._weight_norm_interface.default, [t(5, 3), t(5, 1), 7], True),
        (aten._weight_norm_interface_backward.default, [t(5, 3), t(5, 3), t(5, 1), t(5, 1), 0], False),
        (aten._weight_norm_interface_backward.default, [t(1, 3), t(5, 3), t(5, 1), t(5, 1), 0], True),
        (aten._weight_norm_interface_backward.default, [t(5, 3), t(5, 3), t(5, 1), t(1, 1), 0], True),
        (aten.native_layer_norm_backward.default, LAYER, False),
        (aten.native_layer_norm_backward.default, changed(5, None), False),
        (aten.native_layer_norm_backward.default, changed(0, t(1, 3)), True),
        (aten.native_layer_norm_backward.default, changed(2, [2]), True),
        (aten.native_layer_norm_backward.default, changed(3, t(1, 1)), True),
        (aten.native_layer_norm_backward.default, changed(5, t(1)), True),
        (aten.unbind.int, [t(3, PARTS), 1], False),
        (aten.unbind.int, [t(3, PARTS + 1), 1], True),
        (aten.split.Tensor, [t(10, 2), 3], False),
        (aten.split.Tensor, [t(PARTS + 1, 2), 1], True),
        (aten.split.Tensor, [t(10, 2), 0], True),
    ],
)
def test_guards(operator: Any, args: list[Any], bad: bool) -> None:
    assert unsound(operator, args, {}) is bad
