"""What the pickle inside a torch file would do, found out without doing it.

`torch.load(weights_only=True)` calls no function of a stranger's, but some that it does call allocate whatever length
the file names (`bytearray(10**12)`, `torch.Tensor(10**11)`), and it believes the file about the size of storages. So
the pickle is first read with inert stand-ins: only what weights are made of may occur, and every tensor must lie inside
a storage that the file really holds.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch

__all__ = ["MOST_ENTRIES", "ForeignObjectError", "UnsoundPickleError", "inspect"]

MOST_ENTRIES = 2**28  # of one tensor
EXPANDED = 2**16  # entries that a tensor may have without being stored (an expanded constant)

# those of torch's own restricted reader, without NEWOBJ
OPCODES = frozenset(
    (
        *("MARK", "STOP", "PROTO", "GLOBAL", "REDUCE", "BUILD", "BINPERSID"),
        *("BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINUNICODE", "SHORT_BINSTRING", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_SET"),
    )
)
STORAGES = {
    "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1, "Bool": 1,
    "ComplexDouble": 16, "ComplexFloat": 8,
}  # fmt: skip
DTYPES = (
    *(
        "float64",
        "float32",
        "float16",
        "bfloat16",
        "float8_e4m3fn",
        "float8_e5m2",
        "complex128",
        "complex64",
        "complex32",
    ),
    *("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool"),
)


class UnsoundPickleError(Exception):
    """The pickle is damaged, or made to do harm; the message says how."""


class ForeignObjectError(Exception):
    """The pickle holds objects that only code from elsewhere could make.

    Args:
        names: dotted names of classes and functions it would call.
    """

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


@final
@dataclass(frozen=True, slots=True)
class _Width:
    """Bytes of one entry, in place of a dtype or a class of storages."""

    size: int


@final
@dataclass(frozen=True, slots=True)
class _Storage:
    entries: int
    width: int


@final
@dataclass(frozen=True, slots=True)
class _Tensor:
    entries: int


@final
@dataclass(frozen=True, slots=True)
class _Call:
    """Stands for a function. A fresh one for each pickle, so that nothing a pickle does to it outlives the reading."""

    run: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        return self.run(*arguments)


def inspect(stream: bytes, storages: Mapping[str, int]) -> None:
    """Check the pickle `stream` of a torch file whose storages have the given lengths in bytes.

    Raises:
        ForeignObjectError: it would import or call something that weights are not made of.
        UnsoundPickleError: it is damaged, needs more memory than the file holds, or has a tensor with more than
            2**28 entries.
    """
    _check_opcodes(stream)
    try:
        _Inspector(stream, storages).load()
    except (ForeignObjectError, UnsoundPickleError):
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise UnsoundPickleError(f"its pickle is damaged ({type(error).__name__})") from error


def _check_opcodes(stream: bytes) -> None:
    foreign: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "GLOBAL":
                name = str(argument).replace(" ", ".")
                if name not in _known() and name not in foreign:
                    foreign.append(name)
            elif opcode.name in ("STACK_GLOBAL", "NEWOBJ", "NEWOBJ_EX", "OBJ", "EXT1", "EXT2", "EXT4"):
                foreign = foreign or ["an object of a class of its own"]
            elif opcode.name not in OPCODES:
                raise UnsoundPickleError(f"its pickle uses {opcode.name}, which torch.save does not")
            elif opcode.name.endswith("PUT") and argument is not None and argument > len(stream):
                raise UnsoundPickleError("its pickle claims more objects than it has bytes")
    except UnsoundPickleError:
        raise
    except Exception as error:
        raise UnsoundPickleError(f"its pickle is damaged ({type(error).__name__})") from error
    if foreign:
        raise ForeignObjectError(foreign)


@final
class _Inspector(pickle.Unpickler):
    """Reads a pickle with inert stand-ins for everything that it names."""

    def __init__(self, stream: bytes, storages: Mapping[str, int]) -> None:
        super().__init__(io.BytesIO(stream), encoding="latin1")
        self._storages = storages
        self._names = _known()

    def find_class(self, module: str, name: str, /) -> Any:
        known = self._names.get(f"{module}.{name}")
        if known is None:
            raise ForeignObjectError([f"{module}.{name}"])
        return known

    def persistent_load(self, pid: Any, /) -> _Storage:
        kind, width, key, _, entries = pid
        if kind != "storage" or not isinstance(width, _Width) or not isinstance(key, str) or type(entries) is not int:
            raise UnsoundPickleError("it refers to a storage in an unknown form")
        if key not in self._storages or not 0 <= entries * width.size <= self._storages[key]:
            raise UnsoundPickleError(f"a tensor of {entries} entries is announced, but its numbers are not in the file")
        return _Storage(entries, width.size)


def _known() -> dict[str, Any]:
    dtypes = {f"torch.{name}": _Width(getattr(torch, name).itemsize) for name in DTYPES if hasattr(torch, name)}
    classes = {f"torch.{name}Storage": _Width(size) for name, size in STORAGES.items()}
    return {
        **dtypes,
        **classes,
        "torch.storage.UntypedStorage": _Width(1),
        "torch._utils._rebuild_tensor": _Call(_tensor),
        "torch._utils._rebuild_tensor_v2": _Call(_tensor),
        "torch._utils._rebuild_tensor_v3": _Call(_tensor_of_dtype),
        "torch._utils._rebuild_parameter": _Call(_parameter),
        "torch._utils._rebuild_parameter_with_state": _Call(_parameter),
        "torch.Size": _Call(tuple),
        "torch.device": _Call(_device),
        "collections.OrderedDict": _Call(OrderedDict),
        "collections.Counter": _Call(Counter),
        "__builtin__.set": _Call(set),
        "builtins.set": _Call(set),
        "__builtin__.complex": _Call(complex),
        "builtins.complex": _Call(complex),
        "_codecs.encode": _Call(_encode),
    }


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise UnsoundPickleError("a tensor is built from something that is no storage")
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or len(shape) > 64 or any(type(n) is not int or n < 0 for n in numbers):
        raise UnsoundPickleError("a tensor has an impossible shape")
    entries = math.prod(shape)
    if entries > MOST_ENTRIES:
        raise UnsoundPickleError(f"a tensor has {entries} entries, more than {MOST_ENTRIES}")
    if entries > max(storage.entries, EXPANDED):
        raise UnsoundPickleError(f"a tensor repeats {storage.entries} stored numbers as {entries} entries")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) if entries else -1
    if last >= storage.entries:
        raise UnsoundPickleError(f"a tensor of shape {shape} reaches beyond its {storage.entries} stored numbers")
    return _Tensor(entries)


def _tensor_of_dtype(storage: Any, offset: Any, shape: Any, strides: Any, _r: Any, _h: Any, width: Any, *_: Any) -> Any:
    if not isinstance(storage, _Storage) or not isinstance(width, _Width):
        raise UnsoundPickleError("a tensor is built from something that is no storage")
    return _tensor(_Storage(storage.entries * storage.width // width.size, width.size), offset, shape, strides)


def _parameter(tensor: Any, *_: Any) -> _Tensor:
    if not isinstance(tensor, _Tensor):
        raise UnsoundPickleError("a parameter is built from something that is no tensor")
    return tensor


def _device(kind: Any, *_: Any) -> str:
    if not isinstance(kind, str):
        raise UnsoundPickleError("a device has no name")
    return kind


def _encode(text: Any, encoding: Any = None, *_: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise UnsoundPickleError("bytes are written in an unknown form")
    return text.encode("latin1")
