"""The joined loss against the plain weighted sum: gradients, hooks, scaling, other leaves, point weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pinndiag._engine import Combination, Evaluation, joined
from pinndiag._errors import PinndiagError
from pinndiag._terms._graphs import leaves, shares
from pinndiag._terms._terms import mean_square

WEIGHTS = torch.tensor([1.0, 30.0, 0.5], dtype=torch.float64)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 12), nn.Tanh(), nn.Linear(12, 1)).double()


def outputs(net: nn.Module, k: Tensor, *, shared: bool) -> dict[str, Tensor]:
    torch.manual_seed(1)
    x = torch.rand(30, 2, dtype=torch.float64).requires_grad_()
    u = net(x)
    (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    other = u if shared else net(torch.rand(7, 2, dtype=torch.float64))
    return {"pde": slope.sum(1) - k, "bc": other[:5, 0], "data": mean_square(net(torch.rand(4, 2).double()) - 1)}


def plain(net: nn.Module, k: Tensor, *, shared: bool, factor: float = 1.0) -> list[Tensor | None]:
    terms = outputs(net, k, shared=shared)
    total = sum(w * mean_square(o) for w, o in zip(WEIGHTS, terms.values(), strict=True))
    return list(torch.autograd.grad(factor * total, [*net.parameters(), k], allow_unused=True))


def evaluation(net: nn.Module, k: Tensor, *, shared: bool, keep: bool = False) -> Evaluation:
    return Evaluation(outputs(net, k, shared=shared), list(net.parameters()), shared=shared, others=[k], keep=keep)


def close(found: list[Tensor | None], wanted: list[Tensor | None]) -> None:
    for a, b in zip(found, wanted, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.fixture
def k() -> Tensor:
    return torch.tensor(0.3, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("early", ["backward", "forward", "forward, graphs kept"])
@pytest.mark.parametrize("factor", [1.0, 1024.0])
def test_gradients_are_those_of_the_plain_sum(shared: bool, early: str, factor: float, k: Tensor) -> None:
    net = network()
    seen: list[Tensor] = []
    step = evaluation(net, k, shared=shared, keep=early.endswith("kept"))
    if early.startswith("forward"):
        seen.append(step.gradients)
    loss = joined(step, Combination(WEIGHTS), lambda e, _: seen.append(e.gradients))
    (factor * loss).backward()
    close([*(p.grad for p in net.parameters()), k.grad], plain(net, k, shared=shared, factor=factor))
    terms = outputs(net, k, shared=shared)
    torch.testing.assert_close(loss, sum(w * mean_square(o) for w, o in zip(WEIGHTS, terms.values(), strict=True)))
    for row, output in zip(seen[-1], terms.values(), strict=True):
        wanted = torch.autograd.grad(
            mean_square(output), list(net.parameters()), retain_graph=True, materialize_grads=True
        )
        torch.testing.assert_close(row, torch.cat([g.reshape(-1) for g in wanted]), rtol=1e-12, atol=1e-15)


def test_nothing_measured_is_the_plain_loss_bit_for_bit(k: Tensor) -> None:
    net = network()
    loss = joined(evaluation(net, k, shared=False), Combination(WEIGHTS))
    found = torch.autograd.grad(loss, [*net.parameters(), k], allow_unused=True)
    assert all(torch.equal(a, b) for a, b in zip(found, plain(net, k, shared=False), strict=True))


def test_a_hook_on_a_parameter_runs_once_on_the_gradient_of_the_sum(k: Tensor) -> None:
    net = network()
    weight = next(net.parameters())
    weight.register_hook(lambda g: g.clamp(-1e-3, 1e-3))
    joined(evaluation(net, k, shared=True), Combination(WEIGHTS), lambda e, _: None).backward()
    assert weight.grad is not None
    (wanted,) = torch.autograd.grad(
        sum(w * mean_square(o) for w, o in zip(WEIGHTS, outputs(net, k, shared=True).values(), strict=True)), [weight]
    )
    torch.testing.assert_close(weight.grad, wanted, rtol=1e-12, atol=1e-15)  # the caller's own call is hooked as well
    assert float(weight.grad.abs().max()) == 1e-3


def test_callers_own_grad_and_a_second_backward_pass(k: Tensor) -> None:
    net = network()
    loss = joined(evaluation(net, k, shared=True), Combination(WEIGHTS), lambda e, _: None)
    wanted = plain(net, k, shared=True)
    for _ in range(2):
        close(list(torch.autograd.grad(loss, [*net.parameters(), k], retain_graph=True)), wanted)


def test_differentiating_twice_is_refused(k: Tensor) -> None:
    loss = joined(evaluation(network(), k, shared=True), Combination(WEIGHTS), lambda e, _: None)
    with pytest.raises(PinndiagError, match="cannot be differentiated twice"):
        loss.backward(create_graph=True)


@pytest.mark.parametrize("measured", [True, False])
def test_point_weights(measured: bool, k: Tensor) -> None:
    net = network()
    v = {"pde": torch.linspace(0, 2, 30, dtype=torch.float64)}
    seen: list[Tensor] = []
    step = evaluation(net, k, shared=False)
    loss = joined(step, Combination(WEIGHTS, v), (lambda e, _: seen.append(e.gradients)) if measured else None)
    loss.backward()
    terms = outputs(net, k, shared=False)
    weighted = [(v["pde"] * terms["pde"].square()).mean(), mean_square(terms["bc"]), terms["data"]]
    wanted = torch.autograd.grad(sum(w * t for w, t in zip(WEIGHTS, weighted, strict=True)), [*net.parameters(), k])
    close([*(p.grad for p in net.parameters()), k.grad], list(wanted))
    if measured:  # figures are of the unweighted term
        pde = mean_square(outputs(net, k, shared=False)["pde"])
        own = torch.autograd.grad(pde, list(net.parameters()), materialize_grads=True)
        torch.testing.assert_close(seen[0][0], torch.cat([g.reshape(-1) for g in own]), rtol=1e-12, atol=1e-15)


def test_direction_shows_the_plain_sum_and_applies_the_coefficients(k: Tensor) -> None:
    net = network()
    step = evaluation(net, k, shared=False)
    loss = joined(step, Combination(WEIGHTS, direction=True))
    torch.testing.assert_close(loss, sum(mean_square(o) for o in outputs(net, k, shared=False).values()))
    loss.backward()
    close([*(p.grad for p in net.parameters()), k.grad], plain(net, k, shared=False))


def test_a_parameter_that_no_term_reaches_gets_no_gradient(k: Tensor) -> None:
    net = network()
    aside = nn.Parameter(torch.ones(2, dtype=torch.float64))
    step = Evaluation(outputs(net, k, shared=False), [*net.parameters(), aside], shared=False)
    joined(step, Combination(WEIGHTS), lambda e, _: None).backward()
    assert aside.grad is None
    assert step.gradients.shape[1] == sum(p.numel() for p in net.parameters()) + 2


def test_a_term_that_no_parameter_changes_has_a_zero_gradient(k: Tensor) -> None:
    net = network()
    terms = {"pde": outputs(net, k, shared=False)["pde"], "still": torch.ones(3, dtype=torch.float64)}
    step = Evaluation(terms, list(net.parameters()), shared=False)
    joined(step, Combination(WEIGHTS[:2]), lambda e, _: None).backward()
    assert not step.gradients[1].any()
    assert step.values.tolist()[1] == 1.0


def test_leaves_and_sharing(k: Tensor) -> None:
    net = network()
    found = {id(leaf) for leaf in leaves(outputs(net, k, shared=True).values())}
    assert {id(t) for t in [*net.parameters(), k]} <= found
    assert len(found) == len(list(net.parameters())) + 2  # and the coordinates
    assert shares(list(outputs(net, k, shared=True).values()))
    assert not shares(list(outputs(net, k, shared=False).values()))
    assert leaves([k]) == [k]


def test_gradients_that_a_caller_changes_in_place_are_his_own(k: Tensor) -> None:
    """Of a leaf that one term of weight 1 reaches, too: a second pass gives what the first gave."""
    net = network()
    loss = joined(evaluation(net, k, shared=False), Combination(WEIGHTS), lambda step, rows: None)
    first = torch.autograd.grad(loss, [*net.parameters(), k], retain_graph=True)
    wanted = [g.clone() for g in first]
    for g in first:
        g.zero_()
    close(list(torch.autograd.grad(loss, [*net.parameters(), k])), list(wanted))
