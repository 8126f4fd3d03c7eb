"""A training that sums its loss by itself, observed beside: nothing changes, and the records are those of `watch`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag._store import read_run
from tests.watch.loops import LOOPS, Loop, Problem, Terms, plain_sum


def observed(loop: Loop, to: Path, **options: object) -> list[Tensor]:
    problem = Problem()
    optimizers = loop.optimizers(problem)
    with pinndiag.watch(problem.net, optimizers, to=to, parameters={"k": problem.k}, **options) as watch:  # type: ignore[arg-type]

        def join(terms: Terms) -> Tensor:
            watch.observe(terms, {})
            return plain_sum()(terms)

        loop.run(problem, optimizers, join)
    return problem.values()


@pytest.mark.parametrize("name", LOOPS)
def test_training_is_the_plain_loop_bit_for_bit(name: str, tmp_path: Path) -> None:
    loop, problem = LOOPS[name], Problem()
    optimizers = loop.optimizers(problem)
    loop.run(problem, optimizers, plain_sum())
    found = observed(loop, tmp_path / "run", every=1, histograms=2, curvature=4)
    assert all(torch.equal(a, b) for a, b in zip(found, problem.values(), strict=True))
    assert not [event for event in read_run(tmp_path / "run").events if event.event == "analyzer_failed"]


@pytest.mark.parametrize("name", ["adam", "lbfgs", "accumulated", "adam, then lbfgs", "shared forward"])
def test_the_records_are_those_of_the_joined_loss(name: str, tmp_path: Path) -> None:
    loop, problem = LOOPS[name], Problem()
    optimizers = loop.optimizers(problem)
    with pinndiag.watch(problem.net, optimizers, to=tmp_path / "a", every=1, parameters={"k": problem.k}) as watch:
        loop.run(problem, optimizers, watch)
    observed(loop, tmp_path / "b", every=1)
    wanted, found = read_run(tmp_path / "a").steps, read_run(tmp_path / "b").steps
    assert found.steps.tolist() == wanted.steps.tolist()
    for step in wanted.steps.tolist():
        a, b = wanted.at(step), found.at(step)
        assert b.cosine == pytest.approx(a.cosine, rel=1e-8)
        assert b.batches == a.batches
        for term in a.terms:
            assert b.terms[term].loss == pytest.approx(a.terms[term].loss, rel=1e-8)
            assert b.terms[term].grad_l2 == pytest.approx(a.terms[term].grad_l2, rel=1e-8)
        assert b.total.grad_l2 == pytest.approx(a.total.grad_l2, rel=1e-8)


def test_the_answer_is_what_the_scheme_asks_for_and_stays_within_a_step(tmp_path: Path) -> None:
    problem = Problem()
    optimizer = torch.optim.LBFGS(problem.parameters, max_iter=4)
    answers: list[dict[str, float]] = []
    scheme = pinndiag.schemes.DynamicNorm(keep=0.5)
    with pinndiag.watch(problem.net, optimizer, to=tmp_path / "run", every=1, scheme=scheme) as watch:

        def closure() -> Tensor:
            optimizer.zero_grad()
            terms = problem.terms()
            answers.append(watch.observe(terms))
            loss = plain_sum(answers[-1])(terms)
            loss.backward()
            return loss

        for step in range(3):
            answers.clear()
            optimizer.step(closure)
            assert len(answers) > 1
            assert all(answer == watch.weights for answer in answers)
            recorded = {name: term.weight for name, term in watch.run().steps.at(step).terms.items()}
            assert recorded == pytest.approx(watch.weights)
    assert watch.weights["bc"] != 1


def test_weights_that_are_applied_later_are_recorded_as_they_are_now(tmp_path: Path) -> None:
    problem = Problem()
    optimizer = torch.optim.Adam(problem.parameters)
    with pinndiag.watch(problem.net, optimizer, to=tmp_path / "run", every=1, scheme="dynamic_norm") as watch:
        answer = watch.observe(problem.terms(), {"pde": 2.0})
        optimizer.step()
        terms = watch.run().steps.at(0).terms
    assert (terms["pde"].weight, terms["bc"].weight) == (2.0, 1.0)
    assert answer == watch.weights != {"pde": 2.0, "bc": 1.0}


def test_what_is_no_training_is_not_counted(tmp_path: Path) -> None:
    problem = Problem()
    optimizer = torch.optim.Adam(problem.parameters)
    with pinndiag.watch(problem.net, optimizer, to=tmp_path / "run", every=1) as watch:
        terms = problem.terms()
        with torch.no_grad():
            assert watch.observe(terms, {"bc": 3.0}) == {"pde": 1.0, "bc": 3.0}
        assert watch.observe({name: term.detach() for name, term in terms.items()}) == {"pde": 1.0, "bc": 1.0}
        optimizer.step()
    with pytest.warns(RuntimeWarning, match="this watch is closed, and records nothing"):
        assert watch.observe(problem.terms()) == {"pde": 1.0, "bc": 1.0}
    optimizer.step()
    assert not read_run(tmp_path / "run").steps.steps.tolist()


def test_another_optimizer_is_followed(tmp_path: Path) -> None:
    problem = Problem()
    first = torch.optim.Adam(problem.parameters, lr=1e-2)
    second = torch.optim.SGD(problem.parameters, lr=1e-3)
    with pinndiag.watch(problem.net, to=tmp_path / "run", every=1, parameters={"k": problem.k}) as watch:
        for optimizer in (first, first, second):
            watch.follow(optimizer)
            watch.observe(problem.terms())
            optimizer.step()
        assert [(step, watch.run().steps.at(step).lr) for step in range(3)] == [(0, 1e-2), (1, 1e-2), (2, 1e-3)]
        watch.follow(torch.optim.SGD([torch.ones(1, requires_grad=True)]))  # trains something else
    assert [card.kind for card in read_run(tmp_path / "run").header.optimizers] == ["SGD"]
    third = torch.optim.Adam(problem.parameters)
    watch.follow(third)
    assert not first._optimizer_step_post_hooks | second._optimizer_step_post_hooks | third._optimizer_step_post_hooks
