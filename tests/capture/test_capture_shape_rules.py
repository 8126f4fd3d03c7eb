"""Shapes found by our own rules are those of torch's rules and of its kernels."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from pinndiag._capture._operators import resolve
from pinndiag._capture._shape_rules import RULED, simple_output

FORMS = {  # name -> a tensor; among them layouts whose strides the result must not inherit
    "number": torch.ones(()),
    "one": torch.ones(1),
    "row": torch.ones(3),
    "column": torch.ones(4, 1),
    "flat": torch.ones(1, 3),
    "whole": torch.ones(4, 3),
    "transposed": torch.ones(3, 4).t(),
    "expanded": torch.ones(1, 1).expand(4, 3),
    "repeated row": torch.ones(3).expand(4, 3),
    "slice": torch.ones(4, 6)[:, ::2],
    "sliced column": torch.ones(4, 2)[:, 1:],
    "overlapping": torch.ones(8).as_strided((4, 3), (1, 1)),
    "lone row, odd stride": torch.ones(3).as_strided((1, 3), (1, 1)),
    "odd stride of one": torch.ones(4, 3, 2)[:, :, :1],
    "stack": torch.ones(2, 4, 3),
    "empty": torch.ones(0, 3),
    "double": torch.ones(4, 3, dtype=torch.float64),
    "integers": torch.ones(4, 3, dtype=torch.int64),
    "complex": torch.ones(4, 3, dtype=torch.complex64),
}


def layout(tensor: Tensor) -> tuple[Any, ...]:
    strides = [stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True) if length > 1]
    return tuple(tensor.shape), strides, tensor.dtype


def on_meta(value: Any) -> Any:
    if isinstance(value, list):
        return [on_meta(item) for item in value]
    if not isinstance(value, Tensor):
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")


def found(name: str, arguments: list[Any]) -> Tensor | None:
    operator = resolve(name)
    names = (argument.name for argument in operator._schema.arguments)
    return simple_output(operator, dict(zip(names, map(on_meta, arguments), strict=False)))


def check(name: str, arguments: list[Any]) -> bool:
    """Compare with torch's rule and its kernel, where our rule speaks."""
    ours = found(name, arguments)
    if ours is None:
        return False
    operator = resolve(name)
    assert layout(ours) == layout(operator(*map(on_meta, arguments))) == layout(operator(*arguments)), arguments
    return True


@pytest.mark.parametrize("name", sorted(RULED - {f"aten.{name}.default" for name in ("addmm", "cat", "stack")}))
def test_entry_by_entry(name: str) -> None:
    kinds = [str(a.type) for a in resolve(name)._schema.arguments if not a.has_default_value()]
    choices = [[*FORMS.values(), 2] if kind == "Tensor" else [2, 0.5] for kind in kinds]
    spoken = sum(check(name, list(arguments)) for arguments in itertools.product(*choices))
    assert spoken >= 8  # the plain layouts are spoken of


@pytest.mark.parametrize("bias", ["number", "one", "row", "flat", "column", "whole", "transposed", "stack", "double"])
def test_addmm(bias: str) -> None:
    spoken = []
    for left, right in itertools.product(
        (torch.ones(4, 5), torch.ones(5, 4).t(), torch.ones(4, 10)[:, ::2]), (torch.ones(5, 3), torch.ones(4, 3))
    ):
        spoken.append(check("aten.addmm.default", [FORMS[bias], left, right]))
    assert any(spoken) == (bias not in ("stack", "double"))


@pytest.mark.parametrize("name", ["cat", "stack"])
def test_tensors_put_together(name: str) -> None:
    spoken = 0
    for pair in itertools.product(FORMS.values(), repeat=2):
        spoken += sum(check(f"aten.{name}.default", [list(pair), dimension]) for dimension in (-2, -1, 0, 1, 2))
    assert spoken >= 40
    assert found(f"aten.{name}.default", [[], 0]) is None


@pytest.mark.parametrize(
    "arguments",
    [
        [torch.ones(3)],  # too few
        [2.0, torch.ones(3)],
        [torch.ones(3), torch.ones(4)],
        [torch.ones(3), torch.ones(2, 4)],
        [torch.ones(3), None],
        [torch.ones(3), [torch.ones(3)]],
    ],
)
def test_what_does_not_fit_is_left_to_torch(arguments: list[Any]) -> None:
    assert found("aten.mul.Tensor", arguments) is None
    assert found("aten.add.Tensor", [*arguments, True]) is None
