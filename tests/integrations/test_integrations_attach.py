"""`attach` and what it stands on, without any framework."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag._store import read_run
from pinndiag.integrations import FRAMEWORKS, known
from pinndiag.integrations._applied import applied
from pinndiag.integrations._taps import Replaced, beneath, tapped
from pinndiag.integrations._terms import named


class Sym:
    """A solver with the shape of PhysicsNeMo-Sym's, which cannot be installed beside a CPU build of torch."""

    __module__ = "physicsnemo.sym.solver.solver"

    def __init__(self, *, cuda_graphs: bool = False) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        self.cfg = SimpleNamespace(cuda_graphs=cuda_graphs)
        self.domain = SimpleNamespace(
            compute_losses=self.losses, create_global_optimizer_model=lambda: nn.ModuleList([self.net])
        )

    def losses(self, step: int) -> dict[str, Tensor]:
        x = torch.linspace(0, 1, 9)[:, None]
        u = self.net(x)
        return {"u": u[::8].square().mean(), "poisson": 100 * (u - x).square().mean()}

    def solve(self, steps: int) -> None:
        optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-2)
        for step in range(steps):
            optimizer.zero_grad()
            losses = self.domain.compute_losses(step)
            sum(losses.values(), start=torch.zeros(())).backward()
            optimizer.step()


untested = pytest.mark.filterwarnings("ignore:pinndiag was tested")


@untested
def test_sym_is_observed_and_balanced_in_its_dictionary(tmp_path: Path) -> None:
    wanted, found = Sym(), Sym()
    wanted.solve(4)
    with pinndiag.attach(found, to=tmp_path / "run", every=1):
        found.solve(4)
    assert all(torch.equal(a, b) for a, b in zip(found.net.parameters(), wanted.net.parameters(), strict=True))
    assert list(read_run(tmp_path / "run").steps.at(3).terms) == ["u", "poisson"]
    assert found.domain.compute_losses == found.losses
    with pytest.warns(UserWarning, match="aggregator"):
        handle = pinndiag.attach(found, every=1, scheme="dynamic_norm")
    scaled, plain = found.domain.compute_losses(0), found.losses(0)
    assert handle.weights["poisson"] != 1
    for name, loss in plain.items():
        assert scaled[name].item() == pytest.approx(handle.weights[name] * loss.item())
    handle.remove()


@untested
def test_sym_with_cuda_graphs_is_refused() -> None:
    with pytest.raises(pinndiag.PinndiagError, match="CUDA graphs"):
        pinndiag.attach(Sym(cuda_graphs=True))
    with pytest.raises(pinndiag.PinndiagError, match="out of band"):
        pinndiag.wrap(Sym())


def test_a_version_that_was_not_tested_is_named() -> None:
    with pytest.warns(UserWarning, match="nvidia-physicsnemo-sym .*; this is of unknown version"):
        pinndiag.attach(Sym()).remove()


@pytest.mark.parametrize("subject", [nn.Linear(1, 1), object(), {"pde": 1}])
def test_what_belongs_to_no_framework_is_refused(subject: Any) -> None:
    assert not known(subject)
    with pytest.raises(pinndiag.PinndiagError, match="belongs to no framework") as raised:
        pinndiag.attach(subject)
    assert "pinndiag.watch" in str(raised.value)


def test_what_has_no_training_of_its_own_belongs_into_a_loop() -> None:
    class PhysicsInformer:
        __module__ = "physicsnemo.sym.eq.phy_informer"

    with pytest.raises(pinndiag.PinndiagError, match="belongs to no framework") as raised:
        pinndiag.attach(PhysicsInformer())
    assert "pinndiag.watch" in raised.value.fix


@untested
def test_another_object_of_a_framework_is_refused() -> None:
    class Sampler:
        __module__ = "physicsnemo.sym.solver.sampler"

    with pytest.raises(pinndiag.PinndiagError, match=r"Sampler of physicsnemo\.sym\.solver is not"):
        pinndiag.attach(Sampler())


def test_a_plain_module_without_terms_is_asked_for_them() -> None:
    with pytest.raises(pinndiag.TermError, match="no loss terms were given"):
        pinndiag.wrap(nn.Linear(1, 1))


def test_every_framework_says_what_a_user_must_know() -> None:
    assert list(FRAMEWORKS) == [framework.about.key for framework in FRAMEWORKS.values()]
    for framework in FRAMEWORKS.values():
        about = framework.about
        assert about.package.replace("_", "-") in about.key or about.package == "physicsnemo.sym.solver"
        assert about.caution


def test_no_framework_is_imported() -> None:
    packages = {framework.about.package.partition(".")[0] for framework in FRAMEWORKS.values()}
    code = (
        "import sys, pinndiag; pinndiag.attach; pinndiag.integrations.known(3)\n"
        "found = {m.partition('.')[0] for m in sys.modules}\n"
        f"print(sorted(found & {packages!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_tap_goes_without_a_trace_and_leaves_what_came_after_it() -> None:
    class Thing:
        def double(self, x: int) -> int:
            return 2 * x

    thing = Thing()
    first = tapped(thing, "double", lambda method, x: method(x) + 1)
    second = tapped(thing, "double", lambda method, x: method(x) + 10)
    assert thing.double(1) == 13
    assert beneath(thing, "double")(1) == 2
    first.remove()  # the second one stands on it
    assert thing.double(1) == 13
    second.remove()
    first.remove()
    assert thing.double(1) == 2
    assert vars(thing) == {}


def test_a_value_set_by_the_user_meanwhile_is_kept() -> None:
    thing = SimpleNamespace(weight=1.0)
    replaced = Replaced(thing, "weight", 1.0)
    replaced.set(2.0)
    thing.weight = 5.0  # the user's
    replaced.set(3.0)
    replaced.remove()
    assert thing.weight == 5.0


def test_weights_are_read_off_the_graph_of_a_loss() -> None:
    theta = torch.tensor([0.5, 2.0], requires_grad=True)
    terms = {"pde": theta * torch.tensor([1.0, 3.0]), "bc": theta.sum(), "seen": theta.prod(), "zero": 0 * theta}
    squares = {name: term.square().mean() if term.ndim else term for name, term in terms.items()}
    loss = (squares["pde"] + 7 * squares["bc"]) ** 2 + squares["zero"]
    outer = 2 * (squares["pde"] + 7 * squares["bc"]).item()
    found = applied(loss, {**terms, "fixed": torch.ones(2)})
    assert found == pytest.approx({"pde": outer, "bc": 7 * outer, "seen": 0, "zero": 1, "fixed": 1})
    loss.backward()  # its graph is whole


def test_a_coefficient_that_is_replaced_during_a_training_is_followed(tmp_path: Path) -> None:
    net, outside = nn.Linear(1, 1), {"k": torch.ones((), requires_grad=True)}
    with pinndiag.watch(net, to=tmp_path / "run", every=1, parameters=outside) as watch:
        for k in (1.0, 2.0):
            outside["k"] = torch.tensor(k, requires_grad=True)
            watch({"data": outside["k"] * net(torch.ones(3, 1))}).backward()
            watch.step()
            assert outside["k"].grad is not None
    steps = read_run(tmp_path / "run").steps
    (weight, bias), (k,) = (p.item() for p in net.parameters()), (outside["k"].item(),)
    u = weight + bias
    wanted = [2 * k * k * u, 2 * k * k * u, 2 * k * u * u]  # of the loss (k u)^2: three coordinates, not four
    assert steps.at(1).terms["data"].grad_mean == pytest.approx(sum(map(abs, wanted)) / 3, rel=1e-5)


def test_names_are_made_unique() -> None:
    assert named(["a", "a", "a_0", "b|c"], "wxyz") == {"a_1": "w", "a_2": "x", "a_0": "y", "b/c": "z"}
