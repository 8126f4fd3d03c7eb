"""What an integration is: where a framework keeps its network, its terms, and the weights of the terms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from pinndiag._errors import PinndiagError
from pinndiag._watch import Watch
from pinndiag.integrations._taps import Removable

__all__ = ["About", "AbstractFramework", "Terms", "Trained", "unique"]


@final
@dataclass(frozen=True)
class About:
    """Facts about an integration.

    Attributes:
        key: its name in `pinndiag init --framework` and among the extras.
        package: the package whose classes are recognised.
        distribution: the name under which it is installed.
        tested: the versions its tests were run with.
        takes: what can be attached to, in words.
        acts: when the weights of a scheme act: in the step that they were found in, or in the next one.
        caution: what else depends on the weights, said once when a scheme moves them; or "".
    """

    key: str
    package: str
    distribution: str
    tested: Sequence[str]
    takes: str
    acts: str
    caution: str = ""


@final
@dataclass(frozen=True)
class Trained:
    """What is trained.

    Attributes:
        model: the network, or several by name.
        parameters: trainable tensors outside of it, by name.
        optimizers: those in use, as far as they exist.
    """

    model: nn.Module | Mapping[str, nn.Module]
    parameters: Mapping[str, Tensor] = field(default_factory=dict)
    optimizers: Sequence[torch.optim.Optimizer] = ()


@final
@dataclass(frozen=True)
class Terms:
    """The terms as functions, and what goes with them; as in `wrap`."""

    terms: Mapping[str, Callable[..., Tensor]]
    points: Mapping[str, Tensor | tuple[Tensor, ...]] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)


@final
class Solution(nn.Module):
    """A network as the function it stands for, where the framework calls it with something else than points.

    Args:
        network: whose parameters are trained.
        call: points, as a tensor or as columns, to values.
    """

    def __init__(self, network: nn.Module, call: Callable[..., Tensor]) -> None:
        super().__init__()
        self.network = network
        self._call = call

    def forward(self, *points: Tensor) -> Tensor:
        """The values at the points."""
        return self._call(*points)


class AbstractFramework(ABC):
    """An object of a framework, seen with pinndiag's eyes. Nothing of it is changed but by `attach`.

    Args:
        subject: the object.

    Raises:
        PinndiagError: it is another kind of object of this framework.
    """

    about: ClassVar[About]

    def __init__(self, subject: Any) -> None:
        self.subject = subject
        if not self.fits(subject):
            raise PinndiagError(
                f"{type(subject).__name__} of {self.about.package} is not what can be watched",
                where=f"got {type(subject).__module__}.{type(subject).__qualname__}",
                cause=f"the loss terms of a training are found from {self.about.takes}",
                fix=f"pass {self.about.takes}",
            )

    @abstractmethod
    def fits(self, subject: Any) -> bool:
        """Whether an object of the framework is one that trains."""

    @abstractmethod
    def trained(self) -> Trained:
        """What is trained, as far as it is known before the training."""

    @abstractmethod
    def attach(self, watch: Watch, *, balanced: bool) -> list[Removable]:
        """Hand every evaluation of the terms in training to `watch.observe`.

        Args:
            watch: takes the terms; it finds the optimizers by itself.
            balanced: its answers are written where the framework keeps its weights.
        """

    @abstractmethod
    def terms(self) -> Terms:
        """The terms out of band: evaluating them leaves no trace in the framework."""


def unique(names: Iterable[str]) -> list[str]:
    """Names of terms as a framework has them, numbered where several are the same.

    >>> unique(["pde", "DirichletBC", "DirichletBC"])
    ['pde', 'DirichletBC_0', 'DirichletBC_1']
    """
    given = [name.replace("|", "/") or "term" for name in names]
    several = {name for name, count in Counter(given).items() if count > 1}
    taken, found = set(given) - several, []
    for name in given:
        number, chosen = 0, name
        while name in several and (chosen := f"{name}_{number}") in taken:
            number += 1
        taken.add(chosen)
        found.append(chosen)
    return found
