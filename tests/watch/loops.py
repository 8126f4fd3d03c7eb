"""Training loops of every kind, each written once and run plainly or watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pinndiag._terms._terms import mean_square

Terms = dict[str, Tensor]
Join = Callable[[Terms], Tensor]  # the sum of the losses, or a watch
STEPS = 6


@dataclass
class Problem:
    """u'' = k sin(3 x) on [0, 1] with a learnable k, in float64."""

    dtype: torch.dtype = torch.float64
    net: nn.Module = field(init=False)
    k: Tensor = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(1, 10), nn.Tanh(), nn.Linear(10, 10), nn.Tanh(), nn.Linear(10, 1))
        self.net.to(self.dtype)
        self.k = torch.tensor(0.5, dtype=self.dtype, requires_grad=True)
        self.x = torch.rand(20, 1, dtype=self.dtype)
        self.edge = torch.tensor([[0.0], [1.0]], dtype=self.dtype)

    @property
    def parameters(self) -> list[Tensor]:
        return [*self.net.parameters(), self.k]

    def terms(self, x: Tensor | None = None) -> Terms:
        x = (self.x if x is None else x).clone().requires_grad_()
        u = self.net(x)
        (first,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
        return {"pde": second - self.k * torch.sin(3 * x), "bc": self.net(self.edge)[:, 0] - 1}

    def values(self) -> list[Tensor]:
        return [p.detach().clone() for p in self.parameters]


def plain_sum(weights: Mapping[str, float] | None = None) -> Join:
    def total(terms: Terms) -> Tensor:
        parts = [(weights or {}).get(name, 1.0) * mean_square(term) for name, term in terms.items()]
        return torch.stack(parts).sum() if len(parts) > 1 else parts[0]

    return total


def adam(problem: Problem, optimizers: list[Any], join: Join) -> None:
    (optimizer,) = optimizers
    for _ in range(STEPS):
        optimizer.zero_grad()
        join(problem.terms()).backward()
        optimizer.step()


def clipped_with_scheduler(problem: Problem, optimizers: list[Any], join: Join) -> None:
    (optimizer,) = optimizers
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    for _ in range(STEPS):
        optimizer.zero_grad()
        join(problem.terms()).backward()
        torch.nn.utils.clip_grad_norm_(problem.parameters, 0.5)
        optimizer.step()
        scheduler.step()


def accumulated(problem: Problem, optimizers: list[Any], join: Join) -> None:
    (optimizer,) = optimizers
    for _ in range(STEPS):
        optimizer.zero_grad()
        for half in problem.x.split(10):
            (join(problem.terms(half)) / 2).backward()
        optimizer.step()


def closures(problem: Problem, optimizers: list[Any], join: Join) -> None:
    (optimizer,) = optimizers

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = join(problem.terms())
        loss.backward()
        return loss

    for _ in range(STEPS):
        optimizer.step(closure)


def adam_then_lbfgs(problem: Problem, optimizers: list[Any], join: Join) -> None:
    adam(problem, optimizers[:1], join)
    closures(problem, optimizers[1:], join)


def two_at_once(problem: Problem, optimizers: list[Any], join: Join) -> None:
    for _ in range(STEPS):
        for optimizer in optimizers:
            optimizer.zero_grad()
        join(problem.terms()).backward()
        for optimizer in optimizers:
            optimizer.step()


def scaled(problem: Problem, optimizers: list[Any], join: Join) -> None:
    (optimizer,) = optimizers
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=3)
    for _ in range(STEPS):
        optimizer.zero_grad()
        scaler.scale(join(problem.terms())).backward()
        scaler.step(optimizer)
        scaler.update()


def resampled(problem: Problem, optimizers: list[Any], join: Join) -> None:
    (optimizer,) = optimizers
    generator = torch.Generator().manual_seed(3)
    for _ in range(STEPS):
        optimizer.zero_grad()
        join(problem.terms(torch.rand(15, 1, generator=generator, dtype=problem.dtype))).backward()
        optimizer.step()


def scalars(problem: Problem, optimizers: list[Any], join: Join) -> None:
    (optimizer,) = optimizers
    for _ in range(STEPS):
        optimizer.zero_grad()
        join({name: mean_square(term) for name, term in problem.terms().items()}).backward()
        optimizer.step()


def coming_and_going(problem: Problem, optimizers: list[Any], join: Join) -> None:
    (optimizer,) = optimizers
    for step in range(STEPS):
        optimizer.zero_grad()
        terms = problem.terms()
        if step % 3 == 1:
            terms["data"] = problem.net(problem.x[:4]) - 2
        if step == 4:
            del terms["bc"]
        join(terms).backward()
        optimizer.step()
        with torch.no_grad():
            join({"bc": problem.net(problem.edge)})


def shared_forward(problem: Problem, optimizers: list[Any], join: Join) -> None:
    (optimizer,) = optimizers
    for _ in range(STEPS):
        optimizer.zero_grad()
        terms = problem.terms()
        terms["again"] = terms["pde"][:3] * 2
        join(terms).backward()
        optimizer.step()


def frozen_later(problem: Problem, optimizers: list[Any], join: Join) -> None:
    (optimizer,) = optimizers
    first = next(problem.net.parameters())
    for step in range(STEPS):
        first.requires_grad_(step not in (2, 3))
        optimizer.zero_grad()
        join(problem.terms()).backward()
        optimizer.step()


def own_gradients(problem: Problem, optimizers: list[Any], join: Join) -> None:
    """A loop that forms the gradient itself, and hooks on a parameter."""
    handle = problem.parameters[0].register_hook(lambda g: 0.5 * g)
    for _ in range(STEPS):
        loss = join(problem.terms())
        found = torch.autograd.grad(loss, problem.parameters, allow_unused=True)
        with torch.no_grad():
            for p, g in zip(problem.parameters, found, strict=True):
                if g is not None:
                    p -= 1e-2 * g
    handle.remove()


@dataclass(frozen=True)
class Loop:
    """A loop, and the optimizers it needs."""

    run: Callable[[Problem, list[Any], Join], None]
    optimizers: Callable[[Problem], list[Any]]
    context: Any = nullcontext


def _adam(problem: Problem) -> list[Any]:
    return [torch.optim.Adam(problem.parameters, lr=1e-2)]


def _adamw(problem: Problem) -> list[Any]:
    return [torch.optim.AdamW(problem.parameters, lr=1e-2, weight_decay=0.1)]


def _lbfgs(problem: Problem) -> list[Any]:
    return [torch.optim.LBFGS(problem.parameters, max_iter=5, line_search_fn="strong_wolfe")]


LOOPS = {
    "adam": Loop(adam, _adam),
    "adamw": Loop(adam, _adamw),
    "sgd": Loop(adam, lambda p: [torch.optim.SGD(p.parameters, lr=1e-3, momentum=0.9)]),
    "closure of adam": Loop(closures, _adam),
    "lbfgs": Loop(closures, _lbfgs),
    "clipped, scheduled": Loop(clipped_with_scheduler, _adam),
    "accumulated": Loop(accumulated, _adam),
    "adam, then lbfgs": Loop(adam_then_lbfgs, lambda p: [*_adam(p), *_lbfgs(p)]),
    "two optimizers": Loop(
        two_at_once, lambda p: [torch.optim.Adam(p.net.parameters(), lr=1e-2), torch.optim.SGD([p.k], lr=0.1)]
    ),
    "scaler": Loop(scaled, _adam),
    "resampled": Loop(resampled, _adam),
    "scalar losses": Loop(scalars, _adam),
    "terms come and go": Loop(coming_and_going, _adam),
    "shared forward": Loop(shared_forward, _adam),
    "frozen for a while": Loop(frozen_later, _adam),
    "own gradients": Loop(own_gradients, lambda p: []),
}
