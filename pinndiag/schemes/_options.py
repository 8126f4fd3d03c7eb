"""The arguments that every scheme takes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypedDict

import torch
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag.schemes._guards import Normalise

__all__ = ["Number", "Options", "Unweighted", "names_of", "no_preset", "refuse_unknown", "written"]

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


def names_of(argument: str, given: Sequence[str]) -> tuple[str, ...]:
    """Names of terms as a user hands them over.

    Raises:
        PinndiagError: a single word, whose letters would be taken for names.
    """
    if isinstance(given, str):
        raise PinndiagError(
            f"{argument}={given!r} is one word, and a list of terms is wanted", fix=f"pass {argument}=[{given!r}]"
        )
    return tuple(given)


def written(value: Any) -> Any:
    """An argument as a file can hold it: as it stands where it is plain, else in words.

    >>> written((0.9, math.inf)), written({"pde": torch.ones(7)}), written(torch.square)
    ((0.9, 'inf'), {'pde': 'a tensor of 7 numbers'}, 'square')
    """
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        tensors = bool(value) and all(isinstance(entry, Tensor) for entry in value)
        return f"{len(value)} tensors" if tensors else tuple(map(written, value))
    if isinstance(value, Mapping):
        return {str(key): written(entry) for key, entry in value.items()}
    if isinstance(value, Tensor):
        return f"a tensor of {value.numel()} numbers"
    return getattr(value, "__name__", type(value).__name__)


def no_preset(name: str, preset: str, known: Iterable[str]) -> PinndiagError:
    """The error for an unknown preset."""
    return PinndiagError(
        f"{name} has no preset {preset!r}",
        where=f"known: {', '.join(known) or 'none'}",
        fix="use one of these, or give the arguments one by one",
    )
