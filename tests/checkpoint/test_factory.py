"""`factory="FILE.py:NAME"`: what works, and what each mistake is answered."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import pinndiag
from pinndiag import PINN
from pinndiag._checkpoint import load
from pinndiag._checkpoint._factory import made

GOOD = """
import torch, pinndiag
from size_of_net import width

class Net(torch.nn.Sequential):
    pass

def make():
    model = Net(torch.nn.Linear(1, width), torch.nn.Tanh(), torch.nn.Linear(width, 1))
    return pinndiag.wrap(model, {"data": lambda: model(torch.ones(3, 1)) - 1})

def nothing():
    make()

def model():
    return torch.nn.Linear(1, 1)

def pair():
    return 1, 2

def fails():
    raise ValueError("no data <script>")

def leaves():
    raise SystemExit(3)

def needs(width, depth=3):
    return make()

number = 7
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "size_of_net.py").write_text("width = 4\n")
    (tmp_path / "heat.py").write_text(GOOD)
    (tmp_path / "broken.py").write_text("def make(:\n")
    (tmp_path / "raises.py").write_text("import torch\nraise RuntimeError('at import')\n")
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "lacks.py").write_text("import a_package_that_is_not_there\n")
    return tmp_path


def test_it_makes_a_pinn_and_leaves_the_path_alone(folder: Path) -> None:
    before = list(sys.path)
    assert isinstance(made(f"{folder}/heat.py:make"), PINN)
    assert sys.path == before


def test_modules_of_the_current_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "heat_as_module.py").write_text(GOOD)
    assert made("heat_as_module:make").names == ["data"]
    assert made("heat.py:make").names == ["data"]


@pytest.mark.parametrize(
    ("factory", "what", "where_or_cause"),
    [
        ("{0}/heat.py", "does not name a factory", "FILE.py:NAME"),
        ("make", "does not name a factory", "FILE.py:NAME"),
        (":make", "does not name a factory", "FILE.py:NAME"),
        ("{0}/heat.py:", "does not name a factory", "FILE.py:NAME"),
        ("{0}/heat.py:a-b", "does not name a factory", "FILE.py:NAME"),
        ("{0}/absent.py:make", "there is no file", "typing error"),
        ("absent_module.heat:make", "there is no module", "not installed"),
        ("{0}/heat.py:mak", "has no function 'mak'", "did you mean 'make'"),
        ("{0}/heat.py:number", "has no function 'number'", "make, nothing"),
        ("{0}/heat.py:nothing", "returned NoneType", "no return statement"),
        ("{0}/heat.py:model", "returned Linear", "without its loss terms"),
        ("{0}/heat.py:pair", "returned tuple", "several values"),
        ("{0}/heat.py:fails", "ValueError: no data", "heat.py, line"),
        ("{0}/heat.py:leaves", "raised SystemExit", "stops the script"),
        ("{0}/heat.py:needs", "takes arguments: width", "without arguments"),
        ("{0}/broken.py:make", "raised SyntaxError", "broken.py, line 1"),
        ("{0}/raises.py:make", "raised RuntimeError: at import", "raises.py, line 2"),
        ("{0}/exits.py:make", "raised SystemExit", "stops the script"),
        ("{0}/lacks.py:make", "a_package_that_is_not_there", "lacks.py, line 1"),
    ],
)
def test_mistakes(folder: Path, refused: Any, factory: str, what: str, where_or_cause: str) -> None:
    with refused() as found:
        made(factory.format(folder))
    assert what in found[0].what
    assert where_or_cause in f"{found[0].where} {found[0].cause}"


def test_load_fills_the_factory_s_model(folder: Path, saved: Callable[..., Path]) -> None:
    trained = made(f"{folder}/heat.py:make")
    path = saved({"model_state_dict": {name: t.detach() for name, t in trained.state.items()}, "epoch": 3})
    pinn = load(path, factory=f"{folder}/heat.py:make")
    assert pinndiag.analyze(pinn, quick=True).record.run.factory == f"{folder}/heat.py:make"
    assert torch.equal(pinn.losses()["data"].detach(), trained.losses()["data"].detach())
    assert "weights taken from key 'model_state_dict' of file.pt" in pinn.notes


def test_a_pickled_module_with_unsafe(folder: Path, saved: Callable[..., Path], refused: Any) -> None:
    trained = made(f"{folder}/heat.py:make")
    plain = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    plain.load_state_dict({name: t.detach() for name, t in trained.state.items()})
    path = saved(plain)
    with refused("whole module"):
        load(path, factory=f"{folder}/heat.py:make")
    pinn = load(path, factory=f"{folder}/heat.py:make", unsafe=True)
    assert torch.equal(pinn.state["2.weight"], plain[2].weight)
    with refused("holds weights"):
        load(path, unsafe=True)
