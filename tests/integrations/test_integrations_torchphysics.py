"""TorchPhysics: the battery, and what is its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.integrations.battery import Battery, Training, poisson

tp: Any = pytest.importorskip("torchphysics", reason="TorchPhysics is not installed (it wants numpy < 2)")
pl: Any = pytest.importorskip("pytorch_lightning")


class TestTorchPhysics(Battery):
    def make(
        self, *, dtype: torch.dtype = torch.float32, optimizer: str = "adam", scale: float = 1.0, idle: bool = False
    ) -> Training:
        torch.manual_seed(0)
        X, U = tp.spaces.R1("x"), tp.spaces.R1("u")
        interval = tp.domains.Interval(X, 0, 1)
        model = tp.models.FCN(X, U, hidden=(12, 12))
        inside = tp.samplers.GridSampler(interval, 20).make_static()
        ends = tp.samplers.GridSampler(interval.boundary, 2).make_static()

        def equation(u: Tensor, x: Tensor) -> Tensor:
            return scale * (tp.utils.laplacian(u, x) + torch.pi**2 * torch.sin(torch.pi * x))

        conditions = [
            tp.conditions.PINNCondition(model, inside, equation),
            tp.conditions.PINNCondition(model, ends, lambda u: u, weight=2.0),
        ]
        if idle:
            conditions.append(tp.conditions.PINNCondition(model, ends, lambda u: 0 * u + 2, name="idle"))
        x = inside.sample_points().as_tensor
        settings = {"optimizer_args": {"max_iter": 3}} if optimizer == "lbfgs" else {}
        kind = torch.optim.Adam if optimizer == "adam" else torch.optim.LBFGS
        solver = tp.solver.Solver(conditions, optimizer_setting=tp.OptimizerSetting(kind, 1e-2, **settings))

        def run(steps: int) -> None:
            trainer(steps).fit(solver)

        def net(x: Tensor) -> Tensor:
            found: Tensor = model(tp.spaces.Points(x, X)).as_tensor
            return found

        def losses() -> dict[str, Tensor]:
            end = torch.tensor([[0.0], [1.0]])
            found = [(scale * poisson(net, x)).square().mean(), net(end).square().mean()]
            return dict(zip(("pinncondition_0", "pinncondition_1"), found, strict=True))

        weights = {"pinncondition_0": 1.0, "pinncondition_1": 2.0}
        return Training(solver, model, run, losses, weights, (solver, *conditions), solution=net)

    dtypes = (torch.float32,)

    def saved(self, training: Training, folder: Path) -> Path:
        one = trainer(0)
        one.strategy.connect(training.subject)
        one.save_checkpoint(folder / "solver.ckpt")
        return folder / "solver.ckpt"


def trainer(steps: int) -> Any:
    quiet = {
        "enable_progress_bar": False,
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(max_steps=steps, accelerator="cpu", **quiet)
