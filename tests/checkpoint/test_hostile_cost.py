"""Files of a few kilobytes that ask for much: refused before the work is done, the memory taken, the tensors made."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag._capture._cost import call_cost, pieces
from pinndiag._checkpoint._extent import MOST_ENTRIES, extent
from pinndiag._checkpoint._read import rebuild

PATH = Path("file.pt")
META = torch.device("meta")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    torch.manual_seed(0)
    model = nn.Linear(4, 4).double()
    pinn = pinndiag.wrap(model, {"data": lambda: model(torch.ones(4, 4, dtype=torch.float64))})
    found: dict[str, Any] = torch.load(pinn.save(tmp_path_factory.mktemp("content") / "a.pt"))
    return found


def node(op: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"op": f"aten.{op}", "args": list(args), "kwargs": kwargs, "grad": True}


def full(*shape: int) -> dict[str, Any]:
    return node("full.default", list(shape), 1.0, dtype={"dtype": "float64"})


def at(index: int, item: int | None = None) -> dict[str, Any]:
    return {"node": index if item is None else [index, item]}


def chain(first: dict[str, Any], op: str, times: int) -> list[dict[str, Any]]:
    return [first, *(node(op, at(i), at(i)) for i in range(times))]


SQUARE = 2**13
CALLS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "unbind": ("would return", [full(10**8), node("unbind.int", at(0))]),
    "unbind, often": ("would return", [full(4000), *(node("unbind.int", at(0)) for _ in range(9))]),
    "split": ("would return", [full(10**8), node("split.Tensor", at(0), 1)]),
    "products": ("too long", chain(full(SQUARE, SQUARE), "mm.default", 1)),
    "batches": ("too long", chain(full(20, 1024, 1024), "bmm.default", 4)),
    "expanded factors": (
        "too long", [full(1), node("expand.default", at(0), [SQUARE, SQUARE]), node("mm.default", at(1), at(1))],
    ),
    "exponential": ("too long", [full(2048, 2048), node("linalg_matrix_exp.default", at(0))]),
    "eigenvalues": ("too long", [full(50, 400, 400), node("linalg_eig.default", at(0))]),
    "distances": ("too long", [full(2**12, 2**12), node("_cdist_forward.default", at(0), at(0), 2.0, None)]),
    "large filter": (
        "memory",
        [full(1, 1, 2**13), full(1, 1, 2**13), node(
            "convolution.default", at(0), at(1), None, [1], [2**22], [1], False, [0], 1)],
    ),
    "dilated filter": (
        "memory",
        [full(1, 1, 2, 2), full(4, 1, 64, 64), node(
            "convolution.default", at(0), at(1), None, [1, 1], [5000, 5000], [127, 127], False, [0, 0], 1)],
    ),
    "three tensors": (
        "too long",
        [full(4000, 1, 1), full(1, 4000, 1), full(1, 1, 4000), node(
            "_trilinear.default", at(0), at(1), at(2), [], [], [], [0, 1, 2])],
    ),
    "many values": ("more memory", [full(2**24) for _ in range(20)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_calls_that_cost_too_much(content: dict[str, Any], refused: Any, name: str) -> None:
    reason, calls = CALLS[name]
    changed = copy.deepcopy(content)
    changed["pinndiag"]["graph"]["nodes"] = calls
    changed["pinndiag"]["graph"]["outputs"] = {
        "data": at(len(calls) - 1, 0 if name in ("unbind", "unbind, often", "eigenvalues") else None)
    }
    start = time.process_time()
    with refused(reason):
        rebuild(changed, PATH)
    assert time.process_time() - start < 20  # hours, if it were tried


def shared_nodes(graph: dict[str, Any]) -> None:
    call = node("cat.default", [{"input": 0}] * 4000)
    graph["nodes"] += [call] * 50_000


def shared_arguments(graph: dict[str, Any]) -> None:
    many = [[{"input": 0}] * 4000] * 4000
    graph["nodes"] += [node("cat.default", many) for _ in range(100)]


def shown_constants(graph: dict[str, Any]) -> None:
    wide = torch.ones((), dtype=torch.float64).expand(2**27)
    graph["constants"] += [{"value": wide, "name": None} for _ in range(4000)]


def shared_constants(graph: dict[str, Any]) -> None:
    one = torch.ones(2**20, dtype=torch.float64)
    graph["constants"] += [{"value": one, "name": None} for _ in range(4000)]


@pytest.mark.parametrize("change", [shared_nodes, shared_arguments, shown_constants, shared_constants])
def test_contents_that_are_larger_than_they_look(
    content: dict[str, Any], refused: Any, change: Callable[[dict[str, Any]], None]
) -> None:
    changed = copy.deepcopy(content)
    change(changed["pinndiag"]["graph"])
    with refused("not a well-formed"):
        rebuild(changed, PATH)


def test_groups_that_share_their_members(content: dict[str, Any], refused: Any) -> None:
    changed = copy.deepcopy(content)
    members = ["weight", "bias"] * 5000
    changed["pinndiag"]["optimizer"] = {"kind": "SGD", "groups": [{"parameters": members}] * 5000, "state": {}}
    with refused("not a well-formed"):
        rebuild(changed, PATH)


def test_extent() -> None:
    row = torch.ones(3, dtype=torch.float64)
    shared = [row, row]
    found = extent({"a": shared, "b": shared, "c": (1, "text", row.expand(5, 3))})
    assert (found.entries, found.stored, found.shown) == (3 + 2 + 2 + 3, 24, 24 * (4 + 5))
    assert not found.fault
    circle: list[Any] = []
    circle += [circle] * 1000
    assert extent(circle).entries > MOST_ENTRIES
    assert "contain themselves" in extent(circle).fault


def empty(*shape: int) -> Tensor:
    return torch.empty(shape, device=META)


@pytest.mark.parametrize(
    ("op", "given", "output", "least"),
    [
        ("mm", {"self": empty(30, 40), "mat2": empty(40, 50)}, empty(30, 50), 30 * 40 * 50),
        ("addmm", {"self": empty(5), "mat1": empty(3, 4), "mat2": empty(4, 5)}, empty(3, 5), 3 * 4 * 5),
        ("bmm", {"self": empty(7, 30, 40), "mat2": empty(7, 40, 50)}, empty(7, 30, 50), 7 * 30 * 40 * 50),
        ("mv", {"self": empty(30, 40), "vec": empty(40)}, empty(30), 30 * 40),
        ("linear", {"input": empty(30, 40), "weight": empty(50, 40)}, empty(30, 50), 30 * 40 * 50),
        ("_cdist_forward", {"x1": empty(30, 3), "x2": empty(50, 3)}, empty(30, 50), 30 * 50 * 3),
        ("linalg_inv_ex", {"A": empty(6, 20, 20)}, empty(6, 20, 20), 6 * 20**3),
        ("convolution", {"input": empty(2, 3, 90), "weight": empty(5, 3, 7), "groups": 1}, empty(2, 5, 84), 840 * 21),
        ("avg_pool1d", {"self": empty(1, 2, 90), "kernel_size": [9]}, empty(1, 2, 10), 20 * 9),
        ("sin", {"self": empty(30)}, empty(30), 30),
    ],
)  # fmt: skip
def test_work_of_a_call_is_at_least_what_its_formula_says(
    op: str, given: dict[str, Any], output: Tensor, least: int
) -> None:
    operator = getattr(torch.ops.aten, op).default
    assert least <= call_cost(operator, given, output).work < 1000 * least


def test_number_of_tensors_a_call_returns() -> None:
    aten, source = torch.ops.aten, empty(10, 7)
    assert pieces(aten.unbind.int, {"self": source, "dim": 1}) == len(source.unbind(1)) == 7
    assert pieces(aten.split.Tensor, {"self": source, "split_size": 3}) == len(source.split(3)) == 4
    assert pieces(aten.split.Tensor, {"self": source, "split_size": 5, "dim": -1}) == 2
    assert pieces(aten.mm.default, {"self": source, "mat2": source}) == 1
