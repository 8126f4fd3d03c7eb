"""A training that can be stopped, judged, gone on with and begun anew in another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, final

import torch
from torch import Tensor, nn

import pinndiag
from benchmarks.calibration.equation import Equation, Term
from pinndiag.nn import MLP, Normalisation

__all__ = ["GIVEN", "Phase", "Setup", "Training", "mlp"]

Kind = Literal["adam", "sgd", "lbfgs"]
Combine = Callable[[dict[str, Tensor]], Tensor]
GIVEN = frozenset({"points", "sampler", "solution", "optimizer", "initial"})
FRESH = 1000  # points at which a trained network is compared


def mlp(width: int = 20, depth: int = 3, *, scaled: bool = True, gain: float = 1.0, activation: Any = nn.Tanh) -> Any:
    """A maker of the plain network, with inputs mapped to [-1, 1] unless said otherwise, weights times `gain`."""

    def make(equation: Equation) -> nn.Module:
        scaling = Normalisation.unit(equation.box.low, equation.box.high) if scaled else None
        size = len(equation.box.low)
        net = MLP(size, equation.outputs, width=width, depth=depth, activation=activation, scaling=scaling)
        with torch.no_grad():
            for layer in net.hidden:
                layer.weight.mul_(gain)
        return net

    return make


@final
@dataclass(frozen=True)
class Phase:
    """One optimizer for so many evaluations of the loss and its gradient; the rate falls to `decay` of itself."""

    kind: Kind = "adam"
    lr: float = 3e-3
    budget: int = 1500
    decay: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """The torch optimizer."""
        if self.kind == "adam":
            return torch.optim.Adam(parameters, lr=self.lr, **self.settings)
        if self.kind == "sgd":
            return torch.optim.SGD(parameters, lr=self.lr, **self.settings)
        usual = {"line_search_fn": "strong_wolfe", "tolerance_grad": 0.0, "tolerance_change": 0.0, "max_iter": 20}
        return torch.optim.LBFGS(parameters, lr=1.0, history_size=50, **{**usual, **self.settings})


@final
@dataclass(frozen=True)
class Setup:
    """A training as a value, so that a treatment is another value.

    Attributes:
        pose: makes the equation in a dtype.
        network: makes its network, before training.
        phases: of the training; training on repeats the last one.
        dtype: of parameters and points.
        seed: of parameters, points and draws.
        scheme: key of a balancing scheme, or a maker of one.
        scale: what the whole loss is multiplied by.
    """

    pose: Callable[[torch.dtype], Equation]
    network: Callable[[Equation], nn.Module] = field(default_factory=mlp)
    phases: tuple[Phase, ...] = (Phase(),)
    dtype: torch.dtype = torch.float32
    seed: int = 0
    scheme: Callable[[], Any] | None = None
    scale: float = 1.0

    def terms(self, **changed: Any) -> Setup:
        """With fields of every term replaced."""
        return self.posed(lambda e: replace(e, terms={n: replace(t, **changed) for n, t in e.terms.items()}))

    def weighted(self, **weights: float) -> Setup:
        """With other weights."""
        return self.posed(
            lambda e: replace(e, terms={n: replace(t, weight=weights.get(n, t.weight)) for n, t in e.terms.items()})
        )

    def posed(self, change: Callable[[Equation], Equation]) -> Setup:
        """With another equation."""
        pose = self.pose
        return replace(self, pose=lambda dtype: change(pose(dtype)))

    def built(self, wrap: Callable[[nn.Module, Equation], nn.Module]) -> Setup:
        """With another network made of its network."""
        network = self.network
        return replace(self, network=lambda equation: wrap(network(equation), equation))

    def phase(self, **changed: Any) -> Setup:
        """With fields of the last phase replaced."""
        return replace(self, phases=(*self.phases[:-1], replace(self.phases[-1], **changed)))

    @property
    def budget(self) -> int:
        """Evaluations in all."""
        return sum(phase.budget for phase in self.phases)


@final
class Training:
    """The network of a setup, and the way to train it."""

    def __init__(self, setup: Setup) -> None:
        torch.manual_seed(setup.seed)
        self.setup = setup
        self.equation = setup.pose(setup.dtype)
        self.model = setup.network(self.equation).to(setup.dtype)
        if self.equation.coefficient is not None:
            self.model.coefficient = nn.Parameter(torch.tensor(self.equation.coefficient, dtype=setup.dtype))
        self.points = {n: _first(term) for n, term in self.equation.terms.items()}
        self.initial = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.scheme = None if setup.scheme is None else setup.scheme()
        self.optimizer: torch.optim.Optimizer | None = None
        self.step = 0

    def run(self, combine: Combine | None = None) -> Training:
        """All phases."""
        for phase in self.setup.phases:
            self.begin(phase)
            self.go_on(phase, combine)
        return self

    def begin(self, phase: Phase) -> torch.optim.Optimizer:
        """The optimizer of a phase, which is the present one from now on."""
        self.optimizer = phase.optimizer(self._trained())
        return self.optimizer

    def go_on(self, phase: Phase, combine: Combine | None = None) -> None:
        """Spend the budget of a phase with the present optimizer."""
        optimizer = self.optimizer
        assert optimizer is not None
        combine = combine or self._weighted
        used = 0
        rates = [group["lr"] for group in optimizer.param_groups]
        while used < phase.budget:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * phase.decay ** (used / phase.budget)
            batch = self._batch()

            def closure(batch: dict[str, Tensor] = batch) -> Tensor:
                nonlocal used
                used += 1
                optimizer.zero_grad()
                loss = self.setup.scale * combine(self._residuals(batch))
                loss.backward()
                return loss.detach()

            if isinstance(optimizer, torch.optim.LBFGS):
                before = used
                optimizer.step(closure)
                if used == before + 1:  # it stops by itself
                    return
            else:
                closure()
                optimizer.step()
            self.step += 1

    def error(self) -> float:
        """The relative L2 error where the solution is known, else the worst unweighted loss at fresh points."""
        if self.equation.solution is not None:
            x, exact = self.equation.solution
            with torch.no_grad():
                return float((self.model(x) - exact).norm() / exact.norm())
        torch.manual_seed(12345)
        fresh = {n: t.draw(FRESH) for n, t in self.equation.terms.items()}
        return max(float(_loss(r).detach()) for r in self._residuals(fresh).values())

    def losses(self) -> dict[str, float]:
        """The unweighted losses at the training points."""
        return {n: float(_loss(r).detach()) for n, r in self._residuals(self.points).items()}

    def total(self) -> float:
        """The weighted loss."""
        return sum(self.equation.terms[n].weight * loss for n, loss in self.losses().items())

    def wrap(self, given: frozenset[str] = GIVEN) -> pinndiag.PINN:
        """The PINN, with no more than what is given of it."""
        terms = self.equation.terms
        residuals: dict[str, Callable[..., Tensor]] = {}
        for name, term in terms.items():
            takes = _of_points(term, self.model)
            residuals[name] = takes if "points" in given else _fixed(takes, self.points[name])
        more: dict[str, Any] = {"weights": {n: t.weight for n, t in terms.items()}}
        if "points" in given:  # of a training with mini-batches one of them, as its loop has it
            more["points"] = {n: self.points[n][: terms[n].batch or None] for n in terms}
        if {"points", "sampler"} <= given:
            more["sampler"] = {n: t.draw for n, t in terms.items()}
        if "solution" in given and self.equation.solution is not None:
            more["solution"] = self.equation.solution
        if "optimizer" in given:
            more["optimizer"] = self.optimizer
        if "initial" in given:
            more["initial"] = self.initial
        return pinndiag.wrap(self.model, residuals, **more)

    def state(self) -> dict[str, Any]:
        """What is needed to go on from here."""
        assert self.optimizer is not None
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "kind": type(self.optimizer).__name__,
            "points": self.points,
            "step": self.step,
        }

    @staticmethod
    def at(setup: Setup, state: Mapping[str, Any]) -> Training:
        """The training of a setup, taken up where it was left, with the same optimizer."""
        found = Training(setup)
        found.model.load_state_dict(state["model"])
        found.begin(setup.phases[-1]).load_state_dict(state["optimizer"])
        found.points, found.step = dict(state["points"]), state["step"]
        torch.manual_seed(1000 + setup.seed)
        return found

    def _trained(self) -> list[nn.Parameter]:
        return [p for p in self.model.parameters() if p.requires_grad]

    def _weighted(self, residuals: dict[str, Tensor]) -> Tensor:
        if self.scheme is not None:
            weighted: Tensor = self.scheme(residuals)
            return weighted
        terms = self.equation.terms
        return torch.stack([terms[n].weight * _loss(r) for n, r in residuals.items()]).sum()

    def _residuals(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {n: term.residual(self.model, batch[n]) for n, term in self.equation.terms.items()}

    def _batch(self) -> dict[str, Tensor]:
        return dict(self._parts())

    def _parts(self) -> Iterator[tuple[str, Tensor]]:
        for name, term in self.equation.terms.items():
            if term.resample and self.step % term.resample == 0:
                self.points[name] = term.draw(term.count)
            points = self.points[name]
            yield name, points[torch.randint(len(points), (term.batch,))] if term.batch else points


def _first(term: Term) -> Tensor:
    return term.draw(term.count) if term.points is None else term.points


def _loss(residual: Tensor) -> Tensor:
    return residual if residual.ndim == 0 else residual.square().mean()


def _of_points(term: Term, model: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda x: term.residual(model, x)


def _fixed(takes: Callable[[Tensor], Tensor], points: Tensor) -> Callable[[], Tensor]:
    return lambda: takes(points)
