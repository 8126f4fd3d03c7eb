"""TorchPhysics: a forward hook at every training condition, and a tap on the step that sums what they give."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from pinndiag._solution import Solution
from pinndiag.integrations._framework import About, AbstractFramework, Terms, Trained, unique
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, tapped
from pinndiag.integrations._weighted import WeightedTerms

__all__ = ["TorchPhysics"]


@final
class TorchPhysics(AbstractFramework):
    """A `torchphysics.solver.Solver`. The weights of a scheme act in the step that they were found in."""

    about: ClassVar[About] = About(
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
        conditions = self.subject.train_conditions
        networks = list({id(c.module): c.module for c in conditions if hasattr(c, "module")}.values())
        named = {f"module_{i}": _solution(network) for i, network in enumerate(networks)}
        outside = {
            f"{name}.{key}": tensor
            for name, condition in self._conditions.items()
            for key, tensor in condition.named_parameters(recurse=False)
            if tensor.numel()
        }
        return Trained(named["module_0"] if len(named) == 1 else named, outside)

    def attach(self, observe: Observer) -> list[Removable]:
        """See `AbstractFramework`."""
        weighted = WeightedTerms(self._conditions, observe)

        def training_step(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            weighted.live.clear()
            loss, total = method(*args, **kwargs), weighted.total()
            return loss if total is None else total.reshape(1)

        def hook(name: str, condition: nn.Module) -> Removable:
            def store(module: nn.Module, inputs: Any, output: Tensor) -> None:
                weighted.live[name] = output.reshape(())

            handle: Removable = condition.register_forward_hook(store)
            return handle

        hooks = [hook(name, condition) for name, condition in self._conditions.items()]
        return [tapped(self.subject, "training_step", training_step), *hooks, *weighted.parts()]

    def terms(self) -> Terms:
        """See `AbstractFramework`. Points are drawn by copies of the samplers, always in the same way."""
        conditions = self._conditions
        weights = {name: float(condition.weight) for name, condition in conditions.items()}
        return Terms({name: _alone(condition) for name, condition in conditions.items()}, weights=weights)

    @property
    def _conditions(self) -> dict[str, Any]:
        conditions = list(self.subject.train_conditions)
        return dict(zip(unique(c.name or type(c).__name__ for c in conditions), conditions, strict=True))


def _solution(network: Any) -> Solution:
    def call(*points: Tensor) -> Tensor:
        library = sys.modules["torchphysics"]
        found: Tensor = network(library.spaces.Points(torch.cat(points, dim=1), network.input_space)).as_tensor
        return found

    return Solution(network, call)


def _alone(condition: Any) -> Callable[[], Tensor]:
    """A condition that leaves sampler and data loader as they are."""

    def loss() -> Tensor:
        twin = copy.copy(condition)
        vars(twin).pop("iterator", None)
        vars(twin).update({name: _twin(value) for name, value in vars(condition).items() if "sampler" in name})
        vars(twin)["_forward_hooks"] = {}
        found: Tensor = twin(device=next(condition.parameters()).device)
        return found.reshape(())

    return loss


def _twin(value: Any) -> Any:
    """A sampler with a memory of its own, and the samplers in it; anything else is shared."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(_twin, value))
    if ".samplers" not in type(value).__module__:
        return value
    twin = copy.copy(value)
    vars(twin).update({name: _twin(part) for name, part in vars(value).items()})
    return twin
