"""Attributes of a framework's object, replaced for a while and put back as they were."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, final, runtime_checkable

__all__ = ["Removable", "Replaced", "beneath", "tapped"]

_ABSENT = object()


@runtime_checkable
class Removable(Protocol):
    """Something that can be taken away again; also torch's handle of a hook."""

    def remove(self) -> None:
        """Take it away."""


@final
class Replaced:
    """An attribute of an object with another value; also a context manager.

    Args:
        owner: the object.
        name: the attribute, its own or its class's.
        value: what stands there meanwhile.
    """

    def __init__(self, owner: Any, name: str, value: Any) -> None:
        self._owner, self._name = owner, name
        self._before = vars(owner).get(name, _ABSENT)
        self._value = value
        setattr(owner, name, value)

    def set(self, value: Any) -> None:
        """Another value; one that the user has put there since is kept for later."""
        now = vars(self._owner).get(self._name, _ABSENT)
        if now is not self._value:
            self._before = now
        self._value = value
        setattr(self._owner, self._name, value)

    def remove(self) -> None:
        """Put back what was there, unless somebody else has replaced it since."""
        if vars(self._owner).get(self._name, _ABSENT) is not self._value:
            return
        if self._before is _ABSENT:
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, self._before)

    def __enter__(self) -> Replaced:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def tapped(owner: Any, name: str, around: Callable[..., Any]) -> Replaced:
    """A method of an object with another around it: `around(method, *args, **kwargs)`.

    >>> from types import SimpleNamespace
    >>> thing = SimpleNamespace(double=lambda x: 2 * x)
    >>> with tapped(thing, "double", lambda method, x: method(x) + 1):
    ...     thing.double(3)
    7
    >>> thing.double(3)
    6
    """
    method = getattr(owner, name)

    @functools.wraps(method)
    def passing_on(*args: Any, **kwargs: Any) -> Any:
        return around(method, *args, **kwargs)

    passing_on.__pinndiag__ = True  # type: ignore[attr-defined]
    return Replaced(owner, name, passing_on)


def beneath(owner: Any, name: str) -> Any:
    """A method of an object without what `tapped` put around it."""
    method = getattr(owner, name)
    while hasattr(method, "__pinndiag__"):
        method = method.__wrapped__
    return method
