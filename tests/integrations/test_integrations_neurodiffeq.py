"""neurodiffeq: the battery, and what is its own. Importing it makes float64 torch's default dtype."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag._checkpoint._foreign import fill
from tests.integrations.battery import Battery, Training, figures, healthy, poisson, quiet

before = torch.get_default_dtype()
pytest.importorskip("neurodiffeq", reason="neurodiffeq is not installed: pip install 'pinndiag[neurodiffeq]'")
torch.set_default_dtype(before)

from neurodiffeq import diff  # noqa: E402
from neurodiffeq.callbacks import SetLossFn  # noqa: E402
from neurodiffeq.conditions import NoCondition  # noqa: E402
from neurodiffeq.generators import Generator1D  # noqa: E402
from neurodiffeq.networks import FCNN  # noqa: E402
from neurodiffeq.solvers import Solver1D  # noqa: E402


class Bounded(Solver1D):  # type: ignore[misc]
    """The boundary values as an additional loss, as its documentation shows."""

    def additional_loss(self, residual: Tensor, funcs: Any, coords: Any) -> Tensor:
        ends = torch.tensor([[0.0], [1.0]], requires_grad=True)
        found: Tensor = self.compute_func_val(self.nets[0], self.conditions[0], ends).square().mean()
        return found


class TestNeurodiffeq(Battery):
    def make(
        self,
        *,
        dtype: torch.dtype = torch.float32,
        optimizer: str = "adam",
        scale: float = 1.0,
        idle: bool = False,
        unknown: bool = False,
    ) -> Training:
        torch.set_default_dtype(dtype)  # importing it has made it float64
        torch.manual_seed(0)

        k = torch.tensor(0.5, requires_grad=True) if unknown else torch.tensor(1.0)

        def equations(u: Tensor, x: Tensor) -> list[Tensor]:
            residual = scale * (diff(u, x, order=2) + k * torch.pi**2 * torch.sin(torch.pi * x))
            return [residual, 0 * u + 2] if idle else [residual]

        net = FCNN(1, 1, hidden_units=(12, 12))
        kind, settings = torch.optim.Adam, {"lr": 1e-2}
        if optimizer == "lbfgs":
            kind, settings = torch.optim.LBFGS, {"lr": 1e-2, "max_iter": 3}
        points = Generator1D(20, 0.0, 1.0, "equally-spaced")
        solver = Bounded(
            equations,
            [NoCondition()],
            nets=[net],
            train_generator=points,
            valid_generator=copy.deepcopy(points),
            optimizer=kind([*net.parameters(), *([k] if unknown else [])], **settings),
            n_batches_valid=0,
        )

        def run(steps: int) -> None:
            solver.fit(steps)

        def losses() -> dict[str, Tensor]:
            x = torch.linspace(0, 1, 20)[:, None].requires_grad_()
            u = net(x)
            residual = scale * (diff(u, x, order=2) + k * torch.pi**2 * torch.sin(torch.pi * x))
            end = torch.tensor([[0.0], [1.0]])
            return {"eq_0": residual.square().mean(), "additional": net(end).square().mean()}

        return Training(
            solver,
            net,
            run,
            losses,
            {"eq_0": 1.0, "additional": 1.0},
            (solver,),
            "eq_1",
            coefficient=(lambda: k) if unknown else None,
            compared=lambda: float(solver.lowest_loss),
        )

    def saved(self, training: Training, folder: Path) -> Path:
        torch.save(training.net.state_dict(), folder / "net.pt")
        return folder / "net.pt"

    def test_the_validation_counts_for_nothing_and_has_no_weights(self, tmp_path: Path) -> None:
        training = self.make(scale=3.0)
        training.subject.n_batches["valid"] = 1
        with quiet(training.subject, to=tmp_path / "run", every=1, scheme="dynamic_norm"):
            training.run(2)
        run = healthy(tmp_path / "run")
        assert run.steps.steps.tolist() == [0, 1]
        assert set(run.steps.run("batches")) == {1.0}
        plain = sum(loss.item() for loss in training.losses().values())
        assert training.subject.metrics_history["valid_loss"][-1] == pytest.approx(plain)

    def test_a_loss_function_that_a_callback_sets_is_followed(self, tmp_path: Path) -> None:
        training, twin = self.make(), self.make()
        with pinndiag.attach(training.subject, to=tmp_path / "run", every=1):
            training.subject.fit(2, callbacks=[SetLossFn(torch.nn.L1Loss())])  # acts after the first epoch
        record = healthy(tmp_path / "run").steps.at(1).terms["eq_0"]
        twin.run(1)
        naive = figures(poisson(twin.net, torch.linspace(0, 1, 20)[:, None]).abs().mean(), twin.parameters)
        assert {key: getattr(record, key) for key in naive} == pytest.approx(naive, rel=1e-5, abs=1e-8)


@pytest.mark.filterwarnings("ignore", "error:pinndiag")
def test_several_networks_are_saved_together(tmp_path: Path) -> None:
    def make() -> Solver1D:
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(0)
        nets = [FCNN(1, 1, hidden_units=(4,)) for _ in range(2)]
        points = Generator1D(5, 0.0, 1.0, "equally-spaced")
        return Solver1D(
            lambda u, v, x: [diff(u, x) - v, diff(v, x) + u],
            [NoCondition(), NoCondition()],
            nets=nets,
            train_generator=points,
            valid_generator=points,
        )

    solver = make()
    solver.fit(1, tqdm_file=None)
    found = pinndiag.wrap(make())
    fill(found, torch.nn.ModuleList(solver.nets).state_dict(), tmp_path / "nets.pt")
    wanted = pinndiag.wrap(solver).losses()
    assert {name: loss.item() for name, loss in found.losses().items()} == {n: v.item() for n, v in wanted.items()}
