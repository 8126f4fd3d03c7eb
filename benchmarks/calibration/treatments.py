"""Prescriptions as code: what each asks for, done to a training.

A prescription that names a scheme is applied by `pinndiag.remediate`, as its command would. The others change the setup
as their lines of code do; what only a person can write (a guard, an exact condition of this very problem, the right
sign) is taken from the equation or from the case.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import torch
from torch import Tensor, nn

import pinndiag
from benchmarks.calibration.case import Case
from benchmarks.calibration.equation import Equation
from benchmarks.calibration.training import Phase, Setup, Training, mlp
from pinndiag.nn import MLP, FourierFeatures, glorot

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
    if chosen.start == "initial":
        phases = chosen.setup.phases
        share = [replace(p, budget=max(1, round(2 * p.budget * budget / chosen.setup.budget))) for p in phases]
        treated = Training(replace(chosen.setup, phases=tuple(share))).run()
    else:
        treated = _taken_up(chosen.setup, state, budget)
    return Effect(chosen.key, trained.error(), treated.error(), before, budget)


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


class _Scaled(nn.Module):
    """Inputs mapped to [-1, 1]."""

    def __init__(self, net: nn.Module, low: Tensor, high: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(2 * (x - self.low) / (self.high - self.low) - 1)  # type: ignore[operator]


class _Output(nn.Module):
    def __init__(self, net: nn.Module, scale: float) -> None:
        super().__init__()
        self.net, self.scale = net, scale

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.scale * self.net(x)
        return values


def _affine(setup: Setup, found: re.Match[str]) -> Setup:
    def wrap(net: nn.Module, equation: Equation) -> nn.Module:
        ends = [torch.tensor(side, dtype=setup.dtype) for side in (equation.box.low, equation.box.high)]
        return _Scaled(net, *ends)

    return setup.built(wrap)


def _output(setup: Setup, found: re.Match[str]) -> Setup:
    """The size of the solution, as the conditions or data show it: the largest known value."""

    def wrap(net: nn.Module, equation: Equation) -> nn.Module:
        assert equation.solution is not None
        return _Output(net, float(equation.solution[1].abs().max()))

    return setup.built(wrap)


def _divided(setup: Setup, found: re.Match[str]) -> Setup:
    """Each loss divided by what it is at the start."""
    sizes = Training(setup).losses()
    return setup.weighted(**{n: 1 / size for n, size in sizes.items() if size > 0})


def _rate(setup: Setup, found: re.Match[str]) -> Setup:
    new = found.groupdict().get("rate")
    return setup.phase(lr=float(new) if new else setup.phases[-1].lr / 10)


def _faster(setup: Setup, found: re.Match[str]) -> Setup:
    new = found.groupdict().get("rate")
    return setup.phase(lr=float(new) if new else setup.phases[-1].lr * 3)


def _lbfgs(setup: Setup, found: re.Match[str]) -> Setup:
    """A phase of L-BFGS in float64 with the loss scaled to about 1e4."""
    phase = Phase("lbfgs", settings={"max_iter": 20})
    return replace(setup, phases=(*setup.phases, phase), dtype=torch.float64, scale=_scale(setup))


def _scale(setup: Setup) -> float:
    total = Training(setup).total()
    return 1e4 / total if 0 < total < float("inf") else 1.0


def _damped(setup: Setup, found: re.Match[str]) -> Setup:
    return replace(setup, scheme=lambda: pinndiag.schemes.LRAnnealing(w_max=1e4))


def _attended(setup: Setup, found: re.Match[str]) -> Setup:
    name = found["term"]
    return replace(setup, scheme=lambda: pinndiag.schemes.RBA(terms=[name]))


def _causal(setup: Setup, found: re.Match[str]) -> Setup:
    """Twenty slabs of the last axis, weights as prescribed."""

    def change(equation: Equation) -> Equation:
        name = next(iter(equation.terms))
        term = equation.terms[name]

        def residual(net: nn.Module, x: Tensor) -> Tensor:
            r = term.residual(net, x)
            axis = x[:, :1] if x.shape[1] > 1 else x  # (t, x): time comes first here
            order = axis.detach().flatten().argsort()
            means = torch.stack([part.square().mean() for part in r.flatten()[order].chunk(20)])
            before = torch.cumsum(means.detach(), 0) - means.detach()
            return (torch.exp(-before) * means).mean()

        return replace(equation, terms={**equation.terms, name: replace(term, residual=residual)})

    return setup.posed(change)


def _exact(setup: Setup, found: re.Match[str]) -> Setup | None:
    """The condition by construction; the equation knows how."""
    known = setup.pose(setup.dtype).exact
    if known is None:
        return None
    dropped = setup.posed(
        lambda e: replace(e, terms={n: t for n, t in e.terms.items() if e.exact is None or n not in e.exact.dropped})
    )
    return dropped.built(lambda net, equation: known.network(net))


def _fourier(setup: Setup, found: re.Match[str]) -> Setup:
    """64 frequencies of scale 4 on inputs mapped to [0, 1], before the same hidden layers."""

    def make(equation: Equation) -> nn.Module:
        size = len(equation.box.low)
        waves = FourierFeatures(size, 64, scale=4.0)
        return nn.Sequential(_Unit(equation), waves, MLP(128, equation.outputs, width=20, depth=3))

    return replace(setup, network=make)


class _Unit(nn.Module):
    def __init__(self, equation: Equation) -> None:
        super().__init__()
        self.register_buffer("low", torch.tensor(equation.box.low))
        self.register_buffer("high", torch.tensor(equation.box.high))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.low) / (self.high - self.low)  # type: ignore[operator]


def _glorot(setup: Setup, found: re.Match[str]) -> Setup:
    def wrap(net: nn.Module, equation: Equation) -> nn.Module:
        glorot(net)
        return net

    return setup.built(wrap)


def _wider(setup: Setup, found: re.Match[str]) -> Setup:
    """Four times the width, or the usual one where that is more."""
    width = min(p.shape[0] for n, p in Training(setup).model.named_parameters() if "hidden" in n and p.ndim == 2)
    return replace(setup, network=mlp(max(20, 4 * width)))


def _nothing(setup: Setup, found: re.Match[str]) -> None:
    """Lines that only the case can have."""


def _points(count: int) -> Callable[[Setup, re.Match[str]], Setup]:
    def change(setup: Setup, found: re.Match[str]) -> Setup:
        def more(equation: Equation) -> Equation:
            name = next(iter(equation.terms))
            term = equation.terms[name]
            return replace(
                equation, terms={**equation.terms, name: replace(term, count=count * term.count, points=None)}
            )

        return setup.posed(more)

    return change


def _resampled(setup: Setup, found: re.Match[str]) -> Setup:
    """New points every 100 steps; an L-BFGS step makes twenty iterations by itself."""
    every = 1 if setup.phases[-1].kind == "lbfgs" else 100

    def change(equation: Equation) -> Equation:
        name = next(iter(equation.terms))
        return replace(
            equation, terms={**equation.terms, name: replace(equation.terms[name], resample=every, points=None)}
        )

    return setup.posed(change)


SCHEMES = {
    "balance the gradient norms": "dynamic_norm",
    "every term agrees with": "config",
}  # where no command is given
Change = Callable[[Setup, re.Match[str]], Setup | None]
# what the title of a prescription says -> which one it is, where its training starts, what it does to a setup
RULES: list[tuple[str, str, Literal["checkpoint", "initial"], Change]] = [
    (r"map the inputs to", "affine_inputs", "initial", _affine),
    (r"scale the output", "scale_output", "initial", _output),
    (r"divide each term", "scale_losses", "initial", _divided),
    (r"float64, at least", "float64", "checkpoint", lambda s, _: replace(s, dtype=torch.float64)),
    (r"lower the learning rate to about (?P<rate>[-+.e\d]+?)\.?$", "smaller_rate", "initial", _rate),
    (r"lower the learning rate by", "smaller_rate", "initial", _rate),
    (r"raise the learning rate to about (?P<rate>[-+.e\d]+?)\.?$", "larger_rate", "checkpoint", _faster),
    (r"larger learning rate", "larger_rate", "checkpoint", _faster),
    (r"train on, three times as long", "train_longer", "checkpoint", lambda s, _: s.phase(decay=0.01)),
    (r"add an l-bfgs phase", "lbfgs", "checkpoint", _lbfgs),
    (r"scale the loss to about 1e4", "scaled_lbfgs", "checkpoint", _lbfgs),
    (r"draw new points during", "resample", "checkpoint", _resampled),
    (r"use more points", "more_points", "checkpoint", _points(4)),
    (r"regular points by random", "shifted_points", "initial", _points(1)),
    (r"weight the points of '(?P<term>.*)'", "point_weights", "checkpoint", _attended),
    (r"residual of later times", "causal_weights", "initial", _causal),
    (r"satisfy the condition exactly", "exact_condition", "initial", _exact),
    (r"fourier features", "fourier_features", "initial", _fourier),
    (r"initialise the layers again", "glorot", "initial", _glorot),
    (
        r"rule that damps itself",
        "damped_weights",
        "initial",
        _damped,
    ),
    (r"fix the size of the unknown", "normalised_unknown", "initial", _nothing),
    (r"widen|wider|more units", "wider", "initial", _wider),
    (r"larger batch", "larger_batch", "checkpoint", lambda s, _: s.terms(batch=0)),
    (r"guard the argument", "safe_where", "checkpoint", _nothing),
    (r"attached to the network", "attach_term", "checkpoint", _nothing),
    (r"create_graph", "check_create_graph", "checkpoint", _nothing),
    (r"use the coefficient", "use_coefficient", "checkpoint", _nothing),
    (r"^drop ", "one_term", "checkpoint", _nothing),
    (r"the layer in forward", "unused_layer", "initial", _nothing),
]
