"""Graphs from strangers: everything that `to_plain` would not have written is refused, and nothing is allocated."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from pinndiag import CheckpointError
from pinndiag._capture import Graph, captured, checked_shapes
from pinndiag._capture._graph import Constant, Input, Node, Ref
from pinndiag._capture._operators import ALLOWED, resolve
from tests.cases import CASES

Plain = dict[str, Any]


@pytest.fixture(scope="module")
def good() -> Plain:
    return captured(CASES["schroedinger"]()).graph.to_plain()


def small() -> Graph:
    weight = Input("parameter", "w", 0, (2,), torch.float64)
    x = Input("points", "pde", 0, (3, 2), torch.float64)
    half = Constant(torch.full((2,), 0.5, dtype=torch.float64), "half")
    nodes = (
        Node("aten.mul.Tensor", (Ref("input", 1), Ref("input", 0)), {}),
        Node("aten.add.Tensor", (Ref("node", 0), Ref("constant", 0)), {"alpha": 2}),
        Node("aten.max.dim", (Ref("node", 1), 1), {}),
        Node("aten._to_copy.default", (Ref("node", 2, 0),), {"dtype": torch.float64}, False),
    )
    return Graph((weight, x), (half,), nodes, {"pde": Ref("node", 3)})


def test_good_one_is_read(good: Plain) -> None:
    assert str(Graph.from_plain(good).to_plain()) == str(good)
    checked_shapes(Graph.from_plain(small().to_plain()))


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def node(op: str, *args: Any, **kwargs: Any) -> Callable[[Plain], object]:
    return lambda p: p["nodes"].append({"op": op, "args": list(args), "kwargs": kwargs, "grad": True})


def put(value: Any, *path: Any) -> Callable[[Plain], None]:
    def change(plain: Plain) -> None:
        target: Any = plain
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    return change


HOSTILE: dict[str, Callable[[Plain], object]] = {
    "no entry": lambda p: p.pop("nodes"),
    "another entry": put(1, "code"),
    "nodes as a tuple": put((), "nodes"),
    "operator that writes a file": node("aten.save.default"),
    "operator of another namespace": node("prims.add.default", 1, 2),
    "custom operator": node("mylib.run.default"),
    "operator by a path": node("aten.__class__.default"),
    "operator in place": node("aten.add_.Tensor", {"input": 0}, 1),
    "operator that draws": node("aten.rand.default", [3]),
    "operator from a file": node("aten.from_file.default", "/etc/passwd"),
    "operator of memory as it stands": node("aten.empty.memory_format", [3]),
    "operator that is no text": node(3),  # type: ignore[arg-type]
    "reference forward": node("aten.sin.default", {"node": 4}),
    "reference to itself": put({"node": 0}, "nodes", 0, "args", 0),
    "reference below zero": node("aten.sin.default", {"node": -1}),
    "reference to a missing input": node("aten.sin.default", {"input": 99}),
    "reference by a flag": node("aten.sin.default", {"node": True}),
    "reference by a fraction": node("aten.sin.default", {"node": 0.0}),
    "item of an input": node("aten.sin.default", {"input": [0, 0]}),
    "huge item": node("aten.sin.default", {"node": [2, 10**9]}),
    "unknown tag": node("aten.sin.default", {"call": "print"}),
    "two tags": node("aten.sin.default", {"node": 0, "input": 0}),
    "tag that is no text": node("aten.sin.default", {3: 0}),
    "device by name": node("aten.zeros.default", [1], device="cuda:0"),
    "device by tag": node("aten.zeros.default", [1], device={"device": "cuda"}),
    "layout": node("aten.zeros.default", [1], layout=1),
    "dtype by number": node("aten.zeros.default", [1], dtype=6),
    "unknown dtype": node("aten.zeros.default", [1], dtype={"dtype": "object"}),
    "unknown memory format": node("aten.clone.default", {"node": 0}, memory_format={"memory_format": "x"}),
    "too many arguments": node("aten.sin.default", {"node": 0}, 1),
    "unknown argument": node("aten.sin.default", {"node": 0}, out={"node": 0}),
    "argument twice": node("aten.sin.default", {"node": 0}, self={"node": 0}),
    "text for a tensor": node("aten.sin.default", "x"),
    "text for a size": node("aten.zeros.default", ["x"]),
    "integer beyond 64 bits": node("aten.zeros.default", [2**64]),
    "deep nesting": node("aten.zeros.default", nested(20)),
    "long list": node("aten.zeros.default", [1] * 10_000),
    "long text": node("aten.gelu.default", {"node": 0}, approximate="n" * 10_000),
    "size of unknown points": node("aten.zeros.default", [{"size": [0, [["ic", 1]]]}]),
    "size of a list": node("aten.zeros.default", [{"size": [0, [[["pde"], 1]]]}]),
    "malformed size": node("aten.zeros.default", [{"size": [0]}]),
    "malformed complex number": node("aten.mul.Tensor", {"node": 0}, {"complex": [1.0]}),
    "object as argument": node("aten.sin.default", object()),
    "tensor as argument": node("aten.sin.default", torch.ones(1)),
    "grad flag": put("yes", "nodes", 0, "grad"),
    "constant that is no tensor": put([1.0], "constants", 0, "value"),
    "sparse constant": put(torch.eye(2).to_sparse(), "constants", 0, "value"),
    "constant's name": put(3, "constants", 0, "name"),
    "input without a shape": put(None, "inputs", 0, "shape"),
    "input with a negative shape": put([-1], "inputs", 0, "shape"),
    "huge input": put([2**20, 2**20], "inputs", 0, "shape"),
    "input of another kind": put("file", "inputs", 0, "kind"),
    "input twice": lambda p: p["inputs"].append(copy.deepcopy(p["inputs"][0])),
    "column that is missing": put(1, "inputs", 1, "column"),
    "points without a dimension": put([], "inputs", 1, "shape"),
    "output that is a number": put(1.0, "outputs", "pde"),
    "output forward": put({"node": 99}, "outputs", "pde"),
    "output's name": lambda p: p["outputs"].update({3: {"node": 0}}),
    "solve that is a number": put(1, "solve"),
    "fixed points that do not exist": put(["nowhere"], "fixed"),
    "activation without a layer": put([{"function": "tanh", "term": "pde", "node": {"node": 0}}], "activations"),
    "too many nodes": lambda p: p.update(nodes=p["nodes"][:1] * 100_001),
}


@pytest.mark.parametrize("what", list(HOSTILE))
def test_hostile_graph_is_refused(what: str) -> None:
    plain = small().to_plain()
    HOSTILE[what](plain)
    with pytest.raises(CheckpointError) as refused:
        Graph.from_plain(plain)
    assert "fix:" in str(refused.value)


@pytest.mark.parametrize("plain", [None, 3, [], {}, "graph", torch.ones(2), {"nodes": []}])
def test_what_is_no_graph_is_refused(plain: object) -> None:
    with pytest.raises(CheckpointError):
        Graph.from_plain(plain)


def graph_of(*nodes: Node) -> Graph:
    base = small()
    return Graph(base.inputs, base.constants, nodes, {"pde": Ref("node", len(nodes) - 1)})


LARGE = {
    "allocated": [Node("aten.zeros.default", ([2**15, 2**15],), {})],
    "allocated on a device": [Node("aten.full.default", ([2**40], 1.0), {"dtype": torch.float64})],
    "beyond any memory": [Node("aten.ones.default", ([2**62],), {})],
    "expanded": [Node("aten.expand.default", (Ref("constant", 0), [2**30, 2]), {})],
    "repeated": [Node("aten.repeat.default", (Ref("constant", 0), [2**30]), {})],
    "counted": [Node("aten.arange.default", (2**40,), {})],
    "multiplied": [
        Node("aten.expand.default", (Ref("constant", 0), [2**20, 2]), {}),
        Node("aten.t.default", (Ref("node", 0),), {}),
        Node("aten.mm.default", (Ref("node", 0), Ref("node", 1)), {}),
    ],
    "padded": [Node("aten.constant_pad_nd.default", (Ref("constant", 0), [0, 2**40]), {})],
    "one of several": [Node("aten.meshgrid.default", ([Ref("constant", 0)],), {})],
    "identity": [Node("aten.eye.default", (2**16,), {})],
    "spread": [Node("aten.linspace.default", (0.0, 1.0, 2**40), {})],
}


@pytest.mark.parametrize("what", list(LARGE))
def test_large_values_are_refused_before_anything_is_allocated(what: str) -> None:
    with pytest.raises(CheckpointError):
        checked_shapes(graph_of(*LARGE[what]))


WRONG = {
    "shapes that do not fit": [Node("aten.mm.default", (Ref("constant", 0), Ref("constant", 0)), {})],
    "missing argument": [Node("aten.mul.Tensor", (Ref("constant", 0),), {})],
    "item of a single output": [
        Node("aten.sin.default", (Ref("constant", 0),), {}),
        Node("aten.sin.default", (Ref("node", 0, 1),), {}),
    ],
    "several outputs as one": [
        Node("aten.max.dim", (Ref("input", 1), 1), {}),
        Node("aten.sin.default", (Ref("node", 0),), {}),
    ],
    "view outside": [Node("aten.as_strided.default", (Ref("constant", 0), [100], [1], 0), {})],
    "integer division by zero": [Node("aten.split.Tensor", (Ref("constant", 0), 0), {})],
}


@pytest.mark.parametrize("what", list(WRONG))
def test_operators_that_do_not_fit_are_refused(what: str) -> None:
    with pytest.raises(CheckpointError):
        checked_shapes(graph_of(*WRONG[what]))


def test_shapes_at_another_number_of_points() -> None:
    graph = small()
    checked_shapes(graph, {"pde": 10})
    with pytest.raises(CheckpointError, match="entries"):
        checked_shapes(graph, {"pde": 2**28})


def test_allow_list_holds_pure_operators_only() -> None:
    for name in ALLOWED:
        operator = resolve(name)
        assert str(operator) == name
        assert not operator._schema.is_mutable
        assert torch.Tag.nondeterministic_seeded not in operator.tags
        assert not any(str(a.real_type) in ("Storage", "Generator", "Stream") for a in operator._schema.arguments)
        assert operator._schema.returns
        assert all("Tensor" in str(r.type) for r in operator._schema.returns)


def test_numbers_of_every_kind_come_back() -> None:
    values = [1, -3, 2.5, math.inf, True, None, 1 + 2j]
    nodes = tuple(Node("aten.mul.Tensor", (Ref("constant", 0), v), {}) for v in values if v is not None)
    again = Graph.from_plain(graph_of(*nodes).to_plain())
    assert [n.args[1] for n in again.nodes] == [v for v in values if v is not None]
