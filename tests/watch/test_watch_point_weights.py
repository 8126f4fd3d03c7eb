"""Weights that belong to single points: other points are refused, as far as the graphs show them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag import PinndiagError
from tests.watch.loops import Problem


def drawn(problem: Problem, seed: int) -> Tensor:
    return torch.rand(20, 1, generator=torch.Generator().manual_seed(seed), dtype=problem.dtype)


def watched(problem: Problem, scheme: object) -> tuple[pinndiag.Watch, torch.optim.Optimizer]:
    optimizer = torch.optim.SGD(problem.parameters, lr=1e-3)
    given = {"every": 1, "histograms": 0, "curvature": 0, "parameters": {"k": problem.k}}
    return pinndiag.watch(problem.net, optimizer, scheme=scheme, **given), optimizer  # type: ignore[arg-type]


def test_micro_batches_of_equal_size_are_refused() -> None:
    problem = Problem()
    watch, _ = watched(problem, "rba")
    watch(problem.terms(problem.x[:10])).backward()
    watch(problem.terms(problem.x[:10])).backward()  # the same points once more: a closure, or a second try
    with pytest.raises(PinndiagError, match="the points of term 'pde' changed within a step") as raised:
        watch(problem.terms(problem.x[10:]))
    assert "micro-batches" in str(raised.value)
    watch.close()


def test_points_drawn_anew_are_refused() -> None:
    problem = Problem()
    watch, optimizer = watched(problem, "rba")
    watch(problem.terms(drawn(problem, 0))).backward()
    optimizer.step()
    with pytest.raises(PinndiagError, match="the points of term 'pde' are not those that the weights of RBA belong to"):
        watch(problem.terms(drawn(problem, 1)))
    watch.close()


def test_fixed_points_and_schemes_that_remember_nothing_are_left_alone() -> None:
    for scheme, fixed in (("rba", True), (pinndiag.schemes.Causal(time={"pde": torch.rand(20)}, slabs=4), False)):
        problem = Problem()
        watch, optimizer = watched(problem, scheme)
        for step in range(4):
            terms = problem.terms(problem.x if fixed else drawn(problem, step))
            # another term, of as many points, may have them drawn anew
            x = drawn(problem, step).requires_grad_()
            (slope,) = torch.autograd.grad(problem.net(x).sum(), x, create_graph=True)
            watch({**terms, "slope": slope}).backward()
            optimizer.step()
        assert not watch.run().events
        watch.close()


def test_the_engine_refuses_weights_of_another_number_of_points() -> None:
    problem = Problem()
    optimizer = torch.optim.SGD(problem.parameters, lr=1e-3)
    scheme = pinndiag.schemes.RBA(optimizer=optimizer)
    scheme(problem.terms(problem.x[:12])).backward()
    with pytest.raises(PinndiagError, match="the points of term 'pde' changed within a step"):
        scheme(problem.terms(problem.x[12:]))
