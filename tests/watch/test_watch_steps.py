"""What belongs to the record of a step, in loops as people write them: figures against a naive loop in float64."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim.optimizer import _global_optimizer_pre_hooks
from torch.utils.checkpoint import checkpoint

import pinndiag
from pinndiag import PinndiagError
from pinndiag._records import StepLine
from pinndiag._store import Run
from pinndiag._terms._terms import mean_square
from tests.watch.loops import Problem, Terms, plain_sum

Gradients = Mapping[str, Tensor]


def flat(problem: Problem, losses: Mapping[str, Tensor]) -> Gradients:
    """Each loss's gradient by itself."""
    found = {}
    for name, loss in losses.items():
        pulled = torch.autograd.grad(loss, problem.parameters, retain_graph=True, materialize_grads=True)
        found[name] = torch.cat([g.reshape(-1) for g in pulled])
    return found


def naive(problem: Problem, terms: Terms) -> Gradients:
    return flat(problem, {name: mean_square(term) for name, term in terms.items()})


def watched(problem: Problem, optimizer: torch.optim.Optimizer | None = None, **options: Any) -> pinndiag.Watch:
    given = {"every": 1, "histograms": 0, "curvature": 0, "parameters": {"k": problem.k}, **options}
    return pinndiag.watch(problem.net, optimizer, **given)


def sgd(problem: Problem, lr: float = 0.0) -> torch.optim.SGD:
    return torch.optim.SGD(problem.parameters, lr=lr)


def grads(problem: Problem) -> Tensor:
    return torch.cat(
        [torch.zeros_like(p).reshape(-1) if p.grad is None else p.grad.reshape(-1) for p in problem.parameters]
    )


def agrees(line: StepLine, wanted: Gradients, weights: Mapping[str, float] | None = None) -> None:
    """Norms, cosines, and what the optimizer sees."""
    assert list(line.terms) == list(wanted)
    chosen = dict.fromkeys(wanted, 1.0) | dict(weights or {})
    for name, g in wanted.items():
        assert line.terms[name].grad_l2 == pytest.approx(float(g.norm()), rel=1e-12)
        assert line.terms[name].grad_max == pytest.approx(float(g.abs().max()), rel=1e-12)
        assert line.terms[name].weight == pytest.approx(chosen[name], rel=1e-12)
        assert line.applied[name] == pytest.approx(abs(chosen[name]) * float(g.norm()), rel=1e-12)
    total = torch.stack([chosen[name] * g for name, g in wanted.items()]).sum(0)
    assert line.total.grad_l2 == pytest.approx(float(total.norm()), rel=1e-12)
    for pair, value in line.cosine.items():
        a, b = (wanted[name] for name in pair.split("|"))
        assert value == pytest.approx(float(a @ b / a.norm() / b.norm()), rel=1e-10)


def test_two_calls_of_a_step_make_one_record() -> None:
    problem = Problem()
    watch = watched(problem, optimizer := sgd(problem), weights={"bc": 30.0}, histograms=1, curvature=1)
    for factor in (1.0, 10.0):  # of the second call's loss
        wanted = naive(problem, problem.terms())
        optimizer.zero_grad()
        terms = problem.terms()
        first = watch({"pde": terms["pde"]})
        (first + factor * watch({"bc": terms["bc"]})).backward()
        optimizer.step()
        line = watch.run().steps.at(-1)
        agrees(line, wanted, {"bc": 30.0 * factor})
        assert line.total.grad_l2 == pytest.approx(float(grads(problem).norm()), rel=1e-12)
        assert line.batches == 1
    run = watch.run()
    assert list(run.header.terms) == list(run.gradients(run.histograms[0]).terms) == ["pde", "bc"]
    assert list(run.curvature[0].terms) == ["pde"]  # measured in the first call, whose sum is not the step's
    assert run.curvature[0].total.sigma_max.value != run.curvature[0].total.sigma_max.value
    assert set(run.curvature[0].reasons) >= {"terms.bc", "total"}
    watch.close()


def test_two_backward_passes_of_a_step_make_one_record() -> None:
    problem = Problem()
    watch = watched(problem, optimizer := sgd(problem))
    wanted = naive(problem, problem.terms())
    for name, term in problem.terms().items():
        watch({name: term}).backward()
    optimizer.step()
    agrees(watch.run().steps.at(0), wanted)
    watch.close()


@pytest.mark.parametrize("scale", [1.0, 512.0])
def test_micro_batches_of_unequal_size_give_the_figures_of_the_whole_batch(scale: float) -> None:
    problem = Problem()
    watch = watched(problem, optimizer := sgd(problem))
    wanted = naive(problem, problem.terms())
    for part in problem.x.split([3, 10, 7]):
        (scale * watch(problem.terms(part)) * (len(part) / 20)).backward()
    optimizer.step()
    line = watch.run().steps.at(0)
    agrees(line, wanted)
    assert line.terms["pde"].loss == pytest.approx(float(mean_square(problem.terms()["pde"].detach())), rel=1e-12)
    assert line.batches == 3
    watch.close()


def test_a_term_of_one_micro_batch_weighs_what_the_optimizer_sees() -> None:
    problem = Problem()
    watch = watched(problem, optimizer := sgd(problem))
    wanted = naive(problem, problem.terms())
    for place, part in enumerate(problem.x.split(5)):
        terms = problem.terms(part)
        if place:
            del terms["bc"]
        (watch(terms) / 4).backward()
    optimizer.step()
    agrees(watch.run().steps.at(0), wanted, {"bc": 0.25})
    assert watch.run().steps.at(0).total.grad_l2 == pytest.approx(float(grads(problem).norm()), rel=1e-12)
    watch.close()


def test_what_never_went_backward_does_not_count() -> None:
    problem = Problem()
    watch = watched(problem, optimizer := sgd(problem))
    wanted = naive(problem, problem.terms())
    watch({name: 1e6 * term for name, term in problem.terms().items()})  # a loss that the loop looked at and left
    watch(problem.terms()).backward()
    with pytest.warns(RuntimeWarning, match="an evaluation never went backward, and is left out"):
        optimizer.step()
    agrees(watch.run().steps.at(0), wanted)
    watch(problem.terms())
    optimizer.step()  # told once
    assert watch.run().steps.steps.tolist() == [0]
    assert [event.event for event in watch.run().events] == ["warning"]
    watch.close()


@pytest.mark.parametrize("to_none", [True, False])
@pytest.mark.parametrize("late", [True, False])
def test_a_gradient_that_the_loop_throws_away_is_recorded_as_skipped(to_none: bool, late: bool) -> None:
    problem = Problem()
    watch = watched(problem, optimizer := sgd(problem))
    optimizer.zero_grad(set_to_none=to_none)
    watch({name: torch.nan * term for name, term in problem.terms().items()}).backward()
    for _ in range(2):  # the loop saw NaN, or met an error, and goes on with the next batch
        wanted = naive(problem, problem.terms())
        if not late:
            optimizer.zero_grad(set_to_none=to_none)
        loss = watch(problem.terms())
        if late:
            optimizer.zero_grad(set_to_none=to_none)
        loss.backward()
        optimizer.step()
    steps = watch.run().steps
    assert steps.steps.tolist() == [0, 0, 1]
    assert steps.run("skipped").tolist() == [1, 0, 0]
    for place in (1, 2):
        agrees(steps.at(place), wanted)
        assert steps.at(place).batches == 1
    watch.close()


def test_a_closure_that_fails_leaves_no_trace_in_the_next_record() -> None:
    problem = Problem()
    optimizer = torch.optim.LBFGS(problem.parameters, lr=0.0, max_iter=2)
    watch = watched(problem, optimizer)
    wanted = naive(problem, problem.terms())
    fails = True

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = watch({name: term * (1e3 if fails else 1.0) for name, term in problem.terms().items()})
        loss.backward()
        if fails:
            raise ArithmeticError
        return loss

    with pytest.raises(ArithmeticError):
        optimizer.step(closure)
    fails = False
    optimizer.step(closure)
    steps = watch.run().steps
    assert steps.run("skipped").tolist() == [1, 0]
    agrees(steps.at(-1), wanted)
    watch.close()


@pytest.mark.parametrize("observed", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_a_step_that_the_scaler_refuses_is_recorded_as_skipped(observed: bool, late: bool) -> None:
    problem = Problem(dtype=torch.float32)
    optimizer = torch.optim.Adam(problem.parameters, lr=1e-2)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    watch = watched(problem, optimizer)
    for step in range(4):
        if not late:
            optimizer.zero_grad()
        terms = problem.terms()
        if step == 1:
            terms["bc"] = terms["bc"] * 1e18  # finite; overflows once scaled
        if observed:
            watch.observe(terms, {})
        loss = plain_sum()(terms) if observed else watch(terms)
        if late:
            optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    steps = watch.run().steps
    assert steps.steps.tolist() == [0, 1, 1, 2]
    assert steps.run("skipped").tolist() == [0, 1, 0, 0]
    watch.close()


def test_a_fused_optimizer_that_the_scaler_holds_back_does_not_count() -> None:
    problem = Problem(dtype=torch.float32)
    optimizer = torch.optim.Adam(problem.parameters, lr=1e-2, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    watch = watched(problem, optimizer)
    for step in range(3):
        optimizer.zero_grad()
        terms = problem.terms()
        if step == 1:
            terms["bc"] = terms["bc"] * 1e18
        scaler.scale(watch(terms)).backward()
        scaler.step(optimizer)
        scaler.update()
    steps = watch.run().steps
    assert steps.steps.tolist() == [0, 1, 1]
    assert steps.run("skipped").tolist() == [0, 1, 0]
    watch.close()


@pytest.mark.parametrize("factor", [0.0, torch.inf, torch.nan])
def test_a_second_backward_pass_is_not_spoiled_by_a_factor_that_cannot_be_divided_out(factor: float) -> None:
    problem = Problem()
    watch = watched(problem, optimizer := sgd(problem))
    wanted = naive(problem, problem.terms())
    loss = watch(problem.terms())
    (factor * loss).backward(retain_graph=True)
    if factor == 0:
        assert torch.equal(grads(problem), torch.zeros_like(grads(problem)))
    optimizer.zero_grad()
    loss.backward()
    torch.testing.assert_close(grads(problem), sum(wanted.values()), rtol=1e-12, atol=1e-14)
    optimizer.step()
    agrees(watch.run().steps.at(0), wanted)
    watch.close()


Loop = Callable[[Problem, Callable[[Terms], Tensor]], Tensor]


def _regularised(problem: Problem, join: Callable[[Terms], Tensor]) -> Tensor:
    """A penalty on the output that a term is made of: their graphs have a part in common."""
    u = problem.net(problem.x)
    return join({"data": u - 1, "bc": problem.net(problem.edge)}) + 0.1 * u.abs().mean()


def _kept(problem: Problem, join: Callable[[Terms], Tensor]) -> Tensor:
    """The penalty goes backward by itself, afterwards."""
    u = problem.net(problem.x)
    join({"data": u - 1, "bc": problem.net(problem.edge)}).backward(retain_graph=True)
    return 0.1 * u.abs().mean()


def _checkpointed(problem: Problem, join: Callable[[Terms], Tensor]) -> Tensor:
    x = problem.x.clone().requires_grad_()
    return join({"data": checkpoint(problem.net, x, use_reentrant=True) - 1, "bc": problem.net(problem.edge)})


def _hooked(problem: Problem, join: Callable[[Terms], Tensor]) -> Tensor:
    """The gradient of a hidden layer is clipped, and two terms share it."""
    hidden = problem.net[:2](problem.x)  # type: ignore[index]
    hidden.register_hook(lambda g: g.clamp(-1e-3, 1e-3))
    u = problem.net[2:](hidden)  # type: ignore[index]
    return join({"data": u - 1, "more": u[:5] * 3})


class CompiledFunction(torch.autograd.Function):
    """Stands for what torch.compile makes of a forward pass: its graph goes backward once."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.passed = False
        return values.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        if ctx.passed:
            raise RuntimeError("compiled with non-empty donated buffers")
        ctx.passed = True
        return upstream


def _compiled(problem: Problem, join: Callable[[Terms], Tensor]) -> Tensor:
    u = CompiledFunction.apply(problem.net(problem.x))  # type: ignore[no-untyped-call]
    return join({"data": u - 1, "more": u[:5] * 3})


class Fragile(torch.autograd.Function):
    """Fails in some of its backward passes."""

    fails: tuple[int, ...] = ()
    passes = 0

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        Fragile.passes += 1
        if Fragile.passes in Fragile.fails:
            raise RuntimeError("out of something\nin detail")
        return upstream


def _fragile(problem: Problem, join: Callable[[Terms], Tensor]) -> Tensor:
    Fragile.fails, Fragile.passes = (2,), 0 if isinstance(join, pinndiag.Watch) else 2
    u = Fragile.apply(problem.net(problem.x))  # type: ignore[no-untyped-call]
    return join({"data": u - 1, "more": u[:5] * 3})


def test_an_error_of_the_plain_pass_too_is_the_users_with_a_note() -> None:
    problem = Problem()
    watch = watched(problem, sgd(problem))
    loss = _fragile(problem, watch)
    Fragile.fails = (1, 2, 3)
    with pytest.raises(RuntimeError, match="out of something") as raised:
        loss.backward()
    assert "every=0" in raised.value.__notes__[0]
    watch.close()


@pytest.mark.parametrize(
    ("loop", "why"),
    [
        (_regularised, ""),
        (_kept, ""),
        (_checkpointed, "use_reentrant=True"),
        (_hooked, "is not linear"),
        (_compiled, "torch.compile"),
        (_fragile, "failed: out of something;"),
    ],
)
def test_where_terms_cannot_be_taken_apart_the_training_is_the_plain_one(loop: Loop, why: str) -> None:
    found = []
    for watching in (False, True):
        problem = Problem()
        optimizer = torch.optim.Adam(problem.parameters, lr=1e-2)
        watch = watched(problem, optimizer)
        with pytest.warns(RuntimeWarning, match=why) if why and watching else pytest.MonkeyPatch.context():
            for _ in range(4):
                optimizer.zero_grad()
                loop(problem, watch if watching else plain_sum()).backward()
                optimizer.step()
        found.append(problem.values())
        if watching:
            run = watch.run()
            assert len(run.steps) == 4
            assert run.steps.measured().all() == (not why)
            assert run.steps.present("data").all()
            assert [event.event for event in run.events] == (["analyzer_failed"] if why else [])
        watch.close()
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_a_hook_that_sees_the_weight_sees_it_in_a_measured_step_as_well() -> None:
    weights, found = {"data": 1.0, "more": 10.0}, []
    for watching in (False, True):
        problem = Problem()
        optimizer = sgd(problem, 1e-2)
        watch = watched(problem, optimizer, weights=weights)
        with pytest.warns(RuntimeWarning, match="is not linear") if watching else pytest.MonkeyPatch.context():
            for _ in range(3):
                optimizer.zero_grad()
                u, v = problem.net(problem.x), problem.net(problem.edge)  # each term has a pass of its own
                v.register_hook(lambda g: g.clamp(-1e-3, 1e-3))
                (watch if watching else plain_sum(weights))({"data": u - 1, "more": v}).backward()
                optimizer.step()
        found.append(problem.values())
        watch.close()
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_hooks_on_parameters_leave_the_curvature_as_it_is() -> None:
    found = []
    for clipped in (False, True):
        problem = Problem()
        watch = watched(problem, sgd(problem), curvature=1)
        for p in problem.parameters if clipped else ():
            p.register_hook(lambda g: g.clamp(-1e-3, 1e-3))
        watch(problem.terms()).backward()
        watch.step()
        (line,) = watch.run().curvature
        found.append((line.total.sigma_max.value, line.work["pde"].value, line.work["bc"].value))
        watch.close()
    assert found[0] == found[1]


def test_a_batch_thrown_away_behind_a_reentrant_checkpoint_is_no_part_of_the_step() -> None:
    problem = Problem()
    optimizer = sgd(problem)
    watch = watched(problem, optimizer)
    x = problem.x.clone().requires_grad_()

    def trained(factor: float) -> None:
        optimizer.zero_grad()
        watch({"data": factor * checkpoint(problem.net, x, use_reentrant=True)}).backward()
        if factor == 1.0:
            optimizer.step()

    with pytest.warns(RuntimeWarning, match="use_reentrant=True"):
        trained(1.0)
    trained(100.0)  # and thrown away
    trained(1.0)
    steps = watch.run().steps
    assert [steps.at(i).skipped for i in range(len(steps))] == [False, True, False]
    assert steps.at(0).terms["data"].loss == steps.at(2).terms["data"].loss
    watch.close()


def test_a_batch_that_reaches_some_parameters_only_may_be_thrown_away_too() -> None:
    problem = Problem()
    optimizer = sgd(problem)
    watch = watched(problem, optimizer)
    for factor in (100.0, 1.0):
        optimizer.zero_grad()
        watch({"data": factor * problem.net(problem.x)}).backward(inputs=[*problem.net.parameters()][2:])
    optimizer.step()
    steps = watch.run().steps
    assert [steps.at(i).skipped for i in range(len(steps))] == [True, False]
    watch.close()


def test_a_scheme_that_cannot_have_the_gradients_says_so() -> None:
    problem = Problem()
    watch = watched(problem, sgd(problem), scheme="dynamic_norm")
    with pytest.raises(PinndiagError, match="the gradient of a single term cannot be formed"):
        _checkpointed(problem, watch)
    watch.close()
    watch = watched(problem, sgd(problem), scheme="dynamic_norm")
    with pytest.raises(PinndiagError, match="another loss goes back through the graphs of the terms"):
        _regularised(problem, watch).backward()
    watch.close()


def test_a_scheme_balances_the_terms_of_one_call() -> None:
    problem = Problem()
    watch = watched(problem, optimizer := sgd(problem), scheme=pinndiag.schemes.DynamicNorm(every=1))
    terms = problem.terms()
    watch(terms).backward()
    weight = watch.weights["bc"]
    assert weight != 1
    watch({"bc": problem.terms()["bc"]}).backward()  # a further part of the same step
    assert watch.weights["bc"] == weight
    with pytest.raises(PinndiagError, match="a second call within one step brings other terms"):
        watch({"pde": problem.terms()["pde"], "data": problem.net(problem.x)})
    optimizer.step()
    watch.close()


def test_point_weights_belong_to_the_points_of_the_step() -> None:
    problem = Problem()
    watch = watched(problem, sgd(problem), scheme=pinndiag.schemes.RBA())
    watch(problem.terms(problem.x[:12])).backward()
    with pytest.raises(PinndiagError, match="the points of term 'pde' changed within a step"):
        watch(problem.terms(problem.x[12:]))
    watch.close()


def test_after_the_end_nothing_is_recorded_and_the_scheme_goes_on() -> None:
    for scheme in (None, "softadapt"):
        problem = Problem()
        optimizer = torch.optim.Adam(problem.parameters, lr=1e-2)
        watch = watched(problem, optimizer, scheme=scheme)
        weights = []
        for step in range(8):
            optimizer.zero_grad()
            if step == 4:
                watch.close()
                with pytest.warns(RuntimeWarning, match="this watch is closed, and records nothing any more"):
                    loss = watch(problem.terms())
            else:
                loss = watch(problem.terms())
            loss.backward()
            optimizer.step()
            weights.append(watch.weights)
        assert (len({tuple(w.values()) for w in weights[4:]}) == 4) == (scheme is not None)
        assert len(watch.run().steps) == 4


@pytest.mark.parametrize("given", [False, True])
def test_an_optimizer_that_is_made_later_counts(given: bool) -> None:
    problem = Problem()
    before = torch.optim.Adam(problem.parameters, lr=1e-2) if given else None
    gc.collect()
    hooks = len(_global_optimizer_pre_hooks)
    watch = watched(problem, before)
    rates: Sequence[float] = (1e-2, 1e-3) if given else (1e-3,)
    for rate in rates:
        optimizer = before if before is not None and rate == 1e-2 else torch.optim.SGD(problem.parameters, lr=rate)
        for _ in range(2):
            optimizer.zero_grad()
            watch(problem.terms()).backward()
            optimizer.step()
    run: Run = watch.run()
    assert run.steps.run("lr").tolist() == [rate for rate in rates for _ in range(2)]
    watch.close()
    assert len(_global_optimizer_pre_hooks) == hooks
    watch = watched(problem)
    del watch
    gc.collect()
    assert len(_global_optimizer_pre_hooks) == hooks


def test_a_model_may_change_its_precision() -> None:
    problem = Problem(dtype=torch.float32)
    optimizer = sgd(problem)
    exact = torch.sin(problem.x)
    watch = watched(problem, optimizer, histograms=1, curvature=1, solution=(problem.x, exact))
    watch(problem.terms()).backward()
    optimizer.step()
    for step in range(2):
        problem.net.double()
        problem.k.data, problem.k.grad = problem.k.data.double(), None
        problem.x, problem.edge, problem.dtype = problem.x.double(), problem.edge.double(), torch.float64
        optimizer.zero_grad()
        wanted = naive(problem, problem.terms())
        watch(problem.terms()).backward()
        optimizer.step()
        agrees(watch.run().steps.at(step + 1), wanted)
    assert not watch.run().events
    watch.close()
