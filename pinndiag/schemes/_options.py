"""The arguments that every scheme takes, and what is refused among them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, TypedDict, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag.schemes._guards import Normalise

__all__ = [
    "Number",
    "Options",
    "Unweighted",
    "is_plain",
    "no_preset",
    "refuse_unchosen",
    "refuse_unknown",
    "refuse_unusable",
]

Number = int | float  # a whole number is a number to those who check types at run time, too


class Unweighted(TypedDict, total=False):
    """Arguments that every scheme takes but `weights`; see `AbstractScheme`."""

    preset: str | None
    reference: str | None
    exclude: Sequence[str]
    first: int
    eps_rel: float
    w_min: float | None
    w_max: float | None
    max_growth: float | None
    normalise: Normalise | None
    optimizer: torch.optim.Optimizer | None
    parameters: Iterable[Tensor] | None


class Options(Unweighted, total=False):
    """Arguments that every scheme takes; see `AbstractScheme`."""

    weights: Mapping[str, float] | None


def refuse_unknown(scheme: type, options: Iterable[str]) -> None:
    """Raise where an argument is none of the scheme's and none that all take."""
    for name in options:
        if name not in Options.__annotations__:
            known = {*Options.__annotations__, *inspect.signature(scheme).parameters} - {"options"}
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{scheme.__name__} has no argument {name!r}{hint}")


def refuse_unchosen(scheme: type, given: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    """Raise where an argument that is a choice of words is none of them: another formula would be meant.

    Raises:
        PinndiagError: with the words, and the nearest.
    """
    try:
        values = inspect.signature(scheme).bind_partial(*given, **options).arguments
    except TypeError:  # the constructor says it better
        return
    hints = get_type_hints(inspect.getattr_static(scheme, "__init__")) | get_type_hints(Options)
    for name, value in {**values, **values.get("options", {})}.items():
        known = _words(hints.get(name))
        if known and isinstance(value, str) and value not in known:
            near = get_close_matches(value, known, 1)
            raise PinndiagError(
                f"{scheme.__name__} has no {name}={value!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
                where=f"known: {', '.join(map(repr, known))}",
                fix="use one of these",
            )


def _words(hint: Any) -> list[str]:
    """The words of the choice that a hint allows; none where any word is allowed, or no word."""
    if get_origin(hint) is Literal:
        return [word for word in get_args(hint) if isinstance(word, str)]
    parts = get_args(hint)
    return [] if str in parts else [word for part in parts if get_origin(part) is Literal for word in _words(part)]


def refuse_unusable(scheme: str, every: object, first: object, eps_rel: Number, weights: Mapping[str, Number]) -> None:
    """Raise where a number that all schemes take makes no sense."""
    whole = isinstance(every, int) and isinstance(first, int)
    if not whole or every < 1 or first < -1:  # type: ignore[operator]
        raise PinndiagError(
            f"{scheme} cannot refresh first at step {first}, then every {every} steps",
            fix="give every >= 1 and first >= 0 (or -1: the last step of the first interval), whole numbers",
        )
    if not 0 <= eps_rel < math.inf:
        raise PinndiagError(
            f"{scheme} cannot guard with eps_rel={eps_rel}",
            fix="give a small positive number such as 1e-7, or 0 for no guard",
        )
    for name, weight in weights.items():
        if not math.isfinite(weight):
            raise PinndiagError(
                f"the weight of term {name!r} is not a finite number", where=f"got {weight!r}", fix="give a number"
            )


def is_plain(value: object) -> bool:
    """Whether a value can be written into a file as it stands."""
    if isinstance(value, (tuple, list)):
        return all(is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))


def no_preset(name: str, preset: str, known: Iterable[str]) -> PinndiagError:
    """The error for an unknown preset."""
    return PinndiagError(
        f"{name} has no preset {preset!r}",
        where=f"known: {', '.join(known) or 'none'}",
        fix="use one of these, or give the arguments one by one",
    )
