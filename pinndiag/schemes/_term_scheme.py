"""Schemes that give each term one weight: the step from numbers to weights, apart from models and autograd."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pinndiag._engine import Combination, Evaluation
from pinndiag.schemes._guards import normalised
from pinndiag.schemes._memory import Fields
from pinndiag.schemes._scheme import AbstractScheme, Number

__all__ = ["VANISHING", "AbstractTermScheme", "Coupling", "Measured", "Sound", "Weights", "rows_of"]

Coupling = Literal["reference", "all", "none"]
Weights = Float[Tensor, " terms"]
Sound = Bool[Tensor, " terms"]
Measured = Float[Tensor, "terms entries"]

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
        counters = {"skipped": 0.0, "vanishing": 0.0} if self.coupling == "reference" else {"skipped": 0.0}
        return {"applied": weight, **counters, **self.start(name, weight)}

    def _refresh(self, fields: Fields, losses: Weights, gradients: Measured | None, reference: int | None) -> Fields:
        before = fields["applied"]
        counted = {"skipped": fields["skipped"]}
        if gradients is None:
            sound = torch.isfinite(losses)
        else:
            size = torch.linalg.vector_norm(gradients, dim=1)
            sound = torch.isfinite(size) & (size > 0)
        if self.coupling == "reference":
            assert gradients is not None
            assert reference is not None
            sound = sound & sound[reference]
            counted["vanishing"] = fields["vanishing"] + (size < VANISHING * size[reference])
        new, weights = self.refreshed(fields, losses, gradients, sound, reference)
        sound = sound & torch.isfinite(weights)
        if self.coupling == "all":
            sound = sound.all().expand_as(sound)
        applied = self.limits(weights, before)
        if not _all_on_cpu(sound):
            new = {field: torch.where(_like(sound, value), value, fields[field]) for field, value in new.items()}
            applied = torch.where(sound, applied, before)
            counted["skipped"] = fields["skipped"] + ~sound
        if reference is not None and self.coupling == "reference":
            place = torch.arange(len(applied), device=applied.device) == reference
            applied = torch.where(place, before, applied)
        return {**new, **counted, "applied": applied}


def rows_of(evaluation: Evaluation, places: Sequence[int]) -> Measured:
    """The gradients of some of the terms."""
    gradients = evaluation.gradients
    return gradients if len(places) == len(gradients) else gradients[list(places)]


def _all_on_cpu(sound: Sound) -> bool:
    """Whether all is well, asked only where the answer costs no waiting."""
    return sound.device.type == "cpu" and bool(sound.all())


def _like(mask: Tensor, values: Tensor) -> Tensor:
    return mask.reshape(-1, *[1] * (values.ndim - 1))
