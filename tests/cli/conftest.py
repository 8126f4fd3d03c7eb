"""The command line without the machinery behind it: what `analyze` finds is set by each test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from pinndiag import CheckpointError, Diagnosis
from pinndiag._records import DiagnosisRecord
from pinndiag_cli import main
from tests.cli.diagnoses import diagnosis


@dataclass
class StandIn:
    """What the library does when the command line calls it, and what it was called with."""

    found: DiagnosisRecord = field(default_factory=diagnosis)
    on_load: Callable[[], Any] = lambda: None
    during: Callable[[], Any] = lambda: None
    loaded: dict[str, Any] = field(default_factory=dict)
    analyzed: dict[str, Any] = field(default_factory=dict)
    weights: bool = False


class NoTermsError(CheckpointError):
    def __init__(self, *args: Any, weights: dict[str, torch.Tensor], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.weights = weights


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    stages = [
        SimpleNamespace(words="gradients of every term", gradients=1.0, cost="about 1 gradient"),
        SimpleNamespace(words="neural tangent kernel", gradients=20.0, cost="about 20 gradients"),
    ]

    def load(path: Path, **options: Any) -> Any:
        stand_in.loaded = {"path": path, **options}
        stand_in.on_load()
        if stand_in.weights:
            raise NoTermsError(
                "holds weights only", where="key 'model'", fix="give a factory", weights={"w": torch.ones(2)}
            )
        return SimpleNamespace(names=["pde", "bc"], size=81, dtype=torch.float64, device=torch.device("cpu"))

    def analyze(pinn: Any, *, progress: Any, **options: Any) -> Diagnosis:
        stand_in.analyzed = options
        for index, stage in enumerate(stages):
            progress(SimpleNamespace(stage=stage.words, index=index, count=len(stages), cost=stage.cost))
        stand_in.during()
        return Diagnosis(stand_in.found)

    def analyze_weights(tensors: dict[str, torch.Tensor], **options: Any) -> Diagnosis:
        stand_in.analyzed = {"tensors": tensors, **options}
        return Diagnosis(stand_in.found)

    replace(monkeypatch, "_checkpoint", load=load, NoTermsError=NoTermsError)
    replace(monkeypatch, "_analysis._analyze", analyze=analyze, analyze_weights=analyze_weights)
    replace(monkeypatch, "_analysis._plan", plan=lambda pinn, **_: stages)
    monkeypatch.setattr("pinndiag_reports.to_text", lambda record, **_: f"TABLE {record.verdict.text}")
    monkeypatch.setattr("pinndiag_reports.to_html", lambda record: f"<p>{record.verdict.text}</p>")
    monkeypatch.setattr("pinndiag_reports.to_markdown", lambda record: f"# {record.verdict.text}\n")
    return stand_in


def replace(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> None:
    module = ModuleType(f"pinndiag.{name}")
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, f"pinndiag.{name}", module)
    room, _, own = f"pinndiag.{name}".rpartition(".")
    monkeypatch.setattr(importlib.import_module(room), own, module, raising=False)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    return lambda *args: runner.invoke(main, [str(arg) for arg in args], prog_name="pinndiag")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"a checkpoint")
    return path
