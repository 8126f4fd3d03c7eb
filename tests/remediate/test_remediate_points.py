"""Where arms train: equal points for all, others for other seeds, fresh ones on request, none under a weight."""

from __future__ import annotations

import msgspec
import pytest
import torch
from torch import nn

import pinndiag
from pinndiag import PINN, PinndiagError
from pinndiag._records import Finding
from pinndiag._remediate._candidates import candidates, named
from pinndiag._remediate._points import drawn
from pinndiag._remediate._training import Plan, advance
from pinndiag.schemes import RBA, Causal, DynamicNorm, LRAnnealing
from tests.checks.records import record as healthy


def problem(sampler: bool = True) -> PINN:
    """u_t = u_x on (0, 1) x (0, 2), written (t, x), from sin x at t = 0 and with values at both ends."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    start = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        net[0].weight.add_(0.1)
    span = torch.tensor([1.0, 2.0], dtype=torch.float64)

    def pde(p: torch.Tensor) -> torch.Tensor:
        p = p.requires_grad_()
        (slope,) = torch.autograd.grad(net(p).sum(), p, create_graph=True)
        return slope[:, 0] - slope[:, 1]

    inside = span * torch.rand(24, 2, dtype=torch.float64)
    initial = torch.stack([torch.zeros(9, dtype=torch.float64), 2 * torch.rand(9, dtype=torch.float64)], 1)
    ends = torch.stack([torch.rand(8, dtype=torch.float64), torch.tensor([0.0, 2.0] * 4, dtype=torch.float64)], 1)
    return pinndiag.wrap(
        net,
        {"pde": pde, "ic": lambda p: net(p)[:, 0] - torch.sin(p[:, 1]), "bc": lambda p: net(p)[:, 0]},
        points={"pde": inside, "ic": initial, "bc": ends},
        sampler={"pde": lambda n: span * torch.rand(n, 2, dtype=torch.float64)} if sampler else None,
        initial=start,
    )


def elsewhere() -> PINN:
    """A PINN without a beginning."""
    net = nn.Linear(1, 1).double()
    ends = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    inside = torch.linspace(0, 1, 5, dtype=torch.float64)[1:-1, None]
    return pinndiag.wrap(net, {"pde": net, "bc": net}, points={"pde": inside, "bc": ends})


def places(pinn: PINN, every: int, seed: int, step: int, others: bool = True) -> dict[str, torch.Tensor]:
    twin = pinn.copy()
    drawn(pinn, [], every=every, others=others).place(twin, seed, step)
    return {name: info.points.coordinates for name, info in twin.infos.items() if info.points is not None}


def test_seed_0_begins_at_the_points_of_the_file_and_other_seeds_elsewhere() -> None:
    pinn = problem()
    stored = {name: info.points.coordinates for name, info in pinn.infos.items() if info.points is not None}
    for every in (0, 5):
        for name, points in places(pinn, every, 0, 0).items():
            assert torch.equal(points, stored[name])
    other, again = places(pinn, 0, 1, 0), places(pinn, 0, 1, 300)
    assert not torch.equal(other["pde"], stored["pde"])
    assert torch.equal(other["pde"], again["pde"])  # without `every` they stay for the whole run
    assert torch.equal(other["ic"], stored["ic"])  # no sampler: the points are the user's
    assert not drawn(pinn, [], every=0, others=False).pools


def test_fresh_points_come_every_so_many_steps_from_where_the_points_lie() -> None:
    pinn = problem(sampler=False)
    first, second, later = (places(pinn, 5, 0, step) for step in (4, 5, 9))
    assert all(torch.equal(second[name], later[name]) for name in second)
    assert not any(torch.equal(first[name], second[name]) for name in second)
    assert bool((second["ic"][:, 0] == 0).all())
    assert sorted(second["bc"][:, 1].unique().tolist()) == [0.0, 2.0]
    assert all(second[name].shape == first[name].shape for name in second)


def test_a_run_on_fresh_points_in_pieces_is_the_run_in_one() -> None:
    pinn = problem()
    plan = Plan("arm", DynamicNorm(), "initial", 0, 12, drawn(pinn, [], every=3, others=False))
    whole, _ = advance(pinn, plan, None, 12)
    half, _ = advance(pinn, plan, None, 7)
    rest, _ = advance(pinn, plan, half, 12)
    still, _ = advance(pinn, Plan("arm", DynamicNorm(), "initial", 0, 12), None, 12)
    for name, value in whole.parameters.items():
        torch.testing.assert_close(rest.parameters[name], value, rtol=1e-12, atol=1e-14)
        assert not torch.equal(still.parameters[name], value)


def test_points_that_a_scheme_weighs_do_not_change_under_it() -> None:
    pinn = problem()
    with pytest.raises(PinndiagError, match=r"RBA weighs the points of term 'pde' one by one"):
        pinndiag.remediate(pinn, ["rba"], steps=4, resample=1, diagnosis=healthy())
    with pytest.raises(PinndiagError, match="resample=-1"):
        pinndiag.remediate(pinn, ["lra"], steps=4, resample=-1)
    draws = drawn(pinn, [RBA(), LRAnnealing()], every=0, others=True)
    assert set(draws.pools) == {"pde"}  # from run to run they may: the weights begin anew
    timed = Causal(time={"pde": torch.zeros(24)})
    draws = drawn(pinn, [timed], every=0, others=True)
    assert not draws.pools
    assert draws.reasons == {"pde": "Causal was given their times"}


def test_the_report_says_that_points_were_drawn_anew() -> None:
    found = pinndiag.remediate(problem(), ["lra"], steps=4, resample=2, start="initial", diagnosis=healthy())
    assert found.record.resample == 2
    assert "the same fresh points every 2 steps" in " ".join(str(found).split())


def test_time_is_the_axis_at_whose_beginning_a_term_lies() -> None:
    finding = Finding(
        code="PD302", pathology="propagation", title="", severity="problem", terms=[], evidence=[], prescriptions=[]
    )
    record = msgspec.structs.replace(healthy(), findings=[finding])
    pinn = problem()
    first = next(one for one in candidates(pinn, record) if one.key == "causal").scheme
    assert isinstance(first, Causal)
    assert first.before == "ic"
    assert pinn.infos["pde"].points is not None
    assert torch.equal(first.time["pde"], pinn.infos["pde"].points.coordinates[:, 0])  # type: ignore[arg-type]
    asked = named("causal", pinn, healthy())
    assert isinstance(asked, Causal)
    assert asked.before == "ic"
    with pytest.raises(PinndiagError, match="causal weights need the time of each point"):
        named("causal", elsewhere(), healthy())
    assert {one.key for one in candidates(pinn, record, fresh=True)}.isdisjoint({"causal", "rba"})
