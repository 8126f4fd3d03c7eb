"""PINA: the battery, and what is its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag._checkpoint._foreign import fill
from tests.integrations.battery import Battery, Training, healthy, poisson, quiet

pytest.importorskip("pina", reason="PINA is not installed: pip install 'pinndiag[pina]'")

from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from pina import Condition, LabelTensor, Trainer
from pina.domain import CartesianDomain
from pina.equation import Equation
from pina.equation.zoo import FixedValue
from pina.operator import laplacian
from pina.optim import TorchOptimizer
from pina.problem import InverseProblem, SpatialProblem
from pina.solver import PhysicsInformedSingleModelSolver
from pina.weighting import ScalarWeighting


class TestPINA(Battery):
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

        def residual(x: LabelTensor, u: LabelTensor, unknowns: Any = None) -> LabelTensor:
            force = torch.pi**2 * torch.sin(torch.pi * x.extract(["x"]))
            k = unknowns["k"] if unknown else 1.0
            return scale * (laplacian(u, x, components=["u"], d=["x"]) + k * force)

        def known(x: LabelTensor, u: LabelTensor) -> LabelTensor:
            return residual(x, u)

        def unreached(x: LabelTensor, u: LabelTensor) -> LabelTensor:
            return 0 * u + 2

        class Poisson(SpatialProblem, *([InverseProblem] if unknown else [])):  # type: ignore[misc]
            output_variables = ["u"]  # noqa: RUF012
            spatial_domain = CartesianDomain({"x": [0, 1]})
            unknown_parameter_domain = CartesianDomain({"k": [0, 2]})
            domains = {  # noqa: RUF012
                "inside": CartesianDomain({"x": [0, 1]}),
                "left": CartesianDomain({"x": 0.0}),
                "right": CartesianDomain({"x": 1.0}),
            }
            conditions = {  # noqa: RUF012
                "inside": Condition(domain="inside", equation=Equation(residual if unknown else known)),
                "left": Condition(domain="left", equation=FixedValue(0.0)),
                **({"idle": Condition(domain="right", equation=Equation(unreached))} if idle else {}),
            }

        problem = Poisson()
        if unknown:
            problem.unknown_parameters = {"k": torch.nn.Parameter(torch.tensor([0.5]))}
        problem.discretise_domain(20, "grid", domains="inside")
        problem.discretise_domain(1, "grid", domains=["left", "right"])
        x = problem.discretised_domains["inside"].as_subclass(Tensor).clone()
        first, last = torch.nn.Linear(1, 12), torch.nn.Linear(12, 1)
        net = torch.nn.Sequential(first, torch.nn.Tanh(), torch.nn.Linear(12, 12), torch.nn.Tanh(), last)
        end = torch.tensor([[1.0], [0.0]])
        problem.conditions["ends"] = Condition(input=LabelTensor(end, ["x"]), target=LabelTensor(0 * end, ["u"]))
        problem.conditions["ends"].problem, problem.conditions["ends"].name = problem, "ends"
        settings = {"lr": 1e-2} if optimizer == "adam" else {"max_iter": 3}
        kind = torch.optim.Adam if optimizer == "adam" else torch.optim.LBFGS
        weighting = ScalarWeighting({"left": 2.0})
        solver = PhysicsInformedSingleModelSolver(
            problem, net, optimizer=TorchOptimizer(kind, **settings), weighting=weighting
        )

        def k() -> Tensor:
            found: Tensor = solver.problem.unknown_parameters["k"]  # each trainer puts another one there
            return found

        def run(steps: int) -> None:
            trainer(solver, steps).train()

        def losses() -> dict[str, Tensor]:
            found = {
                "inside": (scale * poisson(net, x, k() if unknown else 1.0)).square().mean(),
                "left": net(torch.zeros(1, 1)).square().mean(),
            }
            return {**found, "ends": net(end).square().mean()}

        return Training(
            solver,
            net,
            run,
            losses,
            {"inside": 1.0, "left": 2.0, "ends": 1.0},
            (solver, weighting),
            coefficient=k if unknown else None,
            compared=lambda: float(solver.trainer.callback_metrics["train_loss"]),
        )

    def saved(self, training: Training, folder: Path) -> Path:
        one = trainer(training.subject, 1, max_steps=0)
        one.strategy.connect(training.subject)
        one.save_checkpoint(folder / "solver.ckpt")
        return folder / "solver.ckpt"


def trainer(solver: Any, steps: int, **options: Any) -> Trainer:
    settings = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False, "enable_checkpointing": False}
    return Trainer(solver, **{"max_epochs": steps, "enable_model_summary": False, **settings, **options})


@pytest.mark.filterwarnings("ignore", "error:pinndiag")
def test_its_checkpoint_lacks_the_unknown_coefficient_and_the_notes_say_so(tmp_path: Path) -> None:
    training = TestPINA().make(unknown=True)
    training.run(1)
    content = torch.load(TestPINA().saved(training, tmp_path), weights_only=True)
    pinn = TestPINA().make(unknown=True).wrap()
    fill(pinn, content, tmp_path / "solver.ckpt")
    assert "'k' is not in solver.ckpt: it keeps the factory's value" in pinn.notes


@pytest.mark.filterwarnings("ignore", "error:pinndiag")
def test_a_solver_that_weighs_points_inside_is_watched_and_not_wrapped(tmp_path: Path) -> None:
    from pina.solver import RBAPhysicsInformedSingleModelSolver

    plain = TestPINA().make().subject
    solver = RBAPhysicsInformedSingleModelSolver(plain.problem, plain.model)
    with pinndiag.attach(solver, to=tmp_path / "run", every=1):
        trainer(solver, 2).train()
    assert healthy(tmp_path / "run").steps.steps.tolist() == [0, 1]
    with pytest.raises(pinndiag.PinndiagError, match="cannot be evaluated out of band"):
        pinndiag.wrap(solver)


@pytest.mark.filterwarnings("ignore", "error:pinndiag")
def test_validation_counts_for_nothing(tmp_path: Path) -> None:
    solver = TestPINA().make().subject
    options = {"train_size": 0.5, "val_size": 0.5}
    with quiet(solver, to=tmp_path / "run", every=1, scheme="dynamic_norm"):
        trainer(solver, 3, **options).train()
    run = healthy(tmp_path / "run")
    assert run.steps.steps.tolist() == [0, 1, 2]
    assert set(run.steps.run("batches")) == {1.0}


@pytest.mark.filterwarnings("ignore", "error:pinndiag")
def test_callbacks_compare_the_sum_with_the_weights_of_the_scheme(tmp_path: Path) -> None:
    solver = TestPINA().make().subject
    saving = ModelCheckpoint(tmp_path / "best", monitor="train_loss")
    stopping = EarlyStopping("inside_loss", patience=100)  # a condition's own
    with quiet(solver, every=1, scheme=pinndiag.schemes.Fixed({"left": 1000.0})) as handle:
        trainer(solver, 1, callbacks=[saving, stopping], enable_checkpointing=True).train()
        losses = {name: term.loss for name, term in handle.run().steps.at(0).terms.items()}
    assert float(saving.best_model_score) == pytest.approx(losses["inside"] + 1000 * losses["left"] + losses["ends"])
    assert float(stopping.best_score) == pytest.approx(losses["inside"])
