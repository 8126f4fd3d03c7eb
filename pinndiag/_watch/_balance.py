"""The weights of the terms: the user's fixed ones, or those of a balancing scheme."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from pinndiag._engine import Combination, Evaluation
from pinndiag._errors import PinndiagError
from pinndiag._terms._terms import mean_square
from pinndiag._watch._points import KnownPoints

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
        self._decided: tuple[tuple[str, ...], Combination] | None = None  # by the scheme, for the step under way
        self._points = KnownPoints()
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
                fix="leave weights= out",
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
        if self.scheme is not None and self._combination is None and not self.scheme.given:
            self.scheme.given = {name: weights[name] for name in self.scheme.exclude if name in weights}

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
            PinndiagError: a second call of a step brings terms that the scheme has not seen beside the others.
        """
        found = self._combination
        self._steps += first
        self._unmet.difference_update(evaluation.names)
        if self.scheme is None:
            device = evaluation.parameters[0].device
            if found is None or evaluation.names != self._names or found.weights.device != device:
                weights = [self.weights.get(name, 1.0) for name in evaluation.names]
                found = Combination(torch.tensor(weights, dtype=torch.float64, device=device))
        elif first or self._decided is None or set(evaluation.names) > set(self._decided[0]):
            found = self.scheme.combine(evaluation)
            self._decided = evaluation.names, found
        elif found is None or evaluation.names != self._names:
            found = _part(self.scheme.about.key, *self._decided, evaluation.names)
        self._names, self._combination = evaluation.names, found
        if found.points:
            self._look_at_points(evaluation, found.points, first=first)
        return found

    def remarks(self) -> list[str]:
        """What looks wrong. Terms may come later: a name is missed from the second measured step on."""
        found = self._points.told()
        if self._unmet and self._steps > 1:
            missed, self._unmet = ", ".join(map(repr, sorted(self._unmet))), set()
            terms = ", ".join(self._names)
            found = [*found, f"weights= names {missed}, and no term is called so: a term not named weighs 1 ({terms})"]
        return found

    def _look_at_points(self, evaluation: Evaluation, weighted: Iterable[str], *, first: bool) -> None:
        """Whether the weight of each point meets that point."""
        assert self.scheme is not None
        if first:
            remembered = getattr(self.scheme, "remembers", False)
            self._points.begin(evaluation, weighted, self.scheme.about.key, remembered=remembered)
        else:
            self._points.within(evaluation, weighted, self.scheme.about.key)

    def state_dict(self) -> dict[str, Any]:
        """The scheme's state."""
        return {} if self.scheme is None else dict(self.scheme.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `state_dict` gave."""
        if self.scheme is not None and state:
            self.scheme.load_state_dict(state)


def _part(key: str, names: tuple[str, ...], decided: Combination, wanted: tuple[str, ...]) -> Combination:
    """What was decided for all terms, for some of them."""
    if not set(wanted) <= set(names):
        raise PinndiagError(
            "a second call within one step brings other terms, which the scheme cannot balance against the first",
            where=f"scheme {key!r}; first call: {', '.join(names)}; now: {', '.join(wanted)}",
            cause="the loss is put together from several calls, or a validation runs with grad enabled",
            fix="hand all terms over in one call; validate under torch.no_grad()",
        )
    places = [names.index(name) for name in wanted]
    points = {name: weights for name, weights in decided.points.items() if name in wanted}
    return Combination(decided.weights[places], points, decided.direction)
