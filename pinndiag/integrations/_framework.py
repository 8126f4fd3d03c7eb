"""What an integration is: where a framework keeps its network, its terms, and the weights of the terms."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, final

import torch
from torch import Tensor, nn

from pinndiag._errors import PinndiagError
from pinndiag.integrations._observer import Observer, called
from pinndiag.integrations._taps import Removable

__all__ = ["About", "AbstractFramework", "Terms", "Trained", "unique"]

T = TypeVar("T")


@final
@dataclass(frozen=True)
class About:
    """Facts about an integration.

    Attributes:
        key: its name in `pinndiag init --framework` and among the extras.
        package: the package, or the part of it, whose classes are recognised.
        distribution: the name under which it is installed.
        tested: the versions its tests were run with.
        takes: what can be attached to, in words.
        has: attributes that tell it from other objects of the package, dotted where they are those of a part.
        caution: what else depends on the weights, said once when a scheme moves them.
        data: what `wrap` needs beside it, in words; "" where it knows its points.
    """

    key: str
    package: str
    distribution: str
    tested: Sequence[str]
    takes: str
    has: Sequence[str]
    caution: str
    data: str = ""


@final
@dataclass(frozen=True)
class Trained:
    """What is trained.

    Attributes:
        model: the network, or several by name.
        parameters: trainable tensors outside of it, by name; looked at again in each step.
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

    def called(self, names: Sequence[str] | None) -> Terms:
        """The same under names of the user's, if there are some.

        Raises:
            PinndiagError: not as many names as terms, or one twice.
        """
        new = called(self.terms, names)
        return Terms(_renamed(self.terms, new), _renamed(self.points, new), _renamed(self.weights, new))


class AbstractFramework(ABC):
    """An object of a framework, seen with pinndiag's eyes. Nothing of it is changed but by `attach`.

    Args:
        subject: the object.
        data: what its terms are evaluated on out of band, where it does not know that itself.

    Raises:
        PinndiagError: it is another kind of object of this framework, or needs no data.
    """

    about: ClassVar[About]

    def __init__(self, subject: Any, data: Any = None) -> None:
        self.subject, self.data = subject, data
        if not self.fits():
            raise PinndiagError(
                f"{type(subject).__name__} of {self.about.package} is not what can be watched",
                where=f"got {type(subject).__module__}.{type(subject).__qualname__}",
                cause=f"the loss terms of a training are found from {self.about.takes}",
                fix=f"pass {self.about.takes}",
            )
        if data is not None and not self.about.data:
            raise PinndiagError(
                f"{self.about.takes} takes no data=",
                where=f"got {type(data).__name__}",
                cause="it knows the points that it is trained on",
                fix="leave data= out; other points are given by points=",
            )

    def fits(self) -> bool:
        """Whether it is an object that trains."""
        return all(_there(self.subject, name) for name in self.about.has)

    @abstractmethod
    def trained(self) -> Trained:
        """What is trained, as far as it is known before the training."""

    @abstractmethod
    def attach(self, observe: Observer) -> list[Removable]:
        """Hand every evaluation of the terms in training over, and put the answers where the weights are kept."""

    @abstractmethod
    def terms(self) -> Terms:
        """The terms out of band: evaluating them leaves no trace in the framework."""

    def saved(self) -> Mapping[str, Tensor]:
        """The tensors of the framework's own checkpoints, under the names that they have there."""
        return self.subject.state_dict(keep_vars=True) if isinstance(self.subject, nn.Module) else {}


def _renamed(part: Mapping[str, T], new: Mapping[str, str]) -> dict[str, T]:
    return {new[name]: value for name, value in part.items()}


def _there(subject: Any, name: str) -> bool:
    try:
        operator.attrgetter(name)(subject)
    except AttributeError:
        return False
    return True


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
