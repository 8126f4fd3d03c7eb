"""What an integration is: where a framework keeps its network, its terms, and the weights of the terms."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from pinndiag._errors import PinndiagError
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable
from pinndiag.integrations._terms import Terms

__all__ = ["About", "AbstractFramework", "Trained", "no_terms"]


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

    def given(self) -> Any:
        """What the terms are evaluated on out of band, where the object does not know that itself.

        Raises:
            PinndiagError: nothing was given.
        """
        if self.data is None:
            raise PinndiagError(
                f"the terms of {self.about.takes} cannot be evaluated without data",
                where=f"got {type(self.subject).__name__} alone",
                cause="they are computed from what its training is fed with",
                fix=f"pinndiag.wrap(..., data=...): {self.about.data}",
            )
        return self.data

    def saved(self) -> Mapping[str, Tensor]:
        """The tensors of the framework's own checkpoints, under the names that they have there."""
        return self.subject.state_dict(keep_vars=True) if isinstance(self.subject, nn.Module) else {}


def _there(subject: Any, name: str) -> bool:
    try:
        operator.attrgetter(name)(subject)
    except AttributeError:
        return False
    return True


def no_terms(subject: Any, cause: str) -> PinndiagError:
    """What `AbstractFramework.terms` raises where evaluating them would leave a trace, or give others."""
    return PinndiagError(
        f"the terms of {type(subject).__name__} cannot be evaluated out of band",
        where=f"got {type(subject).__module__}.{type(subject).__qualname__}",
        cause=cause,
        fix="watch its training with pinndiag.attach, or name the terms: pinndiag.wrap(network, terms)",
    )
