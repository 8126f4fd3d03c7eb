"""What prescriptions do to a training: the lines of code that they ask for, as changes of a setup."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

import pinndiag
from benchmarks.calibration.equation import Equation
from benchmarks.calibration.training import Phase, Setup, Training, mlp
from pinndiag.nn import MLP, FourierFeatures, glorot

__all__ = ["RULES", "SCHEMES"]


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
    """64 frequencies of scale 4 on inputs mapped to [0, 1] before the hidden layers; new points every 100 steps."""

    def make(equation: Equation) -> nn.Module:
        size = len(equation.box.low)
        waves = FourierFeatures(size, 64, scale=4.0)
        return nn.Sequential(_Unit(equation), waves, MLP(128, equation.outputs, width=20, depth=3))

    return _resampled(replace(setup, network=make), found)


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
Start = Literal["checkpoint", "initial"]
Change = Callable[[Setup, re.Match[str]], Setup | None]
# what the title of a prescription says -> which one it is, where its training starts, what it does to a setup
RULES: list[tuple[str, str, Start, Change]] = [
    (r"map the inputs to", "affine_inputs", "initial", _affine),
    (r"scale the output", "scale_output", "initial", _output),
    (r"divide each term", "scale_losses", "initial", _divided),
    (r"float64, at least", "float64", "checkpoint", lambda s, _: replace(s, dtype=torch.float64)),
    (r"lower the learning rate to about (?P<rate>[-+.e\d]+?)(\.|, and .*)$", "smaller_rate", "initial", _rate),
    (r"lower the learning rate by", "smaller_rate", "initial", _rate),
    (r"raise the learning rate to (?P<rate>[-+.e\d]+?)\.$", "larger_rate", "checkpoint", _faster),
    (r"larger learning rate", "larger_rate", "checkpoint", _faster),
    (r"train on, three times as long", "train_longer", "checkpoint", lambda s, _: s.phase(decay=0.01)),
    (r"add an l-bfgs phase", "lbfgs", "checkpoint", _lbfgs),
    (r"scale the loss to about 1e4", "scaled_lbfgs", "checkpoint", _lbfgs),
    (r"^draw new points during", "resample", "checkpoint", _resampled),
    (r"begin anew, and draw new points", "resample_anew", "initial", _resampled),
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
    (r"^march: ", "time_windows", "initial", lambda s, _: s),  # by `marching`
    (r"fix the size of the unknown", "normalised_unknown", "initial", _nothing),
    (r"widen|wider|more units", "wider", "initial", _wider),
    (r"more points for each step", "larger_batch", "checkpoint", lambda s, _: s.terms(batch=0)),
    (r"activation between the layers", "activation", "initial", _nothing),
    (r"exchange the two names|rename", "rename_terms", "checkpoint", _nothing),
    (r"guard the argument", "safe_where", "initial", _nothing),
    (r"attached to the network", "attach_term", "checkpoint", _nothing),
    (r"create_graph", "check_create_graph", "checkpoint", _nothing),
    (r"use the coefficient", "use_coefficient", "checkpoint", _nothing),
    (r"^drop ", "one_term", "checkpoint", _nothing),
    (r"the layer in forward", "unused_layer", "initial", _nothing),
]
