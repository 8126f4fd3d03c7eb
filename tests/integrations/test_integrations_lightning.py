"""Modules of both packages of Lightning: the battery, and a plain `watch` inside of a training step."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from tests.integrations.battery import Battery, Training, healthy, poisson, quiet, treated_on_copies

PACKAGES = {"lightning": "lightning.pytorch", "pytorch_lightning": "pytorch_lightning"}


def imported(package: str) -> Any:
    pytest.importorskip(package, reason=f"{package} is not installed")
    return import_module(PACKAGES[package])


def module_of(
    pl: Any, optimizer: str = "adam", scale: float = 1.0, idle: bool = False, unknown: bool = False, weight: float = 1.0
) -> Any:
    """A LightningModule in the usual style: a network, a dictionary of losses, their weighted sum."""
    torch.manual_seed(0)

    class Module(pl.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            first, last = nn.Linear(1, 12), nn.Linear(12, 1)
            self.net = nn.Sequential(first, nn.Tanh(), nn.Linear(12, 12), nn.Tanh(), last)
            self.k = nn.Parameter(torch.tensor(0.5)) if unknown else 1.0
            self.watch: Any = None

        def losses(self, x: Tensor) -> dict[str, Tensor]:
            ends = self.net(torch.tensor([[0.0], [1.0]]))
            found = {"pde": scale * poisson(self.net, x, self.k), "bc": ends.square().mean()}
            return {**found, "idle": (0 * ends + 2).square().mean()} if idle else found

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            terms = self.losses(batch[0])
            if self.watch is not None:
                return self.watch(terms)
            losses = {name: term.square().mean() if term.ndim else term for name, term in terms.items()}
            loss = losses.pop("bc") * weight + torch.stack(list(losses.values())).sum()
            self.log("loss", loss)
            return {"loss": loss, **terms}

        def configure_optimizers(self) -> Any:
            if optimizer == "lbfgs":
                return torch.optim.LBFGS(self.parameters(), lr=1e-2, max_iter=3)
            return torch.optim.Adam(self.parameters(), lr=1e-2)

    return Module()


def fit(pl: Any, module: Any, epochs: int, parts: int = 1, **options: Any) -> None:
    points = torch.linspace(0, 1, 20)[:, None]
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(points), batch_size=20 // parts)
    trainer(pl, epochs, **options).fit(module, data)


def trainer(pl: Any, epochs: int, **options: Any) -> Any:
    quiet = {
        "enable_progress_bar": False,
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(max_epochs=epochs, accelerator="cpu", **{**quiet, **options})


class OfLightning(Battery):
    package: ClassVar[str]

    def make(
        self,
        *,
        dtype: torch.dtype = torch.float32,
        optimizer: str = "adam",
        scale: float = 1.0,
        idle: bool = False,
        unknown: bool = False,
    ) -> Training:
        pl = imported(self.package)
        torch.set_default_dtype(dtype)
        module = module_of(pl, optimizer, scale, idle, unknown, weight=2.0)

        def losses() -> dict[str, Tensor]:
            terms = module.losses(torch.linspace(0, 1, 20)[:, None])
            return {"pde": terms["pde"].square().mean(), "bc": terms["bc"]}

        return Training(
            module,
            module.net,
            lambda steps: fit(pl, module, steps),
            losses,
            {"pde": 1.0, "bc": 2.0},
            (module,),
            coefficient=(lambda: module.k) if unknown else None,
            data=[torch.linspace(0, 1, 20)[:, None]],
        )

    def saved(self, training: Training, folder: Path) -> Path:
        one = trainer(imported(self.package), 0)
        one.strategy.connect(training.subject)
        one.save_checkpoint(folder / "module.ckpt")
        return folder / "module.ckpt"

    def test_callbacks_compare_what_the_module_logs_with_the_weights_of_its_own(self, tmp_path: Path) -> None:
        pl = imported(self.package)
        callbacks = import_module(f"{PACKAGES[self.package]}.callbacks")
        saving = callbacks.ModelCheckpoint(tmp_path / "best", monitor="loss")
        stopping = callbacks.EarlyStopping("loss", patience=100)
        module, returned = module_of(pl, weight=2.0), []

        class Sees(callbacks.Callback):  # type: ignore[misc]
            def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
                returned.append(outputs["loss"].item())

        scheme = pinndiag.schemes.Fixed({"bc": 1000.0})
        with quiet(module, every=1, scheme=scheme) as handle:
            fit(pl, module, 1, callbacks=[saving, stopping, Sees()], enable_checkpointing=True)
            pde, bc = (term.loss for term in handle.run().steps.at(0).terms.values())
        assert returned == [pytest.approx(pde + 1000 * bc, rel=1e-5)]
        wanted = pytest.approx(pde + 2 * bc, rel=1e-5)
        assert float(saving.best_model_score) == wanted
        assert float(stopping.best_score) == wanted

    def test_a_step_that_gives_only_its_sum_is_refused(self) -> None:
        pl = imported(self.package)
        module = module_of(pl)
        step = module.training_step
        module.training_step = lambda batch, batch_idx: step(batch, batch_idx)["loss"]
        with pinndiag.attach(module), pytest.raises(pinndiag.PinndiagError, match="does not return its terms"):
            fit(pl, module, 1)

    def test_terms_without_their_graphs_are_refused(self) -> None:
        pl = imported(self.package)
        module = module_of(pl)
        step = module.training_step

        def detached(batch: Any, batch_idx: int) -> Any:
            found = step(batch, batch_idx)
            return {name: value if name == "loss" else value.detach() for name, value in found.items()}

        module.training_step = detached
        with pinndiag.attach(module), pytest.raises(pinndiag.PinndiagError, match="does not return its terms") as told:
            fit(pl, module, 1)
        assert "detached" in told.value.cause

    def test_a_part_of_the_loss_that_is_no_term_is_told_of(self, tmp_path: Path) -> None:
        pl = imported(self.package)
        module = module_of(pl)
        step = module.training_step

        def more(batch: Any, batch_idx: int) -> Any:
            found = step(batch, batch_idx)
            return {**found, "loss": found["loss"] + sum(p.square().sum() for p in module.parameters())}

        module.training_step = more
        with pinndiag.attach(module, to=tmp_path / "run", every=1), pytest.warns(UserWarning, match="what is missing"):
            fit(pl, module, 2)
        assert [term.weight for term in healthy(tmp_path / "run").steps.at(1).terms.values()] == [1, 1]

    def test_out_of_band_it_asks_for_a_batch(self) -> None:
        with pytest.raises(pinndiag.PinndiagError, match="of a LightningModule cannot be evaluated without data"):
            pinndiag.wrap(module_of(imported(self.package)))

    def test_a_module_wrapped_with_its_terms_is_treated_on_copies(self) -> None:
        module = module_of(imported(self.package))
        x = torch.linspace(0, 1, 20)[:, None]
        terms = {"pde": lambda p: poisson(module.net, p), "bc": lambda: module.net(torch.tensor([[0.0], [1.0]]))}
        pinn = pinndiag.wrap(module, terms, points={"pde": x}, optimizer=module.configure_optimizers())
        treated_on_copies(pinn, module)

    @pytest.mark.parametrize("parts", [1, 2])
    def test_a_plain_watch_inside_the_training_step(self, parts: int, tmp_path: Path) -> None:
        """Automatic optimization; two parts: gradients are accumulated over two batches."""
        pl = imported(self.package)
        wanted = module_of(pl)
        fit(pl, wanted, 4, parts, accumulate_grad_batches=parts)
        module = module_of(pl)
        optimizer = module.configure_optimizers()
        module.configure_optimizers = lambda: optimizer
        with pinndiag.watch(module, optimizer, to=tmp_path / "run", every=1) as module.watch:
            fit(pl, module, 4, parts, accumulate_grad_batches=parts)
        for a, b in zip(module.parameters(), wanted.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
        run = healthy(tmp_path / "run")
        assert run.steps.steps.tolist() == [0, 1, 2, 3]
        assert set(run.steps.run("batches")) == {float(parts)}

    def test_accumulated_gradients_are_one_record_of_the_handle(self, tmp_path: Path) -> None:
        pl = imported(self.package)
        module = module_of(pl)
        with pinndiag.attach(module, to=tmp_path / "run", every=1):
            fit(pl, module, 3, 2, accumulate_grad_batches=2)
        run = healthy(tmp_path / "run")
        assert run.steps.steps.tolist() == [0, 1, 2]
        assert set(run.steps.run("batches")) == {2.0}


class TestLightning(OfLightning):
    package = "lightning"


class TestPytorchLightning(OfLightning):
    package = "pytorch_lightning"
