"""TorchPhysics: a forward hook at every training condition, and a tap on the step that sums what they give."""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor

from pinndiag._terms._solution import Solution
from pinndiag.integrations._framework import About, AbstractFramework, Trained
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, tapped
from pinndiag.integrations._terms import Terms, named
from pinndiag.integrations._weighted import WeightedTerms

__all__ = ["TorchPhysics"]


@final
class TorchPhysics(AbstractFramework):
    """A `torchphysics.solver.Solver`. The weights of a scheme act in the step that they were found in."""

    about = About(
        key="torchphysics",
        package="torchphysics",
        distribution="torchphysics",
        tested=("1.1.2",),
        takes="a torchphysics Solver",
        has=("train_conditions",),
        caution="TorchPhysics logs train/loss as a weighted sum, which means little while a scheme moves the weights; "
        "look at the conditions' own losses",
    )

    def trained(self) -> Trained:
        """See `AbstractFramework`. The point weights of adaptive conditions are no parameters of the network."""
        networks = {id(c.module): c.module for c in self.subject.train_conditions if hasattr(c, "module")}
        solutions = {f"module_{i}": _solution(network) for i, network in enumerate(networks.values())}
        outside = {
            f"{name}.{key}": tensor
            for name, condition in self._conditions.items()
            for key, tensor in condition.named_parameters(recurse=False)
            if tensor.numel()
        }
        return Trained(solutions["module_0"] if len(solutions) == 1 else solutions, outside)

    def attach(self, observe: Observer) -> list[Removable]:
        """See `AbstractFramework`."""
        weighted = WeightedTerms(self._conditions, observe, lambda condition, inputs, output: output)

        def training_step(method: Callable[..., Any], *args: Any) -> Any:
            loss, total = weighted.evaluated(method, *args)
            return loss if total is None else total.reshape(1)

        return [tapped(self.subject, "training_step", training_step), weighted]

    def terms(self) -> Terms:
        """See `AbstractFramework`. Points are drawn by copies of the samplers, always in the same way."""
        conditions = self._conditions
        return Terms(
            {name: functools.partial(_alone, condition) for name, condition in conditions.items()},
            weights={name: float(condition.weight) for name, condition in conditions.items()},
        )

    @property
    def _conditions(self) -> dict[str, Any]:
        conditions = list(self.subject.train_conditions)
        return named((condition.name or type(condition).__name__ for condition in conditions), conditions)


def _solution(network: Any) -> Solution:
    def call(*points: Tensor) -> Tensor:
        library = sys.modules["torchphysics"]
        found: Tensor = network(library.spaces.Points(torch.cat(points, dim=1), network.input_space)).as_tensor
        return found

    return Solution(network, call)


def _alone(condition: Any) -> Tensor:
    """The loss of a condition, with its sampler and data loader left as they are."""
    twin = copy.copy(condition)
    vars(twin).pop("iterator", None)
    vars(twin).update({name: _twin(value) for name, value in vars(condition).items() if "sampler" in name})
    found: Tensor = twin.forward(device=next(condition.parameters()).device)
    return found.reshape(())


def _twin(value: Any) -> Any:
    """A sampler with a memory of its own, and the samplers in it; anything else is shared."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(_twin, value))
    if ".samplers" not in type(value).__module__:
        return value
    twin = copy.copy(value)
    vars(twin).update({name: _twin(part) for name, part in vars(value).items()})
    return twin
