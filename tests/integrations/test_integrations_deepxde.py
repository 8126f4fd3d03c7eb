"""DeepXDE: the battery, and what is its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import pinndiag
from tests.integrations.battery import Battery, Training, healthy, poisson, quiet

os.environ.setdefault("DDE_BACKEND", "pytorch")
dde: Any = pytest.importorskip("deepxde", reason="DeepXDE is not installed: pip install 'pinndiag[deepxde]'")
torch.set_default_device(None)  # importing it makes a GPU the default of the process


def nothing(*_: Any) -> int:
    return 0


class TestDeepXDE(Battery):
    def make(
        self,
        *,
        dtype: torch.dtype = torch.float32,
        optimizer: str = "adam",
        scale: float = 1.0,
        idle: bool = False,
        unknown: bool = False,
    ) -> Training:
        dde.config.set_default_float("float64" if dtype is torch.float64 else "float32")
        dde.config.set_random_seed(0)
        k = dde.Variable(0.5, dtype=dtype) if unknown else torch.tensor(1.0, dtype=dtype)

        def pde(x: Tensor, u: Tensor) -> Any:
            second = dde.grad.hessian(u, x)
            residual = scale * (second + k * torch.pi**2 * torch.sin(torch.pi * x))
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
                "pde": (scale * poisson(model.net, inside, k)).square().mean(),
                "left": ends[0],
                "DirichletBC": ends[1],
            }

        settings = {
            "lr": 1e-2 if optimizer == "adam" else None,
            "external_trainable_variables": [k] if unknown else None,
        }
        model.compile("adam" if optimizer == "adam" else "L-BFGS", verbose=0, **settings)
        return Training(
            model,
            model.net,
            run,
            losses,
            weights,
            (model, data),
            "pde_1",
            coefficient=(lambda: k) if unknown else None,
            compared=lambda: float(model.train_state.loss_train.sum()),  # best_loss_train is the least of these
        )

    def saved(self, training: Training, folder: Path) -> Path:
        return Path(training.subject.save(str(folder / "model")))


def lbfgs(model: Any, steps: int) -> None:
    """DeepXDE's own L-BFGS, three iterations a step."""
    for group in model.opt.param_groups:
        group.update(max_iter=3, max_eval=4)
    for _ in range(steps):
        model.train_state.set_data_train(*model.data.train_next_batch(model.batch_size))
        model._train_step(model.train_state.X_train, model.train_state.y_train, model.train_state.train_aux_vars)


def inverse(loss: str = "MSE") -> tuple[Any, Any]:
    """u' = k u with an unknown k and a measured value of u."""
    dde.config.set_default_float("float32")
    dde.config.set_random_seed(0)
    k = dde.Variable(0.5)
    geometry = dde.geometry.Interval(0, 1)
    measured = dde.icbc.PointSetBC(np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]]))
    data = dde.data.PDE(geometry, lambda x, u: dde.grad.jacobian(u, x) - k * u, measured, num_domain=10)
    model = dde.Model(data, dde.nn.FNN([1, 8, 1], "tanh", "Glorot normal"))
    model.compile("adam", lr=1e-2, loss=loss, loss_weights=[1, 4], external_trainable_variables=k, verbose=0)
    return model, k


def test_an_unknown_coefficient_is_measured_and_trained_as_without(tmp_path: Path) -> None:
    wanted, k_wanted = inverse()
    wanted.train(iterations=4, display_every=1, verbose=0)
    found, k_found = inverse()
    with pinndiag.attach(found, to=tmp_path / "run", every=1):
        found.train(iterations=4, display_every=1, verbose=0)  # a look at the losses after each step is no step
    assert torch.equal(k_found, k_wanted)
    run = healthy(tmp_path / "run")
    assert run.steps.steps.tolist() == [0, 1, 2, 3]
    assert set(run.steps.run("batches")) == {1.0}
    assert run.header.parameters["variable_0"] == 1
    assert run.steps.at(0).terms["PointSetBC"].weight == 4
    assert pinndiag.wrap(found).parameters["variable_0"] is k_found


def test_another_loss_comes_as_a_scalar() -> None:
    model, _ = inverse("MAE")
    pinn = pinndiag.wrap(model)
    assert {info.kind for info in pinn.infos.values()} == {"loss"}
    state = model.outputs_losses_train(model.data.train_x, None, None)[1].detach() / torch.tensor([1.0, 4.0])
    assert [loss.item() for loss in pinn.losses().values()] == pytest.approx(state.tolist(), rel=1e-5)


def test_data_that_it_has_already_are_refused() -> None:
    with pytest.raises(pinndiag.PinndiagError, match="takes no data="):
        pinndiag.wrap(inverse()[0], data=np.ones((3, 1)))


def test_the_equations_are_residuals_at_points_of_ones_own() -> None:
    model, _ = inverse()
    pinn = pinndiag.wrap(model)
    assert pinn.infos["pde"].takes_points
    assert pinn.infos["pde"].shape == (10, 1)
    points, _ = pinn.fresh_points("pde", 7)
    assert pinn.outputs(["pde"], {"pde": points})["pde"].shape == (7, 1)


def test_compiled_anew_the_scheme_goes_on_and_the_users_weights_come_back(tmp_path: Path) -> None:
    model, _ = inverse()
    dde.optimizers.config.LBFGS_options.update(iter_per_step=5, maxiter=15)
    try:
        with quiet(model, to=tmp_path / "run", every=1, scheme="dynamic_norm"):
            model.train(iterations=3, display_every=1000, verbose=0)
            assert model.loss_weights != [1, 4]
            model.compile("L-BFGS", loss_weights=[1, 9], verbose=0)
            model.train(verbose=0)
    finally:
        dde.optimizers.set_LBFGS_options()
    assert model.loss_weights == [1, 9]
    run = healthy(tmp_path / "run")
    assert run.steps.steps.tolist() == list(range(3 + 3))
    assert run.header.optimizers[0].kind == "LBFGS"


def test_a_term_left_alone_keeps_the_users_weight(tmp_path: Path) -> None:
    model, _ = inverse()
    scheme = pinndiag.schemes.DynamicNorm(exclude=["PointSetBC"], every=1)
    with quiet(model, to=tmp_path / "run", every=1, scheme=scheme):
        model.train(iterations=3, display_every=1000, verbose=0)
        assert model.loss_weights == [1, 4]
    assert healthy(tmp_path / "run").steps.at(2).terms["PointSetBC"].weight == 4


def test_its_callbacks_and_its_history_compare_the_sum_with_the_weights_of_the_scheme(tmp_path: Path) -> None:
    model, _ = inverse()
    saving = dde.callbacks.ModelCheckpoint(str(tmp_path / "best"), save_better_only=True)
    stopping = dde.callbacks.EarlyStopping(patience=100)
    scheme = pinndiag.schemes.Fixed({"PointSetBC": 1000.0})
    with quiet(model, every=1, scheme=scheme) as handle:
        model.train(iterations=2, display_every=1, callbacks=[saving, stopping], verbose=0)
        first = {name: term.loss for name, term in handle.run().steps.at(0).terms.items()}
    history = [losses.sum() for losses in model.losshistory.loss_train]
    assert history[0] == pytest.approx(first["pde"] + 4 * first["PointSetBC"], rel=1e-5)  # before the scheme is asked
    last = {name: loss.item() for name, loss in pinndiag.wrap(model).losses().items()}
    assert history[-1] == pytest.approx(last["pde"] + 1000 * last["PointSetBC"], rel=1e-5)
    assert sum(last.values()) < sum(first.values())
    assert (model.train_state.best_step, model.train_state.best_loss_train) == (0, history[0])  # of the old weights
    assert saving.best == stopping.best == min(history[1:])


def test_before_compile_it_says_so() -> None:
    model, _ = inverse()
    bare = dde.Model(model.data, model.net)
    with pytest.raises(pinndiag.PinndiagError, match="Model of deepxde is not what can be watched") as raised:
        pinndiag.attach(bare)
    assert "after compile()" in raised.value.fix
    with pytest.raises(pinndiag.PinndiagError, match="FNN of deepxde is not what can be watched"):
        pinndiag.attach(model.net)
