"""Terms that are objects with a weight each: what they gave in an evaluation, and their sum with the weights asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, Replaced

__all__ = ["WeightedTerms"]


@final
class WeightedTerms:
    """The terms of a framework whose `weight` is looked up at each evaluation.

    Args:
        terms: the objects, by the names of the terms.
        observe: takes what they gave.

    Attributes:
        live: the losses of the present evaluation, unweighted; hooks at the terms put them there.
    """

    def __init__(self, terms: Mapping[str, Any], observe: Observer) -> None:
        self.live: dict[str, Tensor] = {}
        self._terms, self._observe = terms, observe
        owners = terms.items() if observe.balanced else ()
        self._moved = {name: Replaced(term, "weight", term.weight) for name, term in owners}

    def total(self) -> Tensor | None:
        """Hand the evaluation over. The weighted sum, where a scheme has moved the weights; else None."""
        asked = self._observe(self.live, {name: float(term.weight) for name, term in self._terms.items()})
        if not self._moved:
            return None
        for name, weight in asked.items():
            self._moved[name].set(weight)
        return torch.stack([asked[name] * loss for name, loss in self.live.items()]).sum()

    def parts(self) -> list[Removable]:
        """What is to be taken away in the end."""
        return list(self._moved.values())
