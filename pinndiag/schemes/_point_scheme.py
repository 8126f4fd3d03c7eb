"""Schemes that give each collocation point of a term its own weight."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Unpack, final

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag._engine import Combination, Evaluation
from pinndiag._errors import PinndiagError, TermError
from pinndiag._terms._terms import square
from pinndiag.schemes._guards import normalised
from pinndiag.schemes._known_points import KnownPoints
from pinndiag.schemes._memory import Fields
from pinndiag.schemes._options import Options, names_of
from pinndiag.schemes._scheme import AbstractScheme

__all__ = ["AbstractPointScheme", "Points", "TermChoice"]

Points = Float[Tensor, " points"]
TermChoice = Sequence[str] | Literal["all"] | None


class AbstractPointScheme(AbstractScheme):
    """L_i = mean_j f_j |r_j|^2 for the terms chosen; f_j, the factor of point j, is what `weights` shows.

    Every entry of a residual counts as a point. The weight of a term in `weights=` stays: it multiplies the factors of
    the term's points.

    A factor belongs to its point, and other points are refused as far as they can be seen. Seen is the number of
    residuals, at every call, and the points themselves where they require grad (the residual has derivatives in them),
    at the first three calls and at every hundredth step; all of them at each further evaluation of one step. Not seen
    are points that leave no trace in the graph: those of data and boundary values without derivatives, of
    `torch.func` residuals, a part of a larger tensor, or a tensor that is overwritten in place while the trainable
    tensors are not known (no `watch`, no `parameters=`). A state keeps the points, so that a run is not taken up at
    others.

    Args:
        terms: whose points are weighted, or "all"; default: the reference's.
        options: see `AbstractScheme`.
    """

    continues = True

    remembers: ClassVar[bool] = True
    """Whether a point's weight depends on earlier steps, so that the points must stay."""

    trained: ClassVar[bool] = False
    """Whether a refresh acts from the next step on."""

    coupled: ClassVar[bool] = False
    """Whether the weights of one term depend on the points of another."""

    def __init__(self, *, terms: TermChoice = None, every: int = 1, **options: Unpack[Options]) -> None:
        super().__init__(every=every, **options)
        self._points = KnownPoints()
        if self.normalise == "ref":
            raise PinndiagError(
                f'{type(self).__name__} weighs points, for which normalise="ref" means nothing',
                fix='use normalise="mean"',
            )
        self.terms: TermChoice = "all" if terms == "all" else None if terms is None else names_of("terms", terms)

    @abstractmethod
    def start(self, name: str, like: Points) -> Fields:
        """What is remembered of a term's points before the first refresh."""

    @abstractmethod
    def refreshed(self, fields: Mapping[str, Fields], measured: Mapping[str, Points]) -> dict[str, Fields]:
        """One refresh of all terms whose points are weighted.

        Args:
            fields: term -> what is remembered of it.
            measured: term -> a figure of each point: |r_j|, where the scheme does not say otherwise.
        """

    @abstractmethod
    def factor(self, fields: Fields) -> Points:
        """f_j from what is remembered."""

    def measure(self, evaluation: Evaluation, name: str) -> Points:
        """The figure of each point of a term that `refreshed` gets: |r_j|."""
        return square(evaluation.outputs[name].detach()).sqrt().reshape(-1)

    @property
    def remembered(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Term -> field -> a figure of each point, such as RBA's v."""
        return {
            name: {field: value for field, value in fields.items() if field not in ("applied", "skipped")}
            for name, fields in self.memory.terms.items()
        }

    @final
    def weigh(self, measured: Mapping[str, Points], step: int = 0) -> dict[str, Points]:
        """One step on numbers alone: the scheme's memory advances, nothing else is touched.

        Args:
            measured: term -> |r_j| (or what the scheme measures) of each point.
            step: the optimizer's step, counted from 0.

        Returns:
            term -> the factor of each |r_j|^2.
        """
        known = {name: self._fields(name, figures, self.due(step)) for name, figures in measured.items()}
        if self.due(step):
            known = self._refresh(known, measured)
            self.memory.terms.update(known)
        return {name: self._scaled(name, fields["applied"]) for name, fields in known.items()}

    @final
    def combine(self, evaluation: Evaluation) -> Combination:
        """See `AbstractScheme`."""
        names = evaluation.names
        self._settle(names)
        chosen = [name for name in self._chosen(names) if name in names]
        for name in chosen:
            if evaluation.outputs[name].ndim == 0:
                raise _scalar(type(self).__name__, name)
        due = self.due(evaluation.step)
        anew = due and not self.remembers
        self._points.begin(evaluation, chosen, type(self).__name__, anew=anew, guessed=self.network.guessed)
        measured = {
            name: self.measure(evaluation, name) if due else evaluation.outputs[name].detach().abs().reshape(-1)
            for name in chosen
        }
        factors = self.weigh(measured, evaluation.step)
        points = {name: factor.reshape(evaluation.outputs[name].shape) for name, factor in factors.items()}
        given = [1.0 if name in points else self.given.get(name, 1.0) for name in names]
        return self._answer(names, evaluation.values.new_tensor(given), points)

    def check_again(self, evaluation: Evaluation) -> None:
        """See `AbstractScheme`: the points must be those that the weights were found for."""
        chosen = [name for name in self._chosen(evaluation.names) if name in evaluation.names]
        self._points.again(evaluation, chosen, type(self).__name__, guessed=self.network.guessed)

    def get_extra_state(self) -> dict[str, Any]:
        """See `AbstractScheme`; with the points that the weights belong to."""
        return {**super().get_extra_state(), "points": self._points.values}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """See `AbstractScheme`."""
        super().set_extra_state(state)
        self._points.values = state.get("points", {})

    def forget(self) -> None:
        """See `AbstractScheme`."""
        super().forget()
        self._points = KnownPoints()

    def _scaled(self, name: str, factor: Points) -> Points:
        """The factors on their common scale, times the weight of the term."""
        own, factor = self.given.get(name, 1.0), normalised(factor, self.normalise)
        return factor if own == 1 else own * factor

    def _chosen(self, names: Sequence[str]) -> Sequence[str]:
        if self.terms == "all":
            return [name for name in names if name not in self.exclude]
        if self.terms is not None:
            unknown = [name for name in self.terms if name not in names and name not in self._shown]
            if unknown:
                raise PinndiagError(
                    f"{type(self).__name__} was told of terms that are not there: {', '.join(unknown)}",
                    where=f"terms: {', '.join(names)}",
                    fix="use the names of the terms as they are given",
                )
            return [name for name in self.terms if name not in self.exclude]
        assert self.reference is not None
        return [self.reference]

    def _fields(self, name: str, figures: Points, due: bool) -> Fields:
        """What is remembered of a term, or its start."""
        fields = self.memory.terms.get(name)
        if fields is None or (len(fields["applied"]) != len(figures) and due and not self.remembers):
            applied = torch.full_like(figures, self.limits.number(1.0))
            return {"applied": applied, "skipped": figures.new_zeros(()), **self.start(name, figures)}
        if len(fields["applied"]) != len(figures):
            raise PinndiagError(
                f"the points of term {name!r} changed, and {type(self).__name__} weighs points one by one",
                where=f"{len(fields['applied'])} residuals at the last refresh, {len(figures)} now",
                cause="the points are drawn afresh, or the term was given another mini-batch",
                fix="keep the points of this term fixed, or use a scheme that weighs terms",
            )
        return {field: value.to(figures.device) for field, value in fields.items()}

    def _refresh(self, known: Mapping[str, Fields], measured: Mapping[str, Points]) -> dict[str, Fields]:
        new = self.refreshed(known, measured)
        factors, sound = {}, {}
        for name, figures in measured.items():
            factor = self.factor(known[name] if self.trained else new[name])
            factors[name] = self.limits(factor, known[name]["applied"])
            sound[name] = torch.isfinite(figures.sum() + sum(value.sum() for value in new[name].values()))
        if self.coupled:
            sound = dict.fromkeys(sound, torch.stack(list(sound.values())).all())
        return {name: self._kept(known[name], new[name], factors[name], sound[name]) for name in known}

    def _kept(self, known: Fields, new: Fields, factor: Points, sound: Tensor) -> Fields:
        """What is remembered of one term, whose new figures may be unsound. A GPU is not waited for."""
        if sound.device.type == "cpu" and sound:
            return {**known, **new, "applied": factor}
        kept = {field: torch.where(sound, value, known[field]) for field, value in new.items()}
        applied = torch.where(sound, factor, known["applied"])
        return {**known, **kept, "applied": applied, "skipped": known["skipped"] + ~sound}


def _scalar(scheme: str, name: str) -> TermError:
    return TermError(
        f"{scheme} weighs points, and term {name!r} is a scalar loss",
        cause="the mean of squares was taken before the scheme saw the residuals",
        fix="hand over the residual tensor, or name other terms in terms=",
    )
