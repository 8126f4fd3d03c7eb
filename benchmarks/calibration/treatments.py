"""Prescriptions as code: what each asks for, done to a training.

A prescription that names a scheme is applied by `pinndiag.remediate`, as its command would. The others change the setup
as their lines of code do; what only a person can write (a guard, an exact condition of this very problem, the right
sign) is taken from the equation or from the case.
"""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import torch

import pinndiag
from benchmarks.calibration.case import Case
from benchmarks.calibration.marching import marched
from benchmarks.calibration.prescriptions import RULES, SCHEMES
from benchmarks.calibration.training import Setup, Training

__all__ = ["Effect", "Treatment", "effect", "treatment"]

SMALLEST = 1e-7  # errors below are alike: nothing is left to win


@final
@dataclass(frozen=True)
class Treatment:
    """What a prescription asks for.

    Attributes:
        key: which prescription.
        setup: the training as prescribed; None where a scheme is tried by `remediate`.
        start: "checkpoint": the trained network goes on; "initial": a new training.
        scheme: the scheme to try.
    """

    key: str
    setup: Setup | None
    start: Literal["checkpoint", "initial"] = "checkpoint"
    scheme: str = ""


@final
@dataclass(frozen=True)
class Effect:
    """Errors after equal budgets: of training on as it is, and of the treatment; and of the network as it was."""

    key: str
    untreated: float
    treated: float
    before: float
    budget: int

    @property
    def factor(self) -> float:
        """Untreated / treated: above 1 it helped. Infinite or NaN errors are as bad as an error can be."""
        bad = 1e6
        before, after = (min(v, bad) if v == v else bad for v in (self.untreated, self.treated))
        return max(before, SMALLEST) / max(after, SMALLEST)


def treatment(case: Case, prescription: dict[str, Any]) -> Treatment | None:
    """What the prescription asks for; None where there is nothing to apply, or the case has no such lines."""
    command = prescription.get("command", "")
    if "remediate" in command:
        words = shlex.split(command)
        start = "initial" if "initial" in words else "checkpoint"
        return Treatment(words[words.index("--scheme") + 1], None, start, words[words.index("--scheme") + 1])
    title = prescription["title"].removeprefix("Or ")
    for pattern, scheme in SCHEMES.items():
        if re.search(pattern, title, re.IGNORECASE):
            if case.setup.scheme is not None:  # it takes the place of another one; `remediate` knows fixed weights only
                setup = replace(case.setup, scheme=pinndiag.schemes.SCHEMES[scheme])
                return Treatment(scheme, setup, "initial")
            return Treatment(scheme, None, "initial", scheme)
    for pattern, key, start, change in RULES:
        found = re.search(pattern, title, re.IGNORECASE)
        if found:
            if key in case.code:
                return Treatment(key, case.code[key], start)
            made = change(case.setup, found)
            return None if made is None else Treatment(key, made, start)
    return None


def effect(case: Case, chosen: Treatment, state: dict[str, Any], before: float) -> Effect:
    """Treat, train on untreated for as long, and compare.

    A treatment of the trained network goes on from it for one more budget, as the untreated training does. One that
    begins anew gets two: both have then been trained for as long, from the same start.
    """
    setup = case.setup
    budget = setup.budget
    trained = Training.at(setup, state)
    if chosen.setup is None:
        steps = budget if setup.phases[-1].kind != "lbfgs" else max(2, budget // 20)
        compared = pinndiag.remediate(trained.wrap(), [chosen.scheme], steps=steps, start=chosen.start)
        arms = compared.record.baseline, compared.record.arms[0]
        figures = [_figure(arm) for arm in arms]
        return Effect(chosen.key, figures[0], figures[1], before, budget)
    trained.go_on(replace(setup.phases[-1], budget=budget))
    if chosen.key == "time_windows":
        return _compared(chosen, trained, marched(setup, 2 * budget), before, budget)
    if chosen.start == "initial":
        phases = chosen.setup.phases
        share = [replace(p, budget=max(1, round(2 * p.budget * budget / chosen.setup.budget))) for p in phases]
        treated = Training(replace(chosen.setup, phases=tuple(share))).run()
    else:
        treated = _taken_up(chosen.setup, state, budget)
    return _compared(chosen, trained, treated.error(), before, budget)


def _compared(chosen: Treatment, untreated: Training, treated: float | None, before: float, budget: int) -> Effect:
    return Effect(chosen.key, untreated.error(), math.nan if treated is None else treated, before, budget)


def _taken_up(setup: Setup, state: dict[str, Any], budget: int) -> Training:
    """The trained network under another setup: its last phase is the prescribed one."""
    treated = Training(setup)
    treated.model.load_state_dict({k: v.to(setup.dtype) for k, v in state["model"].items()})
    treated.step = state["step"]
    for name, term in treated.equation.terms.items():
        if len(state["points"][name]) == term.count or term.points is not None:  # else it is told to use others
            treated.points[name] = state["points"][name].to(setup.dtype)
    phase = replace(setup.phases[-1], budget=budget)
    optimizer = treated.begin(phase)
    if type(optimizer).__name__ == state["kind"] and phase.kind != "lbfgs":
        rates = [group["lr"] for group in optimizer.param_groups]
        optimizer.load_state_dict(state["optimizer"])
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
    torch.manual_seed(1000 + setup.seed)
    treated.go_on(phase)
    return treated


def _figure(arm: Any) -> float:
    run = arm.runs[0]
    if not run.finite:
        return float("inf")
    if run.rel_l2 is not None:
        return float(run.rel_l2)
    losses = [run.held_out.get(name, loss) for name, loss in run.losses.items()]
    return float(max(losses))
