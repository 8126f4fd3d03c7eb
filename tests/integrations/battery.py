"""What is asked of every framework: one problem in its own words, and the same tests for all.

The problem is u'' = -pi^2 sin(pi x) on (0, 1) with u(0) = u(1) = 0.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

import pinndiag
from pinndiag._store import Run, read_run
from tests.checks.records import record as a_record

__all__ = ["Battery", "Training", "poisson", "quiet", "treated_on_copies"]


@dataclass
class Training:
    """An object of a framework, ready to train.

    Attributes:
        subject: what `attach` gets.
        net: its network.
        run: trains for a number of the optimizer's steps.
        losses: the unweighted losses at the present parameters, written by hand.
        weights: what the framework multiplies them by.
        places: objects whose attributes must be as found after removal.
        idle: what the term without gradient is called.
        solution: u, where the network is not called with a tensor.
    """

    subject: Any
    net: nn.Module
    run: Callable[[int], None]
    losses: Callable[[], Mapping[str, Tensor]]
    weights: Mapping[str, float]
    places: tuple[Any, ...]
    idle: str = "idle"
    solution: Callable[[Tensor], Tensor] | None = None

    def values(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.net.parameters()]


def poisson(net: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The residual of the equation, by hand."""
    x = x.detach().clone().requires_grad_()
    u = net(x)
    (first,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    return second + torch.pi**2 * torch.sin(torch.pi * x)


def figures(loss: Tensor, parameters: list[Tensor]) -> dict[str, float]:
    """The naive loop: one `autograd.grad`, in float64 from there on."""
    parts = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    g = torch.cat(
        [(torch.zeros_like(p) if q is None else q).reshape(-1) for p, q in zip(parameters, parts, strict=True)]
    )
    g = g.double()
    return {
        "loss": loss.item(),
        "grad_l2": g.norm().item(),
        "grad_l1": g.abs().sum().item(),
        "grad_max": g.abs().max().item(),
        "grad_mean": g.abs().mean().item(),
        "grad_std": g.std(unbiased=False).item(),
    }


def quiet(subject: Any, **options: Any) -> pinndiag.integrations.Handle:
    """Attach with a scheme, which some frameworks are warned about."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pinndiag: ", category=UserWarning)
        return pinndiag.attach(subject, **options)


def healthy(folder: Path) -> Run:
    run = read_run(folder)
    assert not [event for event in run.events if event.event == "analyzer_failed"], run.events
    return run


class Battery(ABC):
    """The tests of one framework. Its class says how the problem is put and saved."""

    pytestmark = pytest.mark.filterwarnings("ignore", "error:pinndiag")  # what frameworks warn of is not ours

    lbfgs: ClassVar[bool] = True
    wraps: ClassVar[bool] = True
    dtypes: ClassVar[tuple[torch.dtype, ...]] = (torch.float32, torch.float64)

    @abstractmethod
    def make(
        self, *, dtype: torch.dtype = torch.float32, optimizer: str = "adam", scale: float = 1.0, idle: bool = False
    ) -> Training:
        """The problem, seeded.

        Args:
            dtype: of everything.
            optimizer: "adam" or "lbfgs" (three iterations a step).
            scale: the equation is multiplied by it.
            idle: one more term, "idle", whose gradient is zero.
        """

    def saved(self, training: Training, folder: Path) -> Path:
        """The checkpoint that the framework writes."""
        raise NotImplementedError

    def trained(self, folder: Path | None, steps: int = 5, **options: Any) -> Training:
        """A training, attached to where a folder is given."""
        training = self.make(**options)
        if folder is None:
            training.run(steps)
        else:
            with pinndiag.attach(training.subject, to=folder, every=1, histograms=2, curvature=3):
                training.run(steps)
        return training

    def needs(self, *features: str) -> None:
        for feature in features:
            if not getattr(self, feature):
                pytest.skip(
                    {"lbfgs": "its trainer takes no closures", "wraps": "its terms live inside a step"}[feature]
                )

    @pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
    def test_training_is_that_without_the_handle_bit_for_bit(self, optimizer: str, tmp_path: Path) -> None:
        self.needs(*["lbfgs"] * (optimizer == "lbfgs"))
        wanted = self.trained(None, optimizer=optimizer).values()
        after = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[union-attr]
        found = self.trained(tmp_path / "run", optimizer=optimizer).values()
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
        assert torch.equal(torch.get_rng_state(), after[0])
        assert np.random.get_state()[1].tolist() == after[1]  # type: ignore[union-attr]
        run = healthy(tmp_path / "run")
        assert run.steps.steps.tolist() == list(range(5))
        assert set(run.steps.run("batches")) == {1.0}
        assert [line.step for line in run.curvature] == [0, 3]
        assert run.header.optimizers[0].kind.lower() == optimizer

    def test_figures_are_those_of_a_naive_loop(self, tmp_path: Path) -> None:
        for dtype in self.dtypes:
            self.trained(tmp_path / str(dtype), steps=3, dtype=dtype)
            run = healthy(tmp_path / str(dtype))
            rel = 1e-5 if dtype is torch.float32 else 1e-12
            for step in (0, 2):
                twin = self.trained(None, steps=step, dtype=dtype)
                record, losses = run.steps.at(step), twin.losses()
                assert list(record.terms) == list(losses)
                for name, loss in losses.items():
                    wanted = figures(loss, [p for p in twin.net.parameters() if p.requires_grad])
                    found = {key: getattr(record.terms[name], key) for key in wanted}
                    assert found == pytest.approx(wanted, rel=rel, abs=rel * 1e-3), (dtype, step, name)
                    assert record.terms[name].weight == pytest.approx(twin.weights[name], rel=1e-6)

    def test_removal_leaves_the_object_as_found(self, tmp_path: Path) -> None:
        training = self.make()
        before = [dict(vars(place)) for place in training.places]
        quiet(training.subject, scheme="dynamic_norm").remove()
        assert [dict(vars(place)) for place in training.places] == before
        plain = training.values()
        training.run(1)
        before = [dict(vars(place)) for place in training.places]
        handle = quiet(training.subject, to=tmp_path / "run", every=1, scheme="dynamic_norm")
        assert [dict(vars(place)) for place in training.places] != before
        training.run(2)
        handle.remove()
        handle.remove()
        for place, known in zip(training.places, before, strict=True):
            assert vars(place).keys() == known.keys()
            assert not [name for name, value in vars(place).items() if hasattr(value, "__pinndiag__")]
        training.run(2)
        assert not all(torch.equal(a, b) for a, b in zip(training.values(), plain, strict=True))
        run = healthy(tmp_path / "run")
        assert run.steps.steps.tolist() == [0, 1]
        assert run.events[-1].event == "closed"

    def test_frozen_parameters_stay_out(self, tmp_path: Path) -> None:
        wanted = self.make()
        next(wanted.net.parameters()).requires_grad_(False)
        wanted.run(1)
        found = self.make()
        next(found.net.parameters()).requires_grad_(False)
        with pinndiag.attach(found.subject, to=tmp_path / "run", every=1):
            found.run(1)
        assert all(torch.equal(a, b) for a, b in zip(found.values(), wanted.values(), strict=True))
        header = healthy(tmp_path / "run").header
        assert sum(header.parameters.values()) == sum(p.numel() for p in list(found.net.parameters())[1:])

    def test_a_term_without_gradient_is_measured_as_such(self, tmp_path: Path) -> None:
        idle = self.trained(tmp_path / "run", steps=2, idle=True).idle
        terms = healthy(tmp_path / "run").steps.at(1).terms
        assert terms[idle].grad_l2 == 0
        assert terms[idle].loss > 0
        assert all(figures.grad_l2 for name, figures in terms.items() if name != idle)

    def test_two_trainings_in_a_row_are_one_run(self, tmp_path: Path) -> None:
        training = self.make()
        with pinndiag.attach(training.subject, to=tmp_path / "run", every=1):
            training.run(3)
            training.run(2)
        assert healthy(tmp_path / "run").steps.steps.tolist() == list(range(5))

    def test_a_scheme_moves_the_weights_and_mends_an_unbalanced_problem(self, tmp_path: Path) -> None:
        plain, balanced = self.make(scale=30.0), self.make(scale=30.0)
        with quiet(
            balanced.subject,
            to=tmp_path / "run",
            every=50,
            scheme=pinndiag.schemes.DynamicNorm(every=10, keep=0.9, bias_correction=True),
        ):
            for training in (plain, balanced):
                training.run(300)
        healthy(tmp_path / "run")
        assert error(balanced) < 0.5 * error(plain)

    def test_recorded_weights_are_those_applied(self, tmp_path: Path) -> None:
        """The gradient that the optimizer steps with is that of the sum with the weights recorded for the step."""
        training = self.make(scale=3.0)
        used: list[float] = []

        def stepped(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
            parts = [p.grad.reshape(-1) for p in training.net.parameters() if p.grad is not None]
            used.append(torch.cat(parts).norm().item())

        hook = register_optimizer_step_post_hook(stepped)
        scheme = pinndiag.schemes.DynamicNorm(keep=0.5)
        with quiet(training.subject, to=tmp_path / "run", every=1, scheme=scheme) as handle:
            training.run(3)
            hook.remove()
            assert handle.about.acts == "the same step"
        run = healthy(tmp_path / "run")
        assert run.header.scheme == "dynamic_norm"
        weights = [figures.weight for figures in run.steps.at(2).terms.values()]
        assert max(weights) > 2 * min(weights)
        assert weights == pytest.approx(list(handle.weights.values()), rel=1e-6)
        assert [run.steps.at(step).total.grad_l2 for step in range(3)] == pytest.approx(used, rel=1e-4)

    def test_within_a_step_of_lbfgs_the_weights_stay(self, tmp_path: Path) -> None:
        self.needs("lbfgs")
        training = self.make(optimizer="lbfgs", scale=30.0)
        with quiet(training.subject, to=tmp_path / "run", every=1, scheme="dynamic_norm"):
            training.run(4)
        run = healthy(tmp_path / "run")
        assert run.steps.steps.tolist() == list(range(4))
        assert set(run.steps.run("batches")) == {1.0}

    @pytest.mark.parametrize("scheme", ["rba", "pcgrad", "ntk"])
    def test_schemes_of_another_kind_are_refused(self, scheme: str) -> None:
        training = self.make()
        before = [dict(vars(place)) for place in training.places]
        with pytest.raises(pinndiag.PinndiagError, match="cannot move the weights"):
            pinndiag.attach(training.subject, scheme=scheme)
        assert [dict(vars(place)) for place in training.places] == before

    def test_wrapped_out_of_band_it_leaves_no_trace(self, tmp_path: Path) -> None:
        self.needs("wraps")
        wanted = self.trained(None, steps=2)
        found = self.trained(None, steps=2)
        state = torch.get_rng_state()
        with pinndiag.attach(found.subject, to=tmp_path / "run", every=1):
            pinn = pinndiag.wrap(found.subject)
            assert torch.equal(torch.get_rng_state(), state)
            losses = {name: loss.item() for name, loss in pinn.losses().items()}
            assert losses == pytest.approx({n: v.item() for n, v in found.losses().items()}, rel=1e-5)
            assert pinn.weights == pytest.approx(found.weights)
            torch.set_rng_state(state)
            found.run(2)
        torch.set_rng_state(state)
        wanted.run(2)
        assert all(torch.equal(a, b) for a, b in zip(found.values(), wanted.values(), strict=True))
        assert healthy(tmp_path / "run").steps.steps.tolist() == [0, 1]

    def test_a_self_contained_file_needs_no_framework(self, tmp_path: Path) -> None:
        self.needs("wraps")
        training = self.make(dtype=self.dtypes[-1])
        training.run(2)
        pinn = pinndiag.wrap(training.subject)
        again = pinndiag.load(pinn.save(tmp_path / "pinn.pt"))
        wanted = {name: figures(loss, list(training.net.parameters())) for name, loss in training.losses().items()}
        rel = 1e-9 if self.dtypes[-1] is torch.float64 else 1e-5
        for name, loss in again.losses().items():
            assert figures(loss, again.tensors) == pytest.approx(wanted[name], rel=rel, abs=rel * 1e-3), name
        diagnosis = pinndiag.analyze(again, quick=True).to_dict()
        assert set(diagnosis["terms"]) == set(wanted)

    def test_a_wrapped_object_is_treated_on_copies(self) -> None:
        """Weights of terms, and of single points where the framework hands over residuals."""
        self.needs("wraps")
        training = self.make(scale=100.0)
        pinn = pinndiag.wrap(training.subject)
        training.run(2)
        treated_on_copies(pinn, training.net)

    def test_its_own_checkpoint_is_analysed_through_a_factory(self, tmp_path: Path) -> None:
        self.needs("wraps")
        training = self.make()
        training.run(3)
        file = self.saved(training, tmp_path)
        module = tmp_path / "factory_of_a_framework.py"
        name = type(self).__name__
        module.write_text(f"from {type(self).__module__} import {name}\nmake = lambda: {name}().make().subject\n")
        pinn = pinndiag.load(file, factory=f"{module}:make")
        losses = {name: loss.item() for name, loss in pinn.losses().items()}
        assert losses == pytest.approx({n: v.item() for n, v in training.losses().items()}, rel=1e-5)


def treated_on_copies(pinn: pinndiag.PINN, net: nn.Module) -> None:
    """Remediate from the checkpoint and look whether the network of the framework stayed as it was."""
    before = [parameter.detach().clone() for parameter in net.parameters()]
    losses = {name: float(loss.detach()) for name, loss in pinn.losses().items()}
    points = next((name for name, info in pinn.infos.items() if info.entries > 3), None)
    schemes: list[Any] = ["dynamic_norm"] + ([pinndiag.schemes.RBA(reference=points)] if points else [])
    record = pinndiag.remediate(pinn, schemes, steps=4, diagnosis=a_record()).record
    assert record.baseline is not None
    assert len(record.arms) == len(schemes)
    for arm in (record.baseline, *record.arms):
        assert arm.runs[0].finite
        assert set(arm.runs[0].losses) == set(losses)
    assert record.arms[0].runs[0].weights != record.baseline.runs[0].weights
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    after = {name: float(loss.detach()) for name, loss in pinn.losses().items()}
    assert after == pytest.approx(losses)


def error(training: Training) -> float:
    """Relative L2 error of u."""
    device = next(training.net.parameters())
    x = torch.linspace(0, 1, 101, dtype=device.dtype)[:, None]
    wanted = torch.sin(torch.pi * x)
    with torch.no_grad():
        return float(((training.solution or training.net)(x) - wanted).norm() / wanted.norm())
