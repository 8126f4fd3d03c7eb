"""Schemes that give each term one weight: the step from numbers to weights, apart from models and autograd."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pinndiag._engine import Combination, Evaluation
from pinndiag.schemes._guards import normalised
from pinndiag.schemes._memory import Fields
from pinndiag.schemes._options import Number
from pinndiag.schemes._scheme import AbstractScheme

__all__ = ["VANISHING", "AbstractTermScheme", "Coupling", "Measured", "Sound", "Weights", "rows_of"]

Coupling = Literal["reference", "all", "none"]
Weights = Float[Tensor, " terms"]
Sound = Bool[Tensor, " terms"]
Measured = Float[Tensor, "terms entries"]

_COUNTERS = ("skipped", "vanishing")
VANISHING = 1e-6  # of the reference's gradient norm: a ratio to so small a gradient means nothing


class AbstractTermScheme(AbstractScheme):
    """One weight a term. A scheme says what it remembers of a term (`start`) and how that changes (`refreshed`)."""

    coupling: Coupling = "none"
    """Whose bad figures spoil a refresh: the reference's (its own weight never changes), anybody's, a term's own."""

    only: Sequence[str] | None = None
    """The terms that take part, where not all do that are not excluded."""

    @abstractmethod
    def start(self, name: str, weight: Number) -> Mapping[str, Number | Tensor]:
        """What is remembered of a term before its first refresh: field -> value."""

    @abstractmethod
    def refreshed(
        self, fields: Fields, losses: Weights, gradients: Measured | None, sound: Sound, reference: int | None
    ) -> tuple[Fields, Weights]:
        """One refresh.

        Args:
            fields: field of `start` -> its values for the terms; "applied": the weights now applied.
            losses: unweighted.
            gradients: of the unweighted losses; None for schemes that look at losses only.
            sound: terms with usable figures. What is returned for the others is not used.
            reference: position of the reference; None where it is absent.

        Returns:
            the fields after it, and the weights to apply from now on.
        """

    def measure(self, evaluation: Evaluation, taking_part: Sequence[int]) -> Measured | None:
        """What `refreshed` gets as gradients, one row for each term that takes part; None for schemes without."""
        return rows_of(evaluation, taking_part) if self.about.needs == "gradients" else None

    @property
    def vanishing(self) -> Mapping[str, int]:
        """Term -> refreshes at which its gradient was below 1e-6 of the reference's: there a ratio has no ceiling."""
        return {name: int(fields["vanishing"]) for name, fields in self.memory.terms.items() if "vanishing" in fields}

    def leaves(self, name: str) -> bool:
        """See `AbstractScheme`."""
        return super().leaves(name) or name not in (self.only or (name,))

    @final
    def weigh(
        self, losses: Weights, gradients: Measured | None = None, step: int = 0, names: Sequence[str] | None = None
    ) -> Weights:
        """One step on numbers alone: the scheme's memory advances, nothing else is touched.

        Args:
            losses: unweighted losses of the terms that take part.
            gradients: their gradients; None where they are not needed at this step.
            step: the optimizer's step, counted from 0.
            names: of the terms; default "0", "1", ...
        """
        names = tuple(str(i) for i in range(len(losses))) if names is None else tuple(names)
        if self.reference is None:
            self.reference = names[0]
        like = losses.to(torch.promote_types(losses.dtype, torch.float32))
        fields = self.memory.stacked(names, self._begin, like)
        reference = names.index(self.reference) if self.reference in names else None
        if self.due(step) and not (self.coupling == "reference" and reference is None):
            fields = self._refresh(fields, like, gradients, reference)
            self.memory.keep(fields)
        return normalised(fields["applied"], self.normalise, reference)

    @final
    def combine(self, evaluation: Evaluation) -> Combination:
        """See `AbstractScheme`."""
        names = evaluation.names
        self._settle(names)
        places = [i for i, name in enumerate(names) if name in (self.only or names) and name not in self.exclude]
        losses, step = evaluation.values, evaluation.step
        gradients = self.measure(evaluation, places) if self.due(step) else None
        if len(places) == len(names):
            return self._answer(names, self.weigh(losses, gradients, step, names))
        inside = torch.tensor(places, device=losses.device)
        weights = torch.tensor([self.given.get(name, 1.0) for name in names], device=losses.device)
        found = self.weigh(losses[inside], gradients, step, [names[i] for i in places])
        return self._answer(names, weights.to(found.dtype).index_copy(0, inside, found))

    def _begin(self, name: str) -> dict[str, Number | Tensor]:
        weight = self.given.get(name, 1.0)
        if self.coupling != "reference" or name != self.reference:
            weight = self.limits.number(weight)
        counters = {"skipped": 0.0, "vanishing": 0.0} if self.coupling == "reference" else {"skipped": 0.0}
        return {"applied": weight, **counters, **self.start(name, weight)}

    def _refresh(self, fields: Fields, losses: Weights, gradients: Measured | None, reference: int | None) -> Fields:
        before, counted = fields["applied"], {name: fields[name] for name in _COUNTERS if name in fields}
        size = losses if gradients is None else torch.linalg.vector_norm(gradients, dim=1)
        positive = gradients is not None
        # on a CPU the numbers are looked at, which is cheaper than a few operations on tensors; a GPU is not waited for
        seen = size.tolist() if size.device.type == "cpu" else None
        fine = seen is not None and all(math.isfinite(x) and (x > 0 or not positive) for x in seen)
        sound = (
            torch.ones_like(size, dtype=torch.bool) if fine else torch.isfinite(size) & ((size > 0) | (not positive))
        )
        if self.coupling == "reference":
            assert reference is not None
            sound = sound if fine else sound & sound[reference]
            if seen is None or not fine or min(seen) < VANISHING * seen[reference]:
                counted["vanishing"] = counted["vanishing"] + (size < VANISHING * size[reference])
        new, weights = self.refreshed(fields, losses, gradients, sound, reference)
        applied = self.limits(weights, before)
        if not fine or not all(map(math.isfinite, weights.tolist())):
            sound = sound & torch.isfinite(weights)
            if self.coupling == "all":
                sound = sound.all().expand_as(sound)
            new = {field: torch.where(_like(sound, value), value, fields[field]) for field, value in new.items()}
            applied = torch.where(sound, applied, before)
            counted["skipped"] = counted["skipped"] + ~sound
        if self.coupling == "reference":
            applied[reference] = before[reference]
        return {**new, **counted, "applied": applied}


def rows_of(evaluation: Evaluation, places: Sequence[int]) -> Measured:
    """The gradients of some of the terms."""
    gradients = evaluation.gradients
    return gradients if len(places) == len(gradients) else gradients[list(places)]


def _like(mask: Tensor, values: Tensor) -> Tensor:
    return mask.reshape(-1, *[1] * (values.ndim - 1))
