"""The weights of the terms: the user's fixed ones, or those of a balancing scheme."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from pinndiag._engine import Combination, Evaluation
from pinndiag._errors import PinndiagError
from pinndiag._terms._terms import mean_square

if TYPE_CHECKING:
    from pinndiag.schemes import AbstractScheme

__all__ = ["Balance"]


@final
class Balance:
    """How the terms are put together in a training.

    Args:
        weights: fixed weights; 1 for a term that is not named.
        scheme: a balancing scheme, instead of fixed weights.
    """

    def __init__(self, weights: Mapping[str, float], scheme: AbstractScheme | None) -> None:
        self.weights = dict(weights)
        self.scheme = scheme
        self._combination: Combination | None = None
        self._names: tuple[str, ...] = ()
        self._unmet = set(weights)  # names that no term has had
        self._steps = 0  # that were measured

    @staticmethod
    def of(weights: Mapping[str, float] | None, scheme: AbstractScheme | str | None) -> Balance:
        """What the user gave.

        Raises:
            PinndiagError: both, an unknown scheme, or a weight that is not a finite number.
        """
        if weights is not None and scheme is not None:
            raise PinndiagError(
                "weights= and scheme= exclude each other",
                where=f"weights for {', '.join(map(repr, weights))}",
                cause="a scheme sets the weights itself",
                fix="leave weights= out; a scheme takes its own, for what it leaves alone and until it begins",
            )
        for name, weight in (weights or {}).items():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not math.isfinite(weight):
                raise PinndiagError(
                    f"the weight of term {name!r} is not a finite number",
                    where=f"got {weight!r}",
                    cause="weights= holds the fixed numbers that the terms are multiplied by",
                    fix=f"pass weights={{{name!r}: 10.0}}",
                )
        if scheme is not None:
            from pinndiag.schemes._registry import scheme_of  # schemes build on the engine; most loops need none

            scheme = scheme_of(scheme)
        return Balance({name: float(weight) for name, weight in (weights or {}).items()}, scheme)

    def leave(self, weights: Mapping[str, float]) -> None:
        """See `Watch.leave`."""
        if self.scheme is not None and self._combination is None:
            self.scheme.take_over(weights)

    @property
    def keeps_graphs(self) -> bool:
        """Whether the scheme differentiates the graphs itself."""
        return self.scheme is not None and self.scheme.keeps_graphs

    def plain(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum as a person would write it; nothing is counted."""
        if self.scheme is not None:
            with torch.no_grad():
                shown: Tensor = self.scheme(terms)
            return shown
        self._unmet -= terms.keys()
        total: Tensor | None = None
        for name, output in terms.items():
            weight = self.weights.get(name, 1.0)
            part = mean_square(output) if weight == 1.0 else weight * mean_square(output)
            total = part if total is None else total + part
        assert total is not None
        return total

    def combination(self, evaluation: Evaluation, *, first: bool) -> Combination:
        """What is applied to an evaluation; within one optimizer step it stays the same.

        Raises:
            PinndiagError: see `AbstractScheme.decide`.
        """
        found = self._combination
        self._steps += first
        self._unmet.difference_update(evaluation.names)
        if self.scheme is None:
            device = evaluation.parameters[0].device
            if found is None or evaluation.names != self._names or found.weights.device != device:
                weights = [self.weights.get(name, 1.0) for name in evaluation.names]
                found = Combination(torch.tensor(weights, dtype=torch.float64, device=device))
        else:
            found = self.scheme.decide(evaluation, again=not first)
        self._names, self._combination = evaluation.names, found
        return found

    def remarks(self) -> list[str]:
        """What looks wrong. Terms may come later: a name is missed from the second measured step on."""
        if not self._unmet or self._steps <= 1:
            return []
        missed, self._unmet = ", ".join(map(repr, sorted(self._unmet))), set()
        terms = ", ".join(self._names)
        return [f"weights= names {missed}, and no term is called so: a term not named weighs 1 ({terms})"]

    def state_dict(self) -> dict[str, Any]:
        """The scheme's state."""
        return {} if self.scheme is None else dict(self.scheme.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `state_dict` gave."""
        if self.scheme is not None and state:
            self.scheme.load_state_dict(state)
