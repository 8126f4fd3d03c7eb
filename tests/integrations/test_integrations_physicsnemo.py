"""PhysicsNeMo's `PhysicsInformer` in a loop of the user's own, under `watch`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from tests.integrations.battery import error, figures, healthy, poisson

pytest.importorskip("physicsnemo", reason="PhysicsNeMo is not installed: see benchmarks/frameworks.py")
pytestmark = pytest.mark.filterwarnings("ignore", "error:pinndiag")

from physicsnemo.sym.eq.pde import PDE  # noqa: E402
from physicsnemo.sym.eq.phy_informer import PhysicsInformer  # noqa: E402
from sympy import Function, Symbol  # noqa: E402


class Poisson(PDE):  # type: ignore[misc]
    def __init__(self) -> None:
        self.dim = 1
        x = Symbol("x")
        self.equations = {"poisson": Function("u")(x).diff(x, 2) + Function("f")(x)}


class Loop:
    """u'' = -k pi^2 sin(pi x) on (0, 1), u = 0 at both ends, as its documentation puts a problem."""

    def __init__(
        self, *, dtype: torch.dtype = torch.float64, optimizer: str = "adam", scale: float = 1.0, k: float | None = None
    ) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(1, 12), nn.Tanh(), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 1)).to(dtype)
        self.scale = scale
        self.k = torch.tensor(1.0 if k is None else k, dtype=dtype, requires_grad=k is not None)
        self.informer = PhysicsInformer(["poisson"], Poisson(), grad_method="autodiff")
        self.x = torch.linspace(0, 1, 20, dtype=dtype)[:, None].requires_grad_()
        self.ends = torch.tensor([[0.0], [1.0]], dtype=dtype)
        trained = [*self.net.parameters(), *([] if k is None else [self.k])]
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.Adam(trained, lr=1e-2)
            if optimizer == "adam"
            else torch.optim.LBFGS(trained, lr=1e-2, max_iter=3)
        )

    def pde(self) -> Tensor:
        force = self.k * torch.pi**2 * torch.sin(torch.pi * self.x)
        inputs = {"coordinates": self.x, "u": self.net(self.x), "f": force}
        found: Tensor = self.informer.forward(inputs)["poisson"]
        return self.scale * found

    def bc(self) -> Tensor:
        found: Tensor = self.net(self.ends)
        return found

    def losses(self) -> Mapping[str, Tensor]:
        """By hand, without PhysicsNeMo."""
        pde = self.scale * poisson(self.net, self.x, self.k)
        return {"pde": pde.square().mean(), "bc": self.net(self.ends).square().mean()}

    def run(self, steps: int, watch: Any = None) -> None:
        def closure() -> float:
            self.optimizer.zero_grad()
            terms = {"pde": self.pde(), "bc": self.bc()}
            plain = terms["pde"].square().mean() + 2 * terms["bc"].square().mean()
            loss = plain if watch is None else watch(terms)
            loss.backward()
            return float(loss)

        for _ in range(steps):
            self.optimizer.step(closure)

    def watched(self, to: Path, steps: int, **options: Any) -> Loop:
        weights = None if "scheme" in options else {"bc": 2.0}
        with pinndiag.watch(self.net, self.optimizer, to=to, every=1, weights=weights, **options) as watch:
            self.run(steps, watch)
        return self

    @property
    def trained(self) -> list[Tensor]:
        return [tensor for group in self.optimizer.param_groups for tensor in group["params"] if tensor.requires_grad]

    def wrap(self) -> pinndiag.PINN:
        terms = {"pde": self.pde, "bc": self.bc}
        return pinndiag.wrap(self.net, terms, weights={"bc": 2.0}, optimizer=self.optimizer)


def make() -> pinndiag.PINN:
    """The factory of a user."""
    return Loop().wrap()


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("k", [None, 0.5])
def test_training_and_figures_are_those_of_the_plain_loop(optimizer: str, k: float | None, tmp_path: Path) -> None:
    found, wanted = Loop(optimizer=optimizer, k=k), Loop(optimizer=optimizer, k=k)
    found.watched(tmp_path / "run", 4)
    wanted.run(3)
    record = healthy(tmp_path / "run").steps.at(3)
    for name, loss in wanted.losses().items():
        naive = figures(loss, wanted.trained)
        assert {key: getattr(record.terms[name], key) for key in naive} == pytest.approx(naive, rel=1e-10, abs=1e-14)
    assert record.terms["bc"].weight == 2
    wanted.run(1)
    for a, b in zip(found.trained, wanted.trained, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-13)


def test_frozen_parameters_stay_out_and_two_loops_are_one_run(tmp_path: Path) -> None:
    loop = Loop(dtype=torch.float32)
    next(loop.net.parameters()).requires_grad_(False)
    frozen = next(loop.net.parameters()).clone()
    with pinndiag.watch(loop.net, loop.optimizer, to=tmp_path / "run", every=1) as watch:
        loop.run(2, watch)
        loop.run(2, watch)
    run = healthy(tmp_path / "run")
    assert run.steps.steps.tolist() == [0, 1, 2, 3]
    assert sum(run.header.parameters.values()) == sum(tensor.numel() for tensor in loop.trained)
    assert torch.equal(next(loop.net.parameters()), frozen)


def test_a_scheme_mends_an_unbalanced_problem(tmp_path: Path) -> None:
    plain, balanced = Loop(scale=30.0), Loop(scale=30.0)
    plain.run(300)
    scheme = pinndiag.schemes.DynamicNorm(every=10, keep=0.9, bias_correction=True)
    balanced.watched(tmp_path / "run", 300, scheme=scheme)
    assert error(balanced) < 0.5 * error(plain)


def test_it_is_saved_reloaded_and_treated(tmp_path: Path) -> None:
    loop = Loop()
    loop.run(3)
    wanted = {name: loss.item() for name, loss in loop.losses().items()}
    torch.save(loop.net.state_dict(), tmp_path / "net.pt")
    for pinn in (
        pinndiag.load(loop.wrap().save(tmp_path / "pinn.pt")),
        pinndiag.load(tmp_path / "net.pt", factory=f"{__file__}:make"),
    ):
        assert {name: loss.item() for name, loss in pinn.losses().items()} == pytest.approx(wanted, rel=1e-10)
    comparison = pinndiag.remediate(pinn, ["dynamic_norm"], steps=4)
    assert comparison.treated.names == ["pde", "bc"]
