"""TorchPhysics: the battery, and what is its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag._checkpoint._foreign import fill
from tests.integrations.battery import Battery, Training, poisson, quiet

tp: Any = pytest.importorskip("torchphysics", reason="TorchPhysics is not installed (it wants numpy < 2)")
pl: Any = pytest.importorskip("pytorch_lightning")


class TestTorchPhysics(Battery):
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
        torch.manual_seed(0)
        X, U = tp.spaces.R1("x"), tp.spaces.R1("u")
        interval = tp.domains.Interval(X, torch.tensor(0.0), torch.tensor(1.0))  # of numbers it makes float32
        model = tp.models.FCN(X, U, hidden=(12, 12))
        inside = tp.samplers.GridSampler(interval, 20).make_static()
        ends = tp.samplers.GridSampler(interval.boundary, 2).make_static()

        k = tp.models.Parameter(0.5, tp.spaces.R1("k")) if unknown else tp.models.Parameter.empty()

        def equation(u: Tensor, x: Tensor, k: Any = 1.0) -> Tensor:
            return scale * (tp.utils.laplacian(u, x) + k * torch.pi**2 * torch.sin(torch.pi * x))

        conditions = [
            tp.conditions.PINNCondition(model, inside, equation, parameter=k),
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
            force = k.as_tensor if unknown else 1.0
            found = [(scale * poisson(net, x, force)).square().mean(), net(end).square().mean()]
            return dict(zip(("pinncondition_0", "pinncondition_1"), found, strict=True))

        weights = {"pinncondition_0": 1.0, "pinncondition_1": 2.0}
        return Training(
            solver,
            model,
            run,
            losses,
            weights,
            (solver, *conditions),
            solution=net,
            coefficient=(lambda: k.as_tensor) if unknown else None,
        )

    def saved(self, training: Training, folder: Path) -> Path:
        one = trainer(0)
        one.strategy.connect(training.subject)
        one.save_checkpoint(folder / "solver.ckpt")
        return folder / "solver.ckpt"

    def test_its_log_has_the_old_weights_in_a_step_that_changes_them(self, tmp_path: Path) -> None:
        training = self.make(scale=3.0)
        scheme = pinndiag.schemes.DynamicNorm(every=1, keep=0.5, reference="pinncondition_1")
        with quiet(training.subject, to=tmp_path / "run", every=1, scheme=scheme) as handle:
            training.run(1)
            old = sum(weight * handle.run().steps.at(0).terms[n].loss for n, weight in training.weights.items())
        assert float(training.subject.trainer.callback_metrics["train/loss"]) == pytest.approx(old, rel=1e-5)

    def test_its_checkpoint_has_the_unknown_coefficient_and_the_optimizer(self, tmp_path: Path) -> None:
        training = self.make(unknown=True)
        training.run(1)
        training.subject.trainer.save_checkpoint(tmp_path / "solver.ckpt")
        content = torch.load(tmp_path / "solver.ckpt", weights_only=True)
        fresh = self.make(unknown=True)
        pinn = fresh.wrap()
        fill(pinn, content, tmp_path / "solver.ckpt")
        assert training.coefficient is not None
        assert fresh.coefficient is not None
        assert torch.equal(fresh.coefficient(), training.coefficient())
        assert pinn.notes[-1].startswith("the state of the optimizer (Adam) was taken")
        assert pinn.optimizer is not None
        assert list(pinn.optimizer.state) == ["pinncondition_0.pinncondition_params", *training.net.state_dict()]


def trainer(steps: int) -> Any:
    quiet = {
        "enable_progress_bar": False,
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(max_steps=steps, accelerator="cpu", **quiet)


@pytest.mark.filterwarnings("ignore", "error:pinndiag")
def test_wrapping_draws_no_points_from_the_samplers_of_the_training() -> None:
    def trained(wrapped: bool) -> list[Tensor]:
        torch.manual_seed(0)
        X, U = tp.spaces.R1("x"), tp.spaces.R1("u")
        model = tp.models.FCN(X, U, hidden=(8,))
        interval = tp.domains.Interval(X, 0, 1)
        samplers = [
            tp.samplers.RandomUniformSampler(interval, 5),
            tp.samplers.RandomUniformSampler(interval, 5).make_static(),
        ]
        solver = tp.solver.Solver(
            [tp.conditions.PINNCondition(model, sampler, lambda u, x: u - x) for sampler in samplers]
        )
        if wrapped:
            pinn = pinndiag.wrap(solver)
            assert all(info.random and info.repeatable for info in pinn.infos.values())
        trainer(3).fit(solver)
        return list(model.parameters())

    assert all(torch.equal(a, b) for a, b in zip(trained(True), trained(False), strict=True))


@pytest.mark.filterwarnings("ignore", "error:pinndiag")
def test_the_optimizer_of_the_trainer_can_be_given_with_its_empty_parameters() -> None:
    training = TestTorchPhysics().make()
    training.run(2)
    (optimizer,) = training.subject.trainer.optimizers
    assert any(not p.numel() for group in optimizer.param_groups for p in group["params"])
    diagnosis = pinndiag.analyze(training.wrap(optimizer=optimizer), quick=True).to_dict()
    assert diagnosis["total"]["grad_l2"] > 0
    assert diagnosis["run"]["optimizer"]["kind"] == "Adam"
