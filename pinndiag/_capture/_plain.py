"""A graph as dictionaries, lists, strings, numbers and tensors, and back. Reading trusts nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor

from pinndiag._capture._graph import DEVICE, REFERENCE, Activation, Constant, Graph, Input, Node, Ref, Size
from pinndiag._capture._operators import resolve
from pinndiag._errors import CheckpointError

__all__ = ["MAX_ENTRIES", "MAX_ITEMS", "MAX_NODES", "read", "write"]

MAX_NODES = 100_000
MAX_ENTRIES = 2**28  # of one tensor
_MAX_INPUTS = 20_000
MAX_ITEMS = 4096  # arguments in one list, tensors from one call
_MAX_TEXT = 1024  # characters of a name
_MAX_DIMENSIONS = 16
_MAX_DEPTH = 3
_INT64 = 2**63

_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex32, torch.complex64),
        *(torch.complex128, torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    )
}
_DTYPE_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_MEMORY_FORMATS = {str(form).removeprefix("torch."): form for form in (torch.contiguous_format, torch.preserve_format)}


def write(graph: Graph) -> dict[str, Any]:
    """See `Graph.to_plain`."""
    return {
        "inputs": [
            {
                "kind": i.kind,
                "name": i.name,
                "column": i.column,
                "shape": list(i.shape),
                "dtype": _DTYPE_NAMES[i.dtype],
            }
            for i in graph.inputs
        ],
        "constants": [{"value": c.value, "name": c.name} for c in graph.constants],
        "nodes": [
            {
                "op": node.operator,
                "args": [_written(a) for a in node.args],
                "kwargs": {key: _written(a) for key, a in node.kwargs.items()},
                "grad": node.grad,
            }
            for node in graph.nodes
        ],
        "outputs": {name: _written(ref) for name, ref in graph.outputs.items()},
        "solve": None if graph.solve is None else _written(graph.solve),
        "activations": [
            {"layer": a.layer, "function": a.function, "term": a.term, "node": _written(a.node)}
            for a in graph.activations
        ],
        "fixed": sorted(graph.fixed),
    }


def _written(value: Any) -> Any:
    if isinstance(value, Ref):
        return {value.source: value.index if value.item is None else [value.index, value.item]}
    if isinstance(value, Size):
        return {"size": [value.constant, [[group, factor] for group, factor in value.factors]]}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, torch.dtype):
        return {"dtype": _DTYPE_NAMES[value]}
    if isinstance(value, torch.memory_format):
        return {"memory_format": str(value).removeprefix("torch.")}
    if value is DEVICE:
        return {"device": True}
    if isinstance(value, (list, tuple)):
        return [_written(item) for item in value]
    return value


def read(plain: object) -> Graph:
    """See `Graph.from_plain`."""
    top = _record(plain, "graph", {"inputs", "constants", "nodes", "outputs", "solve", "activations", "fixed"})
    inputs = tuple(_input(item) for item in _list(top["inputs"], "inputs", _MAX_INPUTS))
    if len({(i.kind, i.name, i.column) for i in inputs}) != len(inputs):
        _refuse("two inputs have the same name")
    constants = tuple(_constant(item) for item in _list(top["constants"], "constants", MAX_NODES))
    groups = {i.name for i in inputs if i.kind == "points"}
    _check_columns(inputs)
    nodes: list[Node] = []
    for item in _list(top["nodes"], "nodes", MAX_NODES):
        nodes.append(_Reader(len(inputs), len(constants), len(nodes), groups).node(item))
    reader = _Reader(len(inputs), len(constants), len(nodes), groups)
    outputs = _mapping(top["outputs"], "outputs")
    activations = tuple(reader.activation(item) for item in _list(top["activations"], "activations", MAX_ITEMS))
    fixed = frozenset(_text(item, "fixed") for item in _list(top["fixed"], "fixed", _MAX_INPUTS))
    if not fixed <= groups:
        _refuse("fixed names points that are not among the inputs")
    return Graph(
        inputs,
        constants,
        tuple(nodes),
        {_text(name, "outputs"): reader.ref(ref, f"output {name!r}") for name, ref in outputs.items()},
        None if top["solve"] is None else reader.ref(top["solve"], "solve"),
        activations,
        fixed,
    )


class _Reader:
    """Reads references that may point at `nodes` nodes at most, so only backwards."""

    def __init__(self, inputs: int, constants: int, nodes: int, groups: set[str]) -> None:
        self._limits = {"input": inputs, "constant": constants, "node": nodes}
        self._groups = groups

    def node(self, plain: object) -> Node:
        item = _record(plain, "node", {"op", "args", "kwargs", "grad"})
        operator = resolve(_text(item["op"], "operator"))
        if not isinstance(item["grad"], bool):
            _refuse("the grad flag of a node is not true or false")
        args = tuple(self.value(a, 0) for a in _list(item["args"], "arguments", 64))
        kwargs = {_text(k, "argument"): self.value(a, 0) for k, a in _mapping(item["kwargs"], "arguments").items()}
        schema = operator._schema.arguments
        if len(args) > len(schema):
            _refuse(f"{item['op']} is given too many arguments")
        by_name = {argument.name: argument for argument in schema}
        given = list(zip(schema, args, strict=False))
        for key, value in kwargs.items():
            if key not in by_name or by_name[key] in [argument for argument, _ in given]:
                _refuse(f"{item['op']} has no argument {key!r}, or has it twice")
            given.append((by_name[key], value))
        for argument, value in given:
            if not _fits(str(argument.real_type), value):
                _refuse(f"argument {argument.name!r} of {item['op']} is not of type {argument.real_type}")
        return Node(str(item["op"]), args, kwargs, item["grad"])

    def activation(self, plain: object) -> Activation:
        item = _record(plain, "activation", {"layer", "function", "term", "node"})
        names = [_text(item[key], f"activation's {key}") for key in ("layer", "function", "term")]
        return Activation(names[0], names[1], names[2], self.ref(item["node"], "activation"))

    def ref(self, plain: object, where: str) -> Ref:
        value = self.value(plain, 0)
        if not isinstance(value, Ref):
            _refuse(f"{where} is not a reference to a value of the graph")
        return value

    def value(self, plain: object, depth: int) -> Any:
        if plain is None or isinstance(plain, (bool, float)):
            return plain
        if isinstance(plain, int):
            return _integer(plain, "a number")
        if isinstance(plain, str):
            return _text(plain, "a text argument")
        if isinstance(plain, list):
            if depth >= _MAX_DEPTH:
                _refuse("arguments are nested too deeply")
            return [self.value(item, depth + 1) for item in _list(plain, "list of arguments", MAX_ITEMS)]
        if isinstance(plain, dict) and len(plain) == 1:
            [(tag, content)] = plain.items()
            if isinstance(tag, str) and tag in self._tags:
                return self._tags[tag](self, content)
            if tag in ("input", "constant", "node"):
                return self._reference(tag, content)
        return _refuse(f"an argument is of a kind that is not allowed: {type(plain).__name__}")

    def _reference(self, source: Any, content: object) -> Ref:
        pair = content if isinstance(content, list) else [content, None]
        if len(pair) != 2:
            _refuse("a reference is malformed")
        index = _integer(pair[0], "a reference")
        item = None if pair[1] is None else _integer(pair[1], "a reference")
        if not 0 <= index < self._limits[source]:
            _refuse(f"a reference points at {source} {index}, which does not come before it")
        if item is not None and (source != "node" or not 0 <= item < MAX_ITEMS):
            _refuse("a reference picks an output that cannot be")
        return Ref(source, index, item)

    def _size(self, content: object) -> Size:
        pair = _list(content, "size", 2)
        if len(pair) != 2:
            _refuse("a size is malformed")
        factors = []
        for entry in _list(pair[1], "size", MAX_ITEMS):
            factor = _list(entry, "size", 2)
            if len(factor) != 2 or _text(factor[0], "size") not in self._groups:
                _refuse("a size goes with points that are not among the inputs")
            factors.append((factor[0], _integer(factor[1], "a size")))
        return Size(_integer(pair[0], "a size"), tuple(factors))

    def _complex(self, content: object) -> complex:
        pair = _list(content, "complex number", 2)
        if len(pair) != 2 or not all(isinstance(part, float) for part in pair):
            _refuse("a complex number is malformed")
        return complex(*pair)

    def _dtype(self, content: object) -> torch.dtype:
        return _DTYPES[_one_of(content, _DTYPES, "dtype")]

    def _memory_format(self, content: object) -> torch.memory_format:
        return _MEMORY_FORMATS[_one_of(content, _MEMORY_FORMATS, "memory format")]

    def _device(self, content: object) -> Any:
        if content is not True:
            _refuse("a device is named")
        return DEVICE

    _tags: Mapping[str, Callable[[_Reader, object], Any]] = {
        "size": _size,
        "complex": _complex,
        "dtype": _dtype,
        "memory_format": _memory_format,
        "device": _device,
    }


def _fits(kind: str, value: Any) -> bool:
    """Whether a value may stand where an operator's schema says `kind`."""
    if kind.startswith("Optional["):
        return value is None or _fits(kind[len("Optional[") : -1], value)
    if kind.startswith("List["):
        inner = kind[len("List[") : -1]
        if not isinstance(value, list):
            return inner in ("int", "bool") and _fits(inner, value)  # one number stands for a list of one
        return all(_fits(inner, item) for item in value)
    number = isinstance(value, (int, Size))  # a flag is an int too
    return {
        "Tensor": isinstance(value, (Ref, float, complex)) or number,
        "int": number,
        "float": number or isinstance(value, float),
        "number": number or isinstance(value, (float, complex)),
        "bool": isinstance(value, bool),
        "str": isinstance(value, str),
        "ScalarType": isinstance(value, torch.dtype),
        "MemoryFormat": isinstance(value, torch.memory_format),
        "Device": value is DEVICE,
    }.get(kind, False)


def _input(plain: object) -> Input:
    item = _record(plain, "input", {"kind", "name", "column", "shape", "dtype"})
    kind = _one_of(item["kind"], ("parameter", "points"), "kind of input")
    shape = tuple(_integer(n, "a shape") for n in _list(item["shape"], "shape", _MAX_DIMENSIONS))
    column = _integer(item["column"], "a column")
    entries = 1
    for n in shape:
        if not 0 <= n <= MAX_ENTRIES:
            _refuse("an input has an impossible shape")
        entries *= n
    if entries > MAX_ENTRIES or column < 0 or (kind == "points" and not shape):
        _refuse("an input has an impossible shape")
    dtype = _DTYPES[_one_of(item["dtype"], _DTYPES, "dtype")]
    name = _text(item["name"], "input", empty=kind == "points")
    return Input("parameter" if kind == "parameter" else "points", name, column, shape, dtype)


def _check_columns(inputs: tuple[Input, ...]) -> None:
    groups: dict[str, list[Input]] = {}
    for i in inputs:
        if i.kind == "points":
            groups.setdefault(i.name, []).append(i)
    for name, columns in groups.items():
        if [c.column for c in columns] != list(range(len(columns))) or len({c.shape[0] for c in columns}) != 1:
            _refuse(f"the columns of points of {name or REFERENCE!r} do not belong together")


def _constant(plain: object) -> Constant:
    item = _record(plain, "constant", {"value", "name"})
    value = item["value"]
    if type(value) not in (Tensor, torch.nn.Parameter) or value.layout != torch.strided:
        _refuse("a constant is not an ordinary tensor")
    if value.dtype not in _DTYPE_NAMES or value.numel() > MAX_ENTRIES:
        _refuse("a constant is of an impossible type or size")
    name = None if item["name"] is None else _text(item["name"], "constant")
    return Constant(value.detach(), name)


def _record(plain: object, what: str, keys: set[str]) -> dict[str, Any]:
    found = _mapping(plain, what)
    if set(found) != keys:
        _refuse(f"a {what} has other entries than {', '.join(sorted(keys))}")
    return found


def _mapping(plain: object, what: str) -> dict[str, Any]:
    if type(plain) is not dict or len(plain) > _MAX_INPUTS:
        _refuse(f"{what} is not a dictionary")
    return plain


def _list(plain: object, what: str, limit: int) -> list[Any]:
    if type(plain) is not list:
        _refuse(f"{what} is not a list")
    if len(plain) > limit:
        _refuse(f"{what} has {len(plain)} entries; at most {limit} are read")
    return plain


def _text(plain: object, what: str, *, empty: bool = True) -> str:
    if type(plain) is not str or len(plain) > _MAX_TEXT or not (plain or empty):
        _refuse(f"the name of {what} is not a text of at most {_MAX_TEXT} characters")
    return plain


def _one_of(plain: object, allowed: Any, what: str) -> str:
    if type(plain) is not str or plain not in allowed:
        _refuse(f"unknown {what}: {str(plain)[:80]!r}")
    return plain


def _integer(plain: object, what: str) -> int:
    if type(plain) is not int or not -_INT64 <= plain < _INT64:
        _refuse(f"{what} is not an integer of 64 bits")
    return plain


def _refuse(what: str) -> NoReturn:
    raise CheckpointError(
        f"the graph of the terms is malformed: {what}",
        where="graph of the terms",
        cause="the file was not written by pinndiag, or was damaged or changed",
        fix="use a file from a source you trust, or write it again",
    )
