"""A scheme called as a loss: which calls are one step, whose network it is, whose points its weights belong to."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PinndiagError, schemes
from pinndiag.schemes import AbstractScheme
from tests.schemes.toys import network, terms

every_memory = pytest.mark.parametrize("make", [schemes.RBA, schemes.SelfAdaptive, schemes.BRDR])


def draw(seed: int, count: int = 12) -> Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def residuals(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """A term with derivatives in its points, and one on as many points without."""
    points = x.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(net(points).sum(), points, create_graph=True)
    return {"pde": slope.sum(1) - 1, "bc": net(torch.zeros(len(x), 2, dtype=x.dtype))[:, 0]}


def state(scheme: AbstractScheme) -> dict[str, object]:
    """Through a file."""
    file = io.BytesIO()
    torch.save(scheme.state_dict(), file)
    file.seek(0)
    return dict(torch.load(file, weights_only=True))


def test_calls_of_one_closure_are_one_step_and_others_each_one() -> None:
    net, scheme = network(), schemes.LRAnnealing(every=1)
    seen: list[list[float]] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = scheme(terms(net))
        loss.backward()
        seen[-1].append(float(scheme.weights["bc"]))
        return loss

    for kind, options in ((torch.optim.LBFGS, {"max_iter": 4, "lr": 0.1}), (torch.optim.SGD, {"lr": 1e-3})):
        optimizer = kind(net.parameters(), **options)
        for _ in range(2):
            seen.append([])
            optimizer.step(closure)
    assert len(seen[0]) > 1
    assert [len(set(weights)) for weights in seen] == [1, 1, 1, 1]
    assert len({weights[0] for weights in seen}) == 4
    scheme(terms(net)).backward()
    scheme(terms(net)).backward()
    assert scheme.state_dict()["_extra_state"]["step"] == 6


def test_an_optimizer_that_takes_over_counts_as_well() -> None:
    net = network()
    adam = torch.optim.Adam(net.parameters())
    scheme = schemes.LRAnnealing(every=1, optimizer=adam)
    assert scheme.settings["optimizer"] == "Adam"

    def closure() -> Tensor:
        later.zero_grad()
        loss = scheme(terms(net))
        loss.backward()
        return loss

    first = scheme(terms(net))
    first.backward()
    kept = scheme.weights["bc"]
    scheme(terms(net)).backward()  # another micro-batch
    assert scheme.weights["bc"] == kept
    adam.step()
    later = torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=3)
    for _ in range(2):
        later.step(closure)
        assert scheme.weights["bc"] != kept
        kept = scheme.weights["bc"]


def test_a_copy_of_a_scheme_with_an_optimizer_counts_its_calls() -> None:
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scheme = schemes.LRAnnealing(every=1, optimizer=optimizer)
    scheme(terms(net)).backward()
    other = copy.deepcopy(scheme)
    for _ in range(2):
        other(terms(net)).backward()
    assert other.state_dict()["_extra_state"]["step"] == 2
    assert other.settings["optimizer"] is None


def test_a_second_call_of_a_step_with_other_terms_is_refused() -> None:
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scheme = schemes.LRAnnealing(optimizer=optimizer)
    outputs = terms(net)
    scheme({"pde": outputs["pde"]}).backward()
    with pytest.raises(PinndiagError, match="a second call within one step brings other terms"):
        scheme({"bc": outputs["bc"]})


@every_memory
def test_points_drawn_anew_are_refused_alone(make: type[AbstractScheme]) -> None:
    net, scheme = network(), make()
    for _ in range(3):
        scheme(residuals(net, draw(0))).backward()  # other tensors, the same points
    for step in range(3, 201):
        if step == 200:
            with pytest.raises(PinndiagError, match=r"are not those that the weights of \w+ belong to"):
                scheme(residuals(net, draw(step)))
            return
        scheme(residuals(net, draw(0) * (1 + 1e-9)))  # as another device would make them
    raise AssertionError


def test_it_is_seen_at_the_second_step_and_after_a_change_that_is_meant_it_goes_on() -> None:
    net, scheme = network(), schemes.RBA()
    scheme(residuals(net, draw(0))).backward()
    with pytest.raises(PinndiagError, match="forget"):
        scheme(residuals(net, draw(1)))
    scheme.forget()
    scheme(residuals(net, draw(1))).backward()
    scheme(residuals(net, draw(1))).backward()


def test_a_state_is_not_taken_up_at_other_points() -> None:
    net, scheme = network(), schemes.RBA()
    scheme(residuals(net, draw(0))).backward()
    for seed in (0, 1):
        again = schemes.RBA()
        again.load_state_dict(state(scheme))
        if seed == 0:
            again(residuals(net, draw(seed))).backward()
            again(residuals(copy.deepcopy(net).float(), draw(seed).float()))
            continue
        with pytest.raises(PinndiagError, match="at other points"):
            again(residuals(net, draw(seed)))


def test_what_is_no_point_of_the_term_raises_no_alarm() -> None:
    """Trained tensors, other terms' points, one that is trained in place, boundary points without derivatives."""
    net, scheme = network(), schemes.RBA()
    field = torch.zeros(12, dtype=torch.float64, requires_grad=True)  # as many entries as there are points
    optimizer = torch.optim.SGD([*net.parameters(), field], lr=0.5)
    for step in range(4):
        optimizer.zero_grad()
        outputs = residuals(net, draw(0))
        other = residuals(net, draw(step))
        scheme({"pde": outputs["pde"] - field, "flux": other["pde"], "bc": net(draw(step))[:, 0]}).backward()
        optimizer.step()
    assert float(field.detach().abs().max()) > 0.01


def test_points_overwritten_in_place_are_seen_where_the_trained_tensors_are_known() -> None:
    net = network()
    scheme = schemes.RBA(parameters=net.parameters())
    x = draw(0).requires_grad_()

    def loss() -> Tensor:
        (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        return scheme({"pde": slope.sum(1)})

    loss().backward()
    loss().backward()
    with torch.no_grad():
        x.copy_(draw(1))
    with pytest.raises(PinndiagError, match="not those that the weights of RBA belong to"):
        loss()


def test_points_may_change_under_a_scheme_without_memory_when_it_refreshes() -> None:
    net = network()
    time = torch.linspace(0, 1, 12)
    often, seldom = (schemes.Causal(time={"pde": time}, every=every) for every in (1, 2))
    for step in range(3):
        often(residuals(net, draw(step))).backward()
    for step in range(4):
        seldom(residuals(net, draw(step // 2))).backward()
    seldom(residuals(net, draw(7)))
    with pytest.raises(PinndiagError, match="not those that the weights of Causal belong to"):
        seldom(residuals(net, draw(8)))


@pytest.mark.parametrize("key", ["lra", "softadapt", "fixed", "rba", "config"])
def test_one_scheme_under_two_watched_networks_is_refused(key: str) -> None:
    scheme = schemes.make(key)

    def step(net: nn.Module, scheme: AbstractScheme, count: int = 1) -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
        with pinndiag.watch(net, optimizer, scheme=scheme, every=1, histograms=0, curvature=0) as watch:
            for _ in range(count):
                optimizer.zero_grad()
                watch(residuals(net, draw(0))).backward()
                optimizer.step()

    first, second = network(), network()
    step(first, scheme, 2)
    step(first, scheme, 2)  # a second phase of the same training
    with pytest.raises(PinndiagError, match="has weighed the terms of another network"):
        step(second, scheme)
    step(second, copy.deepcopy(scheme))
    restored = schemes.make(key)
    step(network(), restored)
    restored.load_state_dict(state(scheme))
    step(second, restored)
    scheme.forget()
    step(second, scheme)


def test_losses_alone_tell_of_another_network_within_a_hundred_steps() -> None:
    scheme = schemes.SoftAdapt()
    net, other = network(), network()
    for _ in range(3):
        scheme(residuals(net, draw(0)))
    for _ in range(97):
        scheme(residuals(other, draw(0)))
    with pytest.raises(PinndiagError, match="another network"):
        scheme(residuals(other, draw(0)))


def test_layers_that_are_trained_in_turn_are_one_network() -> None:
    net, scheme = network(), schemes.LRAnnealing(every=1)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    first, last = net[0], net[2]  # type: ignore[index]
    with pinndiag.watch(net, optimizer, scheme=scheme, every=1, histograms=0, curvature=0) as watch:
        for turn in range(4):
            first.requires_grad_(turn % 2 == 0)
            last.requires_grad_(turn % 2 == 1)
            optimizer.zero_grad()
            watch(residuals(net, draw(0))).backward()
            optimizer.step()
    assert len(scheme.weights) == 2


def test_parameters_of_another_network_are_refused() -> None:
    scheme = schemes.LRAnnealing(parameters=network().parameters())
    with pytest.raises(PinndiagError, match="no term can be changed by training"):
        scheme(terms(network()))


def test_tensors_that_are_made_anew_at_each_step_are_one_training() -> None:
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    scheme = schemes.LRAnnealing(every=1)
    for _ in range(3):
        loss = scheme({"pde": 3 * weight, "bc": weight - 1})
        (slope,) = torch.autograd.grad(loss, weight)
        weight = (weight - 0.01 * slope).detach().requires_grad_()
    assert scheme.weights["bc"] != 1


def test_a_state_goes_with_the_arguments_that_shape_it() -> None:
    other = {
        "dynamic_norm": {"bias_correction": False},
        "gradnorm": {"ascent": "sgd"},
        "softadapt": {"order": 2},
        "uncertainty": {"parametrisation": "sigma", "init": 2.0},
        "sa": {"mask": "sigmoid"},
    }
    for key, options in other.items():
        scheme = schemes.make(key)
        scheme(terms(network()))
        with pytest.raises(PinndiagError, match="the state is that of"):
            schemes.make(key, **options).load_state_dict(state(scheme))
        schemes.make(key, every=7).load_state_dict(state(scheme))
