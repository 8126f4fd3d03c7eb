"""The explicit call: the terms of an evaluation are handed to the watch, and the weights come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from pinndiag._watch import Watch
from pinndiag.integrations._terms import called

__all__ = ["Observer"]


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
        if self.balanced:
            self.watch.leave(given)
        asked = self.watch.observe(dict(zip(given, terms.values(), strict=True)), None if self.balanced else given)
        return {name: asked.get(new[name], 1.0) for name in terms}
