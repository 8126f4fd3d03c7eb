"""The explicit call: the terms of an evaluation are handed to the watch, and the weights come back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag._watch import Watch

__all__ = ["Observer", "called"]


@final
@dataclass(frozen=True)
class Observer:
    """What an integration hands the terms of every evaluation in training to.

    Attributes:
        watch: records them; it finds the optimizers by itself.
        balanced: a scheme moves the weights: the integration applies the answers at once.
        names: the user's names for the terms, in the framework's order, or None.
    """

    watch: Watch
    balanced: bool
    names: Sequence[str] | None = None

    def __call__(self, terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> dict[str, float]:
        """Record the terms, by the framework's names.

        Args:
            terms: residuals or losses, unweighted, with their graphs.
            weights: what the framework multiplies them by where no scheme does; 1 for a term that is not named.

        Returns:
            the weights of the scheme, or those given.
        """
        new = called(terms, self.names)
        given = {new[name]: weights.get(name, 1.0) for name in terms}
        asked = self.watch.observe(dict(zip(given, terms.values(), strict=True)), None if self.balanced else given)
        return {name: asked.get(new[name], 1.0) for name in terms}


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
