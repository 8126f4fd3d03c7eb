"""NeuroMancer: the battery, and what is its own. Importing it takes half a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

import pinndiag
from tests.integrations.battery import Battery, Training, poisson, quiet

pytest.importorskip("neuromancer", reason="NeuroMancer is not installed: pip install 'pinndiag[neuromancer]'")

from neuromancer.constraint import variable
from neuromancer.dataset import DictDataset
from neuromancer.loss import BarrierLoss, PenaltyLoss
from neuromancer.modules import blocks
from neuromancer.problem import Problem
from neuromancer.system import Node
from neuromancer.trainer import Trainer


def problem_of(
    *, optimizer: str, scale: float, idle: bool, unknown: bool
) -> tuple[Problem, DictDataset, torch.optim.Optimizer, Training]:
    """A problem with its data and an optimizer; the training of it is still to be told how it runs."""
    torch.manual_seed(0)
    net = blocks.MLP(insize=1, outsize=1, hsizes=[12, 12], nonlin=torch.nn.Tanh)
    node = Node(net, ["x"], ["u"], name="net")
    end = Node(net, ["end"], ["u_end"], name="ends")
    x, u, u_end = variable("x"), variable("u"), variable("u_end")
    force = variable([x], lambda x: torch.pi**2 * torch.sin(torch.pi * x))
    k = variable(torch.nn.Parameter(torch.tensor(0.5)), display_name="k")
    residual = scale * (u.grad(x).grad(x) + (k * force if unknown else force))
    objectives = [1.0 * (residual == 0.0) ^ 2, 2.0 * (u_end == 0.0) ^ 2]
    if idle:
        objectives.append(1.0 * (0 * u + 2 == 0.0) ^ 2)
    for objective, name in zip(objectives, ["pde", "bc", "idle"], strict=False):
        objective.update_name(name)
    problem = Problem([node, end], PenaltyLoss(objectives, []), grad_inference=True)
    points = torch.linspace(0, 1, 20)[:, None]
    ends = torch.tensor([[0.0], [1.0]]).repeat(10, 1)
    data = DictDataset({"x": points.clone().requires_grad_(), "end": ends.clone()}, name="train")
    kind, settings = torch.optim.Adam, {"lr": 1e-2}
    if optimizer == "lbfgs":
        kind, settings = torch.optim.LBFGS, {"lr": 1e-2, "max_iter": 3}

    def coefficient() -> Tensor:  # the variable makes a parameter of its own
        return next(tensor for name, tensor in problem.named_parameters() if name.endswith("._value"))

    def losses() -> dict[str, Tensor]:
        residual = scale * poisson(net, points, coefficient() if unknown else 1.0)
        return {"pde": residual.square().mean(), "bc": net(ends).square().mean()}

    weights, places = {"pde": 1.0, "bc": 2.0}, (problem, *objectives)
    training = Training(problem, net, lambda steps: None, losses, weights, places)
    training.coefficient = coefficient if unknown else None
    return problem, data, kind(problem.parameters(), **settings), training


class OfNeuroMancer(Battery):
    def saved(self, training: Training, folder: Path) -> Path:
        torch.save(training.places[0].state_dict(), folder / "best.pt")
        return folder / "best.pt"


class TestTrainer(OfNeuroMancer):
    lbfgs: ClassVar[bool] = False

    def make(
        self,
        *,
        dtype: torch.dtype = torch.float32,
        optimizer: str = "adam",
        scale: float = 1.0,
        idle: bool = False,
        unknown: bool = False,
    ) -> Training:
        torch.set_default_dtype(dtype)
        problem, data, adam, training = problem_of(optimizer=optimizer, scale=scale, idle=idle, unknown=unknown)
        loader = torch.utils.data.DataLoader(data, batch_size=20, collate_fn=data.collate_fn)
        settings = {"epoch_verbose": 10_000, "eval_metric": "train_loss", "patience": 10_000, "clip": 1e9}
        trainer = Trainer(problem, loader, optimizer=adam, **settings)

        def run(steps: int) -> None:
            trainer.epochs = steps
            if steps:  # it cannot train for no epoch
                trainer.train()

        training.subject, training.run, training.places = trainer, run, (problem, trainer, *training.places[1:])
        training.compared = lambda: float(trainer.best_devloss)
        return training


class TestProblem(OfNeuroMancer):
    """A problem in a loop of the user's own."""

    def make(
        self,
        *,
        dtype: torch.dtype = torch.float32,
        optimizer: str = "adam",
        scale: float = 1.0,
        idle: bool = False,
        unknown: bool = False,
    ) -> Training:
        torch.set_default_dtype(dtype)
        problem, data, steps_with, training = problem_of(optimizer=optimizer, scale=scale, idle=idle, unknown=unknown)
        loader = torch.utils.data.DataLoader(data, batch_size=20, collate_fn=data.collate_fn)

        def run(steps: int) -> None:
            for _ in range(steps):
                for batch in loader:

                    def closure(batch: dict[str, Any] = batch) -> Tensor:
                        steps_with.zero_grad()
                        loss: Tensor = problem(batch)["train_loss"]
                        loss.backward()
                        return loss

                    steps_with.step(closure)

        training.run, training.data = run, data
        return training

    def test_without_data_it_asks_for_them(self) -> None:
        training = self.make()
        with pytest.raises(pinndiag.PinndiagError, match="cannot be evaluated without data"):
            pinndiag.wrap(training.subject)
        batch = training.data.collate_fn([training.data[i] for i in range(5)])
        pinn = pinndiag.wrap(training.subject, data=batch)
        assert pinn.losses()["pde"].item() != training.wrap().losses()["pde"].item()


def test_a_loss_that_is_no_weighted_sum_is_told_of_and_not_balanced() -> None:
    problem, *_ = problem_of(optimizer="adam", scale=1.0, idle=False, unknown=False)
    problem.loss = BarrierLoss(list(problem.loss.objectives), [])
    with pytest.warns(UserWarning, match="BarrierLoss is no weighted sum"):
        pinndiag.attach(problem).remove()
    with pytest.raises(pinndiag.PinndiagError, match="a BarrierLoss is no weighted sum"):
        quiet(problem, scheme="dynamic_norm")
