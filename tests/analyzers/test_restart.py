"""The training begun again: equal to a plain loop of Adam, and to what a redrawn network should be."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN, PinndiagError
from pinndiag._records import Restart, from_plain, to_plain
from pinndiag.analyzers import restart
from pinndiag.analyzers._restart import redrawn
from tests.cases import CASES, derivative, mlp, uniform


def trained(model: nn.Module, lr: float = 5e-3, kind: Callable[..., torch.optim.Optimizer] = torch.optim.Adam) -> PINN:
    """A first-order equation, wrapped after its parameters moved."""
    x = uniform(25)

    def pde(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        return derivative(model(x), x) - torch.cos(3 * x)

    initial = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return pinndiag.wrap(
        model,
        {"pde": pde, "bc": lambda x: model(x)},
        points={"pde": x, "bc": torch.zeros(1, 1, dtype=torch.float64)},
        weights={"bc": 4.0},
        initial=initial,
        optimizer=kind(model.parameters(), lr=lr),
        solution=(x, torch.sin(3 * x) / 3),
    )


def test_the_stored_run_is_a_plain_loop_of_adam() -> None:
    model = mlp()
    pinn = trained(model)
    before = [t.detach().clone() for t in pinn.tensors]
    found = restart(pinn, steps=15, seed=2)
    assert (found.steps, found.lr, found.subset) == (15, 5e-3, {})
    assert all(a.equal(b) and b.grad is None for a, b in zip(before, pinn.tensors, strict=True))
    assert restart(pinn, steps=15, seed=2) == found
    assert from_plain(to_plain(found), Restart) == found

    drawn = redrawn(pinn.copy(initial=True), seed=2)
    for start, run in ((list(pinn.initial.values()), found.stored), (drawn, found.redrawn)):
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), start, strict=True):
                parameter.copy_(value)
        optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
        losses = [float(loss.detach()) for loss in pinn.losses().values()]
        assert list(run.before.values()) == pytest.approx(losses, rel=1e-10)
        assert run.total_before == pytest.approx(losses[0] + 4 * losses[1], rel=1e-10)
        for _ in range(15):
            optimizer.zero_grad()
            found_losses = pinn.losses()
            (found_losses["pde"] + 4 * found_losses["bc"]).backward()
            optimizer.step()
        losses = [float(loss.detach()) for loss in pinn.losses().values()]
        assert list(run.after.values()) == pytest.approx(losses, rel=1e-8)
        assert run.rel_l2 == pytest.approx(pinndiag.analyzers.solution(pinn).rel_l2, rel=1e-6)
    assert found.factor == pytest.approx(found.stored.total_after / found.redrawn.total_after)


def test_a_bad_start_is_left_behind() -> None:
    model = mlp(width=16, depth=4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e-3)
    assert restart(trained(model, lr=1e-3)).factor > 10


def test_a_good_start_is_not() -> None:
    assert 0.1 < restart(trained(mlp(width=16))).factor < 10


def test_the_learning_rate_is_that_of_adam_before_any_schedule() -> None:
    assert restart(trained(mlp(), kind=torch.optim.SGD), steps=1).lr == 1e-3
    for group, expected in (({"initial_lr": 0.02}, 0.02), ({"initial_lr": 0.0, "lr": math.nan}, 1e-3)):
        model = mlp()
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
        optimizer.param_groups[0].update(group)
        pinn = trained(model, kind=lambda *given, optimizer=optimizer, **settings: optimizer)
        assert restart(pinn, steps=1).lr == expected


def test_what_is_redrawn_and_what_stays() -> None:
    model = nn.Sequential(nn.Linear(40, 300), nn.Tanh(), nn.Linear(300, 1), nn.Conv1d(4, 50, 7)).double()
    with torch.no_grad():
        nn.init.zeros_(model[2].weight)
        nn.init.zeros_(model[0].bias)
        model[2].bias.fill_(0.7)
        model[3].bias.copy_(3 + 0.1 * torch.randn(50))
    scalar = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    lengths = torch.full((300, 1), 2.0, dtype=torch.float64, requires_grad=True)
    pinn = pinndiag.wrap(
        model,
        {"one": lambda: model[0].bias * scalar},
        parameters={"k": scalar, "0.weight_g": lengths},
    )
    drawn = dict(zip(pinn.parameters, redrawn(pinn, seed=1), strict=True))
    again = dict(zip(pinn.parameters, redrawn(pinn, seed=1), strict=True))
    assert all(drawn[name].equal(again[name]) for name in drawn)
    assert not drawn["0.weight"].equal(redrawn(pinn, seed=2)[list(drawn).index("0.weight")])
    assert float(drawn["0.weight"].std()) == pytest.approx(math.sqrt(2 / 340), rel=0.05)
    assert float(drawn["2.weight"].std()) == pytest.approx(math.sqrt(2 / 301), rel=0.15)  # although it was zero
    assert float(drawn["3.weight"].std()) == pytest.approx(math.sqrt(2 / (7 * 54)), rel=0.1)
    assert not drawn["0.bias"].any()
    assert float(drawn["3.bias"].mean()) == pytest.approx(3.0, abs=0.06)
    assert float(drawn["3.bias"].std()) == pytest.approx(0.1, rel=0.5)
    assert float(drawn["2.bias"]) == 0.7
    assert float(drawn["k"]) == 0.3
    assert drawn["0.weight_g"].equal(lengths)


def test_initial_parameters_that_say_nothing() -> None:
    pinn = CASES["poisson"]()
    with pytest.raises(PinndiagError, match="the initial parameters are those of the checkpoint"):
        restart(pinn)
    pinn.initial = None
    with pytest.raises(PinndiagError, match="the initial parameters are unknown"):
        restart(pinn)


@pytest.mark.parametrize("case", ["schroedinger", "coefficient", "noisy", "shared", "functional", "single_precision"])
def test_every_kind_of_term(case: str) -> None:
    pinn = CASES[case]()
    pinn.initial = {name: 0.9 * tensor.detach() for name, tensor in pinn.parameters.items()}
    found = restart(pinn, steps=3)
    assert math.isfinite(found.factor)
    assert set(found.stored.after) == set(pinn.names)
    assert found.stored.total_after != found.stored.total_before
