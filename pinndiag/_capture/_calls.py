"""What the arguments of one call say: which tensors it is given and writes, whether it only asks about shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

__all__ = ["about_shapes", "class_being_made", "is_subclass", "stays_inside", "tensors_in", "with_dtype", "written_by"]


def is_subclass(tensor: Tensor) -> bool:
    return type(tensor) is not torch.nn.Parameter and isinstance(tensor, Tensor)


def tensors_in(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in tensors_in(item)]
    return []


def with_dtype(func: OpOverload, args: Sequence[Any], kwargs: dict[str, Any], output: Any) -> dict[str, Any]:
    """The keyword arguments of a call that makes a tensor out of numbers, with the default dtype named."""
    names = {argument.name for argument in func._schema.arguments}
    if not {"dtype", "device"} <= names or kwargs.get("dtype") is not None or tensors_in(args):
        return kwargs
    return {**kwargs, "dtype": output.dtype}


def stays_inside(source: Tensor, shape: Sequence[int], strides: Sequence[int], offset: int | None = None) -> bool:
    """Whether a strided view of a tensor stays among its own entries."""
    start = source.storage_offset() if offset is None else offset
    last = start + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True) if n)
    return source.storage_offset() == 0 and last < max(source.numel(), 1)


def about_shapes(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call only works out a shape, on tensors without memory."""
    device = kwargs.get("device")
    return (device is not None and torch.device(device).type == "meta") or any(t.is_meta for t in tensors_in(args))


def written_by(func: OpOverload, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The arguments that a call changes."""
    found: list[Any] = []
    for position, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found.append(args[position] if position < len(args) else kwargs.get(argument.name))
    return tensors_in(found)


def class_being_made(frame: FrameType | None) -> type[Tensor] | None:
    """The tensor subclass whose `__new__` asked for this alias, or None.

    `Tensor.__new__(cls, x)` accepts from a dispatch mode only a tensor that is a `cls` already.
    """
    for _ in range(12):
        if frame is None:
            break
        code = frame.f_code
        if code.co_name == "__new__" and code.co_varnames:
            made = frame.f_locals.get(code.co_varnames[0])
            if isinstance(made, type) and issubclass(made, Tensor) and made is not Tensor:
                return made
        frame = frame.f_back
    return None
