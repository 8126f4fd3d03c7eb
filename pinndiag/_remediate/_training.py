"""One training of a copy, in pieces that another process can go on with."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from pinndiag._engine._processes import Processes
from pinndiag._records import OptimizerCard
from pinndiag._remediate._optimizers import card, made
from pinndiag._remediate._points import Draws
from pinndiag._remediate._starts import placed
from pinndiag._store import MemorySink, Run
from pinndiag._terms._optimizer import OptimizerState
from pinndiag._terms._pinn import PINN
from pinndiag._terms._randomness import RandomState, replayed
from pinndiag._watch import Balance, Ledger, Rates, Subject, Watch, header
from pinndiag.schemes import AbstractScheme

__all__ = ["Plan", "State", "advance", "arrived"]

RECORDS = 200  # of a run: what a figure can show


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """What is trained, and how.

    Attributes:
        key: of the arm.
        scheme: the balancing scheme as it begins; None trains with the PINN's own weights.
        start: "checkpoint" or "initial".
        seed: of the run.
        steps: optimizer steps in all.
        points: where it is trained.
    """

    key: str
    scheme: AbstractScheme | None
    start: str
    seed: int
    steps: int
    points: Draws = field(default_factory=Draws)


@final
@dataclass(frozen=True, eq=False)
class State:
    """A training that has come so far; plain values and tensors, so that a process can hand it over.

    Attributes:
        step: optimizer steps taken.
        parameters: name -> value.
        optimizer: its `state_dict`.
        scheme: the scheme as it is now.
        run: the records so far.
        seconds: wall time.
        evaluations: evaluations of loss and gradient.
        card: the optimizer.
        weights: of the terms, at the last step.
        points: per-point weights of the terms that have such, at the last step.
        notes: what a report should say.
    """

    step: int
    parameters: dict[str, Tensor]
    optimizer: dict[str, Any]
    scheme: AbstractScheme | None
    run: Run
    seconds: float
    evaluations: int
    card: OptimizerCard
    weights: dict[str, float]
    points: dict[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def advance(
    pinn: PINN, plan: Plan, state: State | None, until: int, told: Callable[[int], None] = lambda step: None
) -> tuple[State, PINN]:
    """Train a copy up to step `until`.

    Args:
        pinn: the PINN; it is not changed.
        plan: what is trained.
        state: where an earlier piece ended; None at the beginning.
        until: the step to stop at.
        told: called after each step with its number.

    Returns:
        where the training is now, and the trained copy.

    Cost: a gradient of every term a step; memory of one copy and about 200 step records.
    """
    first = 0 if state is None else state.step
    twin, optimizer, notes = _standing(pinn, plan, state)
    plan.points.place(twin, plan.seed, first)
    scheme = copy.deepcopy(plan.scheme if state is None else state.scheme)
    begun = time.perf_counter()
    evaluations = 0
    with replayed(RandomState.seeded(plan.seed)):
        watch, sink = _watched(twin, optimizer, scheme, plan, state)

        def evaluated() -> Tensor:
            nonlocal evaluations
            evaluations += 1
            optimizer.zero_grad()
            loss = watch(twin.outputs())
            loss.backward()
            return loss.detach()

        closure = isinstance(optimizer, torch.optim.LBFGS)
        for step in range(first, until):
            if plan.points.due(step):
                plan.points.place(twin, plan.seed, step)
            if closure:
                optimizer.step(evaluated)  # type: ignore[arg-type]
            else:
                evaluated()
                optimizer.step()
            told(step + 1)
        weights, points = watch.weights, watch.point_weights
        watch.close()
    now = State(
        step=until,
        parameters={name: tensor.detach().clone() for name, tensor in twin.parameters.items()},
        optimizer=optimizer.state_dict(),
        scheme=scheme,
        run=sink.run(),
        seconds=time.perf_counter() - begun + (0.0 if state is None else state.seconds),
        evaluations=evaluations + (0 if state is None else state.evaluations),
        card=card(
            optimizer, resumed=plan.start != "initial" and twin.optimizer is not None and bool(twin.optimizer.state)
        ),
        weights={name: weights.get(name, twin.weights[name]) for name in twin.names},
        points=points,
        notes=tuple(notes),
    )
    _tell(twin, optimizer)
    return now, twin


def arrived(pinn: PINN, plan: Plan, state: State) -> PINN:
    """The copy as a training left it, at the PINN's own points, with its optimizer."""
    twin, optimizer, _ = _standing(pinn, plan, state)
    _tell(twin, optimizer)
    return twin


def _standing(pinn: PINN, plan: Plan, state: State | None) -> tuple[PINN, torch.optim.Optimizer, list[str]]:
    """A copy where the training begins or goes on, its optimizer, and what a report should say of it."""
    twin = placed(pinn, start=plan.start, seed=plan.seed)
    optimizer, notes = made(twin.optimizer, twin.parameters, anew=plan.start == "initial")
    if state is not None:
        with torch.no_grad():
            for name, tensor in twin.parameters.items():
                tensor.copy_(state.parameters[name])
        optimizer.load_state_dict(state.optimizer)
    return twin, optimizer, notes


def _tell(twin: PINN, optimizer: torch.optim.Optimizer) -> None:
    """The limit of the learning rate is a matter of the state that the optimizer has now."""
    twin.optimizer = OptimizerState.of(optimizer, {id(tensor): name for name, tensor in twin.parameters.items()})


def _watched(
    twin: PINN, optimizer: torch.optim.Optimizer, scheme: AbstractScheme | None, plan: Plan, state: State | None
) -> tuple[Watch, MemorySink]:
    """A watch over the copy that keeps its records in memory."""
    reference = twin.reference
    subject = Subject({}, twin.parameters, [optimizer], reference, twin.solve)
    balance = Balance(twin.weights if scheme is None else {}, scheme)
    rates = Rates.of(max(1, plan.steps // RECORDS), 0, 0)
    head = header(subject, balance, rates, name=plan.key)
    sink = MemorySink(head) if state is None else MemorySink(state.run.header, state.run)
    watch = Watch(subject, Processes(), rates, balance, Ledger(sink, 1), off=False)
    if state is not None:
        watch.continue_at(state.step, state.seconds)
    return watch, sink
