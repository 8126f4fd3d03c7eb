"""NeuroMancer: the battery, and what is its own. Importing it takes half a minute."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from tests.integrations.battery import Battery, Training, poisson

pytest.importorskip("neuromancer", reason="NeuroMancer is not installed: pip install 'pinndiag[neuromancer]'")

from neuromancer.constraint import variable
from neuromancer.dataset import DictDataset
from neuromancer.loss import PenaltyLoss
from neuromancer.modules import blocks
from neuromancer.problem import Problem
from neuromancer.system import Node
from neuromancer.trainer import Trainer


class TestNeuroMancer(Battery):
    lbfgs: ClassVar[bool] = False
    dtypes: ClassVar[tuple[torch.dtype, ...]] = (torch.float32,)

    def make(
        self, *, dtype: torch.dtype = torch.float32, optimizer: str = "adam", scale: float = 1.0, idle: bool = False
    ) -> Training:
        torch.manual_seed(0)
        net = blocks.MLP(insize=1, outsize=1, hsizes=[12, 12], nonlin=torch.nn.Tanh)
        node = Node(net, ["x"], ["u"], name="net")
        end = Node(net, ["end"], ["u_end"], name="ends")
        x, u, u_end = variable("x"), variable("u"), variable("u_end")
        force = variable([x], lambda x: torch.pi**2 * torch.sin(torch.pi * x))
        residual = scale * (u.grad(x).grad(x) + force)
        objectives = [1.0 * (residual == 0.0) ^ 2, 2.0 * (u_end == 0.0) ^ 2]
        if idle:
            objectives.append(1.0 * (0 * u + 2 == 0.0) ^ 2)
        names = ["pde", "bc", "idle"]
        for objective, name in zip(objectives, names, strict=False):
            objective.update_name(name)
        problem = Problem([node, end], PenaltyLoss(objectives, []), grad_inference=True)
        points = torch.linspace(0, 1, 20)[:, None]
        ends = torch.tensor([[0.0], [1.0]]).repeat(10, 1)
        data = DictDataset({"x": points.clone().requires_grad_(), "end": ends.clone()}, name="train")
        loader = torch.utils.data.DataLoader(data, batch_size=20, collate_fn=data.collate_fn)
        adam = torch.optim.Adam(problem.parameters(), lr=1e-2)
        settings = {"epoch_verbose": 10_000, "eval_metric": "train_loss", "patience": 10_000, "clip": 1e9}
        trainer = Trainer(problem, loader, optimizer=adam, **settings)

        def run(steps: int) -> None:
            trainer.epochs = steps
            if steps:  # it cannot train for no epoch
                trainer.train()

        def losses() -> dict[str, Tensor]:
            return {"pde": (scale * poisson(net, points)).square().mean(), "bc": net(ends).square().mean()}

        return Training(trainer, net, run, losses, {"pde": 1.0, "bc": 2.0}, (trainer, problem, *objectives))

    def saved(self, training: Training, folder: Path) -> Path:
        torch.save(training.subject.model.state_dict(), folder / "best.pt")
        return folder / "best.pt"
