"""The arguments that every scheme takes, and what is refused among them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TypedDict

import torch
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag.schemes._guards import Normalise

__all__ = ["Number", "Options", "Unweighted", "is_plain", "no_preset", "refuse_unknown"]

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
