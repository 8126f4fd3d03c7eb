"""Self-contained files whose structure is wrong or hostile: CheckpointError, whatever was changed."""

from __future__ import annotations

import contextlib
import copy
import random
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import grad

import pinndiag
from pinndiag import CheckpointError
from pinndiag._checkpoint import load
from pinndiag._checkpoint._read import rebuild

PATH = Path("file.pt")


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """At most 2 GiB more address space than now: a larger allocation fails the test at once."""
    if not sys.platform.startswith("linux"):
        yield
        return
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**31, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a file holds: second derivatives, points in columns, a sampler, Adam, a solution."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    x, t = (torch.rand(4, 1, dtype=torch.float64) for _ in range(2))
    optimizer = torch.optim.Adam(model.parameters())

    def pde(columns: tuple[Tensor, Tensor]) -> Tensor:
        x, t = (c.requires_grad_(True) for c in columns)
        u = model(torch.cat([x, t], 1))
        first = grad(u.sum(), x, create_graph=True)[0]
        return grad(u.sum(), t, create_graph=True)[0] - grad(first.sum(), x, create_graph=True)[0]

    def data(z: Tensor) -> Tensor:
        return model(z) - 1

    z = torch.rand(3, 2, dtype=torch.float64)
    data(z).square().mean().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    pinn = pinndiag.wrap(
        model, {"pde": pde, "data": data}, points={"pde": (x, t), "data": z}, solution=(z, torch.ones(3, 1)),
        sampler={"data": lambda n: torch.rand(n, 2, dtype=torch.float64)}, optimizer=optimizer,
    )  # fmt: skip
    found: dict[str, Any] = torch.load(pinn.save(tmp_path_factory.mktemp("content") / "a.pt"))
    return found


def test_the_content_is_sound(content: dict[str, Any]) -> None:
    assert rebuild(copy.deepcopy(content), PATH).names == ["pde", "data"]


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [here] if here else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += paths(item, (*here, key))
    return found


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


CIRCLE: dict[str, Any] = {}
CIRCLE["again"] = CIRCLE
ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)
DEEP: Any = []
for _ in range(5000):
    DEEP = [DEEP]

JUNK: list[Any] = [
    None, True, 0, -1, 7, 2**31, 2**63, 10**40, 0.5, float("nan"), float("inf"), 1j, "", "x", "<script>",
    "aten.add.Tensor", "aten.from_file.default", "ü" * 5000, b"x", [], {}, (), set(), [1], {"a": 1},
    {1: 2}, [None] * 10, {"node": 0},
    {"node": 10**9}, {"input": -1}, {"constant": [0, 0]}, {"size": [2**40, []]}, {"dtype": "float64"}, {"device": True},
    torch.ones(()), torch.ones(3), torch.empty(0), torch.ones(3, dtype=torch.int64), torch.tensor([float("nan")] * 4),
    torch.ones(1, dtype=torch.float64).expand(2**33), torch.ones(2, 2).to_sparse(), torch.empty(3, device="meta"),
    torch.float32, torch.Size([1]), torch.nn.Parameter(torch.ones(4, 1)), CIRCLE, ENDLESS, DEEP,
]  # fmt: skip


def refuse_or_read(content: Any) -> None:
    with contextlib.suppress(CheckpointError):  # anything else fails the test
        rebuild(content, PATH)


@pytest.mark.parametrize("seed", range(5))
def test_anything_outside_the_graph(content: dict[str, Any], seed: int) -> None:
    generator = random.Random(seed)
    for path in [p for p in paths(content) if p[:2] != ("pinndiag", "graph") or len(p) <= 3]:
        changed = copy.deepcopy(content)
        at(changed, path[:-1])[path[-1]] = generator.choice(JUNK)
        refuse_or_read(changed)


def test_missing_entries(content: dict[str, Any]) -> None:
    for path in [p for p in paths(content) if len(p) <= 4]:
        changed = copy.deepcopy(content)
        if path == ("pinndiag",):
            continue  # then it is a file of weights
        del at(changed, path[:-1])[path[-1]]
        refuse_or_read(changed)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_anything_in_the_graph(content: dict[str, Any], data: st.DataObject) -> None:
    changed = copy.deepcopy(content)
    graph = changed["pinndiag"]["graph"]
    everything = paths(content["pinndiag"]["graph"])
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(everything))
        change = data.draw(st.integers(0, 2))
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier change took the place away
            parent = at(graph, path[:-1])
            if change == 0:
                parent[path[-1]] = data.draw(st.sampled_from(JUNK))
            elif change == 1:  # another part of the same graph
                other = at(content["pinndiag"]["graph"], data.draw(st.sampled_from(everything)))
                parent[path[-1]] = copy.deepcopy(other)
            else:
                del parent[path[-1]]
    refuse_or_read(changed)


def node(op: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"op": op, "args": list(args), "kwargs": kwargs, "grad": True}


@pytest.mark.parametrize(
    "extra",
    [
        node("aten.from_file.default", "/etc/passwd"),
        node("os.system", "touch trace"),
        node("prims.fill.default", {"input": 0}, 1.0),
        node("aten.add_.Tensor", {"input": 0}, 1.0),
        node("aten.set_.source_Tensor", {"input": 0}, {"input": 1}),
        node("aten.rand.default", [3]),
        node("__import__", "os"),
        node("aten.__class__", 1),
        node("aten.full.default", [10**9], 1.0),
        node("aten.full.default", [2**62, 4], 1.0),
        node("aten.full.default", [-5], 1.0),
        node("aten.expand.default", {"input": 0}, [10**9, 3, 2]),
        node("aten.repeat.default", {"input": 0}, [10**6, 10**6]),
        node("aten.arange.start", 0, 10**12),
        node("aten.arange.start_step", 0.0, 1.0, 1e-12),
        node("aten.linspace.default", 0, 1, 10**10),
        node("aten.eye.default", 10**6),
        node("aten.constant_pad_nd.default", {"input": 0}, [0, 10**10]),
        node("aten.as_strided.default", {"input": 0}, [10**10], [0]),
        node("aten.as_strided.default", {"input": 0}, [8], [10**6]),
        node("aten.as_strided.default", {"input": 0}, [2], [1], -10),
        node("aten.full.default", [{"size": [2**40, []]}], 1.0),
        node("aten.index.Tensor", {"input": 0}, [{"input": 0}]),
        node("aten.view.default", {"node": 0}, ["x"]),
        node("aten.mm.default", {"node": 10**6}, {"node": 0}),
        # kernels that crash the process when their arguments do not fit
        node("aten._log_softmax_backward_data.default", {"input": 0}, {"input": 1}, 0, {"dtype": "float64"}),
        node("aten._softmax_backward_data.default", {"input": 1}, {"input": 0}, 0, {"dtype": "float64"}),
        node("aten._fft_r2c.default", {"input": 0}, [0, -1], 100, True),
        node("aten._adaptive_avg_pool2d_backward.default", {"input": 0}, {"input": 1}),
        node("aten.embedding_dense_backward.default", {"input": 0}, {"input": 1}, 4, 3, True),
    ],
)
def test_hostile_operators(content: dict[str, Any], refused: Any, extra: dict[str, Any], tmp_path: Path) -> None:
    changed = copy.deepcopy(content)
    graph = changed["pinndiag"]["graph"]
    graph["nodes"].append(extra)
    graph["outputs"]["pde"] = {"node": len(graph["nodes"]) - 1}
    torch.save(changed, tmp_path / "a.pt")
    with refused():
        load(tmp_path / "a.pt")
    assert not Path("trace").exists()


def test_hostile_operators_that_no_term_uses(content: dict[str, Any], refused: Any) -> None:
    changed = copy.deepcopy(content)
    changed["pinndiag"]["graph"]["nodes"].append(node("aten.full.default", [10**10], 1.0))
    with refused():
        rebuild(changed, PATH)


def test_many_large_values_together(content: dict[str, Any], refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else 2**20)
    changed = copy.deepcopy(content)
    graph = changed["pinndiag"]["graph"]
    graph["nodes"] += [node("aten.full.default", [2**27], 1.0, dtype={"dtype": "float64"}) for _ in range(40)]
    size = len(graph["nodes"])
    graph["nodes"].append(node("aten.cat.default", [{"node": i} for i in range(size - 40, size - 38)]))
    graph["outputs"]["pde"] = {"node": size}
    with refused("more memory"):
        rebuild(changed, PATH)


def test_names_are_printed_harmlessly(content: dict[str, Any], refused: Any) -> None:
    changed = copy.deepcopy(content)
    changed["pinndiag"]["terms"][0]["name"] = "\x1b[31m<script>\n" * 50
    with refused() as found:
        rebuild(changed, PATH)
    assert "\x1b" not in str(found[0])
    assert len(str(found[0])) < 2000


def test_not_even_a_layout(refused: Callable[..., Any]) -> None:
    for entry in JUNK:
        with refused():
            rebuild({"state_dict": {}, "pinndiag": entry}, PATH)
