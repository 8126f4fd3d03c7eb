"""The terms of a framework's object: what they are called, and how they are evaluated out of band."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, final

from torch import Tensor

from pinndiag._errors import PinndiagError

__all__ = ["Terms", "called", "named", "together"]

T = TypeVar("T")


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


def together(
    evaluate: Callable[..., Mapping[str, Tensor]], names: Iterable[str], at: Container[str] = ()
) -> dict[str, Callable[..., Tensor]]:
    """Terms that a framework evaluates all at once, as functions: each takes its own from an evaluation of all.

    Args:
        evaluate: gives all terms, at points if it is given some.
        names: of the terms.
        at: those that take their points.

    >>> terms = together(lambda x=2: {"pde": x, "bc": 10 * x}, ["pde", "bc"], at=["pde"])
    >>> terms["pde"](3), terms["bc"]()
    (3, 20)
    """

    def one(name: str) -> Callable[..., Tensor]:
        return (lambda points: evaluate(points)[name]) if name in at else (lambda: evaluate()[name])

    return {name: one(name) for name in names}


def named(names: Iterable[str], terms: Iterable[T]) -> dict[str, T]:
    """Terms by the names that a framework has for them, numbered where several are the same.

    >>> named(["pde", "DirichletBC", "DirichletBC"], [1, 2, 3])
    {'pde': 1, 'DirichletBC_0': 2, 'DirichletBC_1': 3}
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
    return dict(zip(found, terms, strict=True))


def called(found: Iterable[str], names: Sequence[str] | None) -> dict[str, str]:
    """What each term of a framework is called: by the user's names, in the framework's order, if there are some.

    Raises:
        PinndiagError: not as many names as terms, or one twice.

    >>> called(["pde_0", "pde_1"], ["momentum", "mass"])
    {'pde_0': 'momentum', 'pde_1': 'mass'}
    """
    found = list(found)
    if names is None:
        return dict(zip(found, found, strict=True))
    if isinstance(names, str) or len(names) != len(found) or len(set(names)) != len(names):
        raise PinndiagError(
            "names= does not name the terms one by one",
            where=f"names: {names if isinstance(names, str) else ', '.join(names)}; "
            f"terms, in the framework's order: {', '.join(found)}",
            cause="a name is missing, too many, or there twice",
            fix=f"give {len(found)} different names in that order",
        )
    return dict(zip(found, names, strict=True))


def _renamed(part: Mapping[str, T], new: Mapping[str, str]) -> dict[str, T]:
    return {new[name]: value for name, value in part.items()}
