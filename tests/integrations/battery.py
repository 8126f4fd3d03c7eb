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
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

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
        coefficient: the unknown coefficient as it is now, of a problem that has one.
        compared: what the framework judges its training by at the end, if it does.
        data: what `wrap` is given beside the subject.
    """

    subject: Any
    net: nn.Module
    run: Callable[[int], None]
    losses: Callable[[], Mapping[str, Tensor]]
    weights: Mapping[str, float]
    places: tuple[Any, ...]
    idle: str = "idle"
    solution: Callable[[Tensor], Tensor] | None = None
    coefficient: Callable[[], Tensor] | None = None
    compared: Callable[[], float] | None = None
    data: Any = None

    def wrap(self, **options: Any) -> pinndiag.PINN:
        return pinndiag.wrap(self.subject, **({} if self.data is None else {"data": self.data}), **options)

    @property
    def parameters(self) -> list[Tensor]:
        outside = [] if self.coefficient is None else [self.coefficient()]
        return [*(p for p in self.net.parameters() if p.requires_grad), *outside]

    def values(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.net.parameters()]


def poisson(net: Callable[[Tensor], Tensor], x: Tensor, k: Tensor | float = 1.0) -> Tensor:
    """The residual of the equation, by hand."""
    x = x.detach().clone().requires_grad_()
    u = net(x)
    (first,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    return second + k * torch.pi**2 * torch.sin(torch.pi * x)


def gradient(loss: Tensor, parameters: list[Tensor]) -> Tensor:
    """The naive loop: one `autograd.grad`, in float64 from there on."""
    parts = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    filled = [torch.zeros_like(p) if q is None else q for p, q in zip(parameters, parts, strict=True)]
    return torch.cat([part.reshape(-1) for part in filled]).double()


def figures(loss: Tensor, parameters: list[Tensor]) -> dict[str, float]:
    g = gradient(loss, parameters)
    return {
        "loss": loss.item(),
        "grad_l2": g.norm().item(),
        "grad_l1": g.abs().sum().item(),
        "grad_max": g.abs().max().item(),
        "grad_mean": g.abs().mean().item(),
        "grad_std": g.std(unbiased=False).item(),
    }


def put(tensors: list[Tensor], values: list[Tensor]) -> None:
    with torch.no_grad():
        for tensor, value in zip(tensors, values, strict=True):
            tensor.copy_(value)


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
    dtypes: ClassVar[tuple[torch.dtype, ...]] = (torch.float32, torch.float64)

    @abstractmethod
    def make(
        self,
        *,
        dtype: torch.dtype = torch.float32,
        optimizer: str = "adam",
        scale: float = 1.0,
        idle: bool = False,
        unknown: bool = False,
    ) -> Training:
        """The problem, seeded.

        Args:
            dtype: of everything.
            optimizer: "adam" or "lbfgs" (three iterations a step).
            scale: the equation is multiplied by it.
            idle: one more term, "idle", whose gradient is zero.
            unknown: the force is multiplied by a coefficient that is trained as well, from 0.5.
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

    def needs_closures(self) -> None:
        if not self.lbfgs:
            pytest.skip("its trainer takes no closures")

    @pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
    def test_training_is_that_without_the_handle_bit_for_bit(self, optimizer: str, tmp_path: Path) -> None:
        if optimizer == "lbfgs":
            self.needs_closures()
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
                    wanted = figures(loss, twin.parameters)
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

    def test_weights_act_in_the_step_that_they_were_found_in(self, tmp_path: Path) -> None:
        """The optimizer's gradient is the sum of the terms', by hand, with the weights recorded for the same step."""
        training = self.make(scale=3.0)
        before: list[list[Tensor]] = []
        used: list[Tensor] = []
        terms: list[list[Tensor]] = []

        def steps(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
            before.append([p.detach().clone() for p in training.parameters])

        def stepped(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
            parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in training.parameters]
            used.append(torch.cat([part.reshape(-1) for part in parts]).double())
            after = [p.detach().clone() for p in training.parameters]
            put(training.parameters, before[-1])
            with torch.enable_grad():
                terms.append([gradient(loss, training.parameters) for loss in training.losses().values()])
            put(training.parameters, after)

        hooks = register_optimizer_step_pre_hook(steps), register_optimizer_step_post_hook(stepped)
        scheme = pinndiag.schemes.DynamicNorm(every=1, keep=0.5, reference=list(training.weights)[-1])
        with quiet(training.subject, to=tmp_path / "run", every=1, scheme=scheme) as handle:
            training.run(3)
        for hook in hooks:
            hook.remove()
        run = healthy(tmp_path / "run")
        assert run.header.scheme == "dynamic_norm"
        weights = [[figures.weight for figures in run.steps.at(step).terms.values()] for step in range(3)]
        assert weights[2] == pytest.approx(list(handle.weights.values()), rel=1e-6)

        def summed(step: int, by: int) -> Tensor:
            return torch.stack([w * g for w, g in zip(weights[by], terms[step], strict=True)]).sum(dim=0)

        for step in range(3):
            off = (summed(step, step) - used[step]).norm()
            assert off < 1e-4 * used[step].norm()
            assert run.steps.at(step).total.grad_l2 == pytest.approx(used[step].norm().item(), rel=1e-4)
            if step:
                assert (summed(step, step - 1) - used[step]).norm() > 10 * off

    def test_what_compares_the_weighted_sum_is_warned_about(self) -> None:
        training = self.make(scale=3.0)
        scheme = pinndiag.schemes.DynamicNorm(every=1, keep=0.5, reference=list(training.weights)[-1])
        with pytest.warns(UserWarning, match="^pinndiag: ") as told:
            handle = pinndiag.attach(training.subject, every=1, scheme=scheme)
        assert handle.about.caution in {str(warning.message).removeprefix("pinndiag: ") for warning in told}
        with handle:
            training.run(1)
            first = {name: term.loss for name, term in handle.run().steps.at(0).terms.items()}
            if training.compared is not None:  # at the parameters before the step, or after it
                found = training.compared()
                last = {name: loss.item() for name, loss in training.losses().items()}
                sums = [sum(handle.weights[name] * losses[name] for name in losses) for losses in (first, last)]
                assert found in [pytest.approx(weighted, rel=1e-4) for weighted in sums]
                assert all(abs(found - sum(losses.values())) > 0.1 * found for losses in (first, last))

    def test_terms_are_called_as_the_user_says(self, tmp_path: Path) -> None:
        training = self.make()
        names = [f"{i}. {name}" for i, name in enumerate(training.weights)]
        with quiet(training.subject, to=tmp_path / "run", every=1, names=names, scheme="dynamic_norm") as handle:
            training.run(2)
            assert list(handle.weights) == names
        terms = healthy(tmp_path / "run").steps.at(1).terms
        assert list(terms) == names
        pinn = training.wrap(names=names)
        assert pinn.names == names
        assert list(pinn.weights.values()) == pytest.approx(list(training.weights.values()))
        for wrong in (names[1:], [*names[1:], names[1]], "ab"):
            with pytest.raises(pinndiag.PinndiagError, match="does not name the terms"):
                training.wrap(names=wrong)
        with (
            pinndiag.attach(training.subject, names=names[1:]),
            pytest.raises(pinndiag.PinndiagError, match="does not name the terms"),
        ):
            training.run(1)

    def test_an_unknown_coefficient_is_measured_and_trained_as_without(self, tmp_path: Path) -> None:
        wanted = self.trained(None, steps=3, unknown=True)
        found = self.trained(tmp_path / "run", steps=3, unknown=True)
        assert found.coefficient is not None
        assert wanted.coefficient is not None
        k = found.coefficient()
        assert torch.equal(k, wanted.coefficient())
        assert float(k.detach()) != 0.5
        run, twin = healthy(tmp_path / "run"), self.trained(None, steps=2, unknown=True)
        assert sum(run.header.parameters.values()) == sum(p.numel() for p in found.parameters)
        for name, loss in twin.losses().items():
            naive = figures(loss, twin.parameters)
            record = {key: getattr(run.steps.at(2).terms[name], key) for key in naive}
            assert record == pytest.approx(naive, rel=1e-5, abs=1e-8), name
        pinn = found.wrap()
        (place,) = [i for i, tensor in enumerate(pinn.tensors) if tensor is k]
        again = pinndiag.load(pinn.save(tmp_path / "pinn.pt"))
        assert torch.equal(again.tensors[place], k)

    def test_another_version_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        training = self.make()
        monkeypatch.setattr("importlib.metadata.version", lambda name: "99.9")
        with pytest.warns(UserWarning, match=r"pinndiag was tested with [\w-]+ [\d.]+.*; this is 99\.9"):
            handle = pinndiag.attach(training.subject)
        handle.remove()

    def test_within_a_step_of_lbfgs_the_weights_stay(self, tmp_path: Path) -> None:
        self.needs_closures()
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
        wanted = self.trained(None, steps=2)
        found = self.trained(None, steps=2)
        state = torch.get_rng_state()
        with pinndiag.attach(found.subject, to=tmp_path / "run", every=1):
            pinn = found.wrap()
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
        training = self.make(dtype=self.dtypes[-1])
        training.run(2)
        pinn = training.wrap()
        again = pinndiag.load(pinn.save(tmp_path / "pinn.pt"))
        wanted = {name: figures(loss, list(training.net.parameters())) for name, loss in training.losses().items()}
        rel = 1e-9 if self.dtypes[-1] is torch.float64 else 1e-5
        for name, loss in again.losses().items():
            assert figures(loss, again.tensors) == pytest.approx(wanted[name], rel=rel, abs=rel * 1e-3), name
        diagnosis = pinndiag.analyze(again, quick=True).to_dict()
        assert set(diagnosis["terms"]) == set(wanted)

    def test_a_wrapped_object_is_treated_on_copies(self) -> None:
        """Weights of terms, and of single points where the framework hands over residuals."""
        training = self.make(scale=100.0)
        pinn = training.wrap()
        training.run(2)
        treated_on_copies(pinn, training.net)

    def test_its_own_checkpoint_is_analysed_through_a_factory(self, tmp_path: Path) -> None:
        training = self.make()
        training.run(3)
        file = self.saved(training, tmp_path)
        module = tmp_path / "factory_of_a_framework.py"
        name = type(self).__name__
        plain = "subject" if training.data is None else "wrap()"
        module.write_text(f"from {type(self).__module__} import {name}\nmake = lambda: {name}().make().{plain}\n")
        pinn = pinndiag.load(file, factory=f"{module}:make")
        losses = {name: loss.item() for name, loss in pinn.losses().items()}
        assert losses == pytest.approx({n: v.item() for n, v in training.losses().items()}, rel=1e-5)
        tensors = training.net.state_dict().items()
        torch.save({"state_dict": {f"another.{name}": tensor for name, tensor in tensors}}, tmp_path / "another.pt")
        with pytest.raises(pinndiag.CheckpointError, match="do not fit the model") as raised:
            pinndiag.load(tmp_path / "another.pt", factory=f"{module}:make")
        first = next(iter(training.net.state_dict()))
        assert f"      another.{first} [" in raised.value.where
        assert raised.value.where.count(f"{first} [") > 1


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


def error(training: Any) -> float:
    """Relative L2 error of u."""
    device = next(training.net.parameters())
    x = torch.linspace(0, 1, 101, dtype=device.dtype)[:, None]
    wanted = torch.sin(torch.pi * x)
    with torch.no_grad():
        return float(((getattr(training, "solution", None) or training.net)(x) - wanted).norm() / wanted.norm())
