"""What a scheme is made with is looked at before any of its constructors chooses by it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pinndiag._errors import PinndiagError
from pinndiag.schemes._numbers import Ranges, plain
from pinndiag.schemes._options import Options

__all__ = ["looked_at"]


def looked_at(constructor: Callable[..., None]) -> Callable[..., None]:
    """A scheme's constructor that takes numpy's numbers as Python's, and refuses what makes no sense.

    A word that is none of a choice would mean another formula; a number out of range none at all. The ranges are those
    of `ranges` in the scheme's class and its bases.
    """

    @functools.wraps(constructor)
    def looking(self: Any, *given: Any, **options: Any) -> None:
        given, options = plain(given), plain(options)
        try:
            values = inspect.signature(constructor).bind_partial(self, *given, **options).arguments
        except TypeError:  # the constructor says it better
            values = {}
        hints = get_type_hints(constructor) | get_type_hints(Options)
        for name, value in {**values, **values.get("options", {})}.items():
            words = _words(hints.get(name))
            if words and isinstance(value, str):
                _refuse_word(type(self).__name__, name, value, words)
            elif value is not None:
                _refuse_number(type(self), name, value)
        constructor(self, *given, **options)

    return looking


def _words(hint: Any) -> list[str]:
    """The words of the choice that a hint allows; none where any word is allowed, or no word."""
    if get_origin(hint) is Literal:
        return [word for word in get_args(hint) if isinstance(word, str)]
    parts = get_args(hint)
    return [] if str in parts else [word for part in parts if get_origin(part) is Literal for word in _words(part)]


def _refuse_word(scheme: str, name: str, value: str, known: list[str]) -> None:
    if value in known:
        return
    near = get_close_matches(value, known, 1)
    raise PinndiagError(
        f"{scheme} has no {name}={value!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
        where=f"known: {', '.join(map(repr, known))}",
        fix="use one of these",
    )


def _refuse_number(scheme: type, name: str, value: Any) -> None:
    known: Ranges = next((r for c in scheme.__mro__ if name in (r := c.__dict__.get("ranges", {}))), {})
    for number in _numbers(value) if known else ():
        if number not in known[name]:
            raise PinndiagError(
                f"{scheme.__name__} cannot be made with {name}={value!r}",
                where=f"{name} is {known[name]}",
                cause=known[name].meaning,
                fix=f"give such a number; `pinndiag schemes {scheme.about.key}` lists the defaults",  # type: ignore[attr-defined]
            )


def _numbers(value: Any) -> tuple[Any, ...]:
    """What of an argument must be in range: itself, or what it holds."""
    if isinstance(value, Mapping):
        return tuple(number for entry in value.values() for number in _numbers(entry))
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)
