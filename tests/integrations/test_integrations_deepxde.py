"""DeepXDE: the battery, and what is its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.integrations.battery import Battery, Training, poisson

os.environ.setdefault("DDE_BACKEND", "pytorch")
dde: Any = pytest.importorskip("deepxde", reason="DeepXDE is not installed: pip install 'pinndiag[deepxde]'")
torch.set_default_device(None)  # importing it makes a GPU the default of the process


def nothing(*_: Any) -> int:
    return 0


class TestDeepXDE(Battery):
    def make(
        self, *, dtype: torch.dtype = torch.float32, optimizer: str = "adam", scale: float = 1.0, idle: bool = False
    ) -> Training:
        dde.config.set_default_float("float64" if dtype is torch.float64 else "float32")
        dde.config.set_random_seed(0)

        def pde(x: Tensor, u: Tensor) -> Any:
            second = dde.grad.hessian(u, x)
            residual = scale * (second + torch.pi**2 * torch.sin(torch.pi * x))
            return [residual, 0 * u + 2] if idle else residual  # "pde_0" and "pde_1"

        geometry = dde.geometry.Interval(0, 1)
        left = dde.icbc.DirichletBC(geometry, nothing, lambda x, on: on and np.isclose(x[0], 0))
        right = dde.icbc.DirichletBC(geometry, nothing, lambda x, on: on and np.isclose(x[0], 1))
        left.name = "left"
        data = dde.data.PDE(geometry, pde, [left, right], num_domain=20, num_boundary=2)
        model = dde.Model(data, dde.nn.FNN([1, 12, 12, 1], "tanh", "Glorot normal"))
        inside = torch.as_tensor(data.train_x[2:])
        weights = {"pde": 1.0, "left": 1.0, "DirichletBC": 1.0}

        def run(steps: int) -> None:
            if optimizer == "adam":
                model.train(iterations=steps, display_every=10_000, verbose=0)
            else:
                lbfgs(model, steps)

        def losses() -> dict[str, Tensor]:
            ends = [model.net(torch.tensor([[end]], dtype=dtype)).square().mean() for end in (0.0, 1.0)]
            return {
                "pde": (scale * poisson(model.net, inside)).square().mean(),
                "left": ends[0],
                "DirichletBC": ends[1],
            }

        model.compile("adam" if optimizer == "adam" else "L-BFGS", lr=1e-2 if optimizer == "adam" else None, verbose=0)
        return Training(model, model.net, run, losses, weights, (model, data), "pde_1")

    def saved(self, training: Training, folder: Path) -> Path:
        return Path(training.subject.save(str(folder / "model")))


def lbfgs(model: Any, steps: int) -> None:
    """DeepXDE's own L-BFGS, three iterations a step."""
    for group in model.opt.param_groups:
        group.update(max_iter=3, max_eval=4)
    for _ in range(steps):
        model.train_state.set_data_train(*model.data.train_next_batch(model.batch_size))
        model._train_step(model.train_state.X_train, model.train_state.y_train, model.train_state.train_aux_vars)
