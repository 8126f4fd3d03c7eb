"""All problems by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import torch

from pinndiag._errors import PinndiagError
from pinndiag._terms._randomness import RandomState, replayed
from pinndiag.problems import (
    _allen_cahn,
    _burgers,
    _cavity,
    _helmholtz,
    _kirchhoff,
    _klein_gordon,
    _poisson_1d,
    _poisson_2d,
    _poisson_ntk,
    _regression,
    _wave,
)
from pinndiag.problems._problem import About, Problem
from pinndiag.problems._setup import Arch, Setup, Size

__all__ = ["catalogue", "make", "names", "options"]

_MAKERS: dict[About, Callable[..., Problem]] = {
    module.ABOUT: module.make
    for module in (
        _helmholtz,
        _klein_gordon,
        _cavity,
        _poisson_1d,
        _poisson_2d,
        _burgers,
        _allen_cahn,
        _kirchhoff,
        _poisson_ntk,
        _wave,
        _regression,
    )
}
_BY_NAME = {about.name: about for about in _MAKERS}


def catalogue() -> tuple[About, ...]:
    """What problems there are, without making one."""
    return tuple(_MAKERS)


def names() -> list[str]:
    """The names of all problems.

    >>> "helmholtz" in names()
    True
    """
    return list(_BY_NAME)


def options(name: str) -> dict[str, Any]:
    """The numbers and choices of a problem's own, with their defaults.

    Raises:
        PinndiagError: there is no problem of that name.

    >>> options("helmholtz")
    {'a1': 1.0, 'a2': 4.0, 'k': 1.0}
    """
    found = inspect.signature(_MAKERS[_about(name)]).parameters.values()
    return {p.name: p.default for p in found if p.kind is p.KEYWORD_ONLY}


def make(
    name: str,
    *,
    size: str = "reduced",
    arch: str = "mlp",
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    **own: Any,
) -> Problem:
    """Make a problem: network, points, optimizer and reference solution, all from the seed.

    The global random generators are left as they were.

    Args:
        name: one of `names()`; "-" counts as "_".
        size: "full" for points, network and steps of the source, "reduced" for what shows its effect in two minutes.
        arch: "mlp" or "modified".
        seed: of initial parameters, points and training.
        dtype: of parameters and points.
        device: where they live.
        **own: the problem's `options`.

    Raises:
        PinndiagError: no such problem, size, architecture or option.

    Cost: at most a few seconds, for problems whose reference solution is computed.

    >>> problem = make("helmholtz", a2=2.0, seed=1)
    >>> list(problem.terms), problem.steps
    (['pde', 'bc'], 5000)
    """
    about = _about(name)
    known = options(about.name)
    if any(key not in known for key in own):
        wrong = ", ".join(key for key in own if key not in known)
        raise _unknown(f"problem {about.name!r} has no option {wrong}", [f"{k}={v!r}" for k, v in known.items()])
    _check_choices({"size": size, "arch": arch}, Setup)
    _check_choices(own, _MAKERS[about])
    setup = Setup(size=cast(Size, size), arch=cast(Arch, arch), seed=seed, dtype=dtype, device=device)
    with replayed(RandomState.seeded(seed)):
        return _MAKERS[about](setup, **own)


def _about(name: str) -> About:
    found = _BY_NAME.get(name.replace("-", "_"))
    if found is None:
        raise _unknown(f"there is no problem {name!r}", names())
    return found


def _check_choices(given: Mapping[str, Any], of: Callable[..., Any]) -> None:
    """Values of parameters that are declared as one of a few words."""
    hints = get_type_hints(of)
    for key, value in given.items():
        if get_origin(hints[key]) is Literal and value not in get_args(hints[key]):
            raise _unknown(f"{key}={value!r} is not a choice", get_args(hints[key]))


def _unknown(what: str, known: Any) -> PinndiagError:
    return PinndiagError(what, where=f"known: {', '.join(known) or 'none'}", fix="use one of those")
