"""What every scheme is: a module that decides how the terms of a step are put together, and can be called as a loss."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack, final

import torch
from torch import Tensor

from pinndiag._engine import Combination, Evaluation, joined
from pinndiag._errors import PinndiagError
from pinndiag._terms._checked import checked
from pinndiag._terms._terms import mean_square, square
from pinndiag.schemes._calls import Calls
from pinndiag.schemes._configured import Configured
from pinndiag.schemes._memory import Memory
from pinndiag.schemes._network import Network
from pinndiag.schemes._options import Options, written

__all__ = ["AbstractScheme"]


@final
@dataclass
class _Now:
    """The answers of a scheme: apart, since a module is slow to set attributes.

    Attributes:
        decided: what is applied within a step, and to which terms.
        answered: the weights last applied, and of which terms; taken apart when somebody asks.
    """

    decided: tuple[tuple[str, ...], Combination] | None = None
    answered: tuple[tuple[str, ...], Combination] | None = None


class AbstractScheme(Configured, ABC):
    """A balancing scheme. Called with the terms it gives their weighted sum; `watch` and `remediate` use `decide`.

    Each call with grad enabled is a step, but calls from a closure within one step of an optimizer (L-BFGS) are one:
    the weights stay as they are between its evaluations. With `optimizer=` its steps are the scheme's, so that the
    micro-batches of a step share their weights, too. A copy counts its own calls.

    One scheme belongs to one network; another one under it is refused, unless it is a copy, has begun anew (`forget`)
    or got its state from a file.

    `scheme.eval()` freezes it: the last weights are applied, nothing advances (for a final L-BFGS phase). Under
    `torch.no_grad()` a call is the weighted sum with the last weights, and nothing advances either; where another
    set of points is given there, the mean of the point weights stands for them. A term that stays away for some
    steps keeps its weight and its memory; a step without the reference refreshes nothing in schemes that measure the
    other terms against it.

    Args:
        every: steps between refreshes.
        first: step of the first refresh, -1 for the last one of the first interval; before it `weights` are applied.
            In `remediate` and in a framework these are then the weights that the PINN is trained with.
        preset: settings of a paper or a code, see `presets`; arguments that are given win.
        reference: the term the others are measured against; default: the first one of the first call.
        exclude: terms that take no part; they keep their weight of `weights`.
        weights: weight of each term until the scheme sets it (default 1); a moving average starts from it. Of a term
            whose points are weighted it stays, as a factor of theirs.
        eps_rel: a denominator D is guarded as D + eps_rel N, so that no ratio exceeds 1 / eps_rel (1e-7); 0: no guard.
        w_min, w_max, max_growth: smallest and largest weight, largest factor from one refresh to the next (no limits).
            They hold from the start, for all terms but the reference and those excluded.
        normalise: "sum", "mean" or "ref": that figure of the weights applied is brought to 1. Point weights are
            normalised within their term.
        optimizer: its steps are the scheme's steps, so that the weights stay as they are over micro-batches.
        parameters: the trainable tensors; default: the `nn.Parameter` leaves of the graphs, or all leaves where there
            is none, as found in the graphs of the step.
    """

    directs: ClassVar[bool] = False
    """Whether its weights are the coefficients of a direction rather than those of a loss."""

    keeps_graphs: ClassVar[bool] = False
    """Whether `combine` differentiates the terms by itself: their graphs must outlive `evaluation.gradients`."""

    continues: ClassVar[bool] = False
    """Whether it starts from the weights of the training that it takes over, where the others start at 1."""

    def __init__(self, *, every: int = 1, **options: Unpack[Options]) -> None:
        super().__init__(every=every, **options)
        self._asked = self.reference
        self.memory = Memory()
        self._last: dict[str, Tensor] = {}
        self._now = _Now()
        self._calls = Calls(options.get("optimizer"))
        self.network = Network(options.get("parameters"))

    @abstractmethod
    def combine(self, evaluation: Evaluation) -> Combination:
        """Decide for a new optimizer step: refresh if it is due, advance, and say what is applied.

        To be called once for each step of the optimizer, as `decide` does.

        Cost: the evaluation's gradients on the steps where `forms_gradients`, and little arithmetic.
        """

    @final
    def decide(self, evaluation: Evaluation, *, again: bool) -> Combination:
        """What is applied to an evaluation; within one optimizer step it stays the same.

        Args:
            evaluation: the terms with their graphs.
            again: it is a further one of a step: of its closure, or of another micro-batch.

        Raises:
            PinndiagError: a second call of a step brings terms that were not there beside the others; another network.
        """
        decided = self._now.decided
        if not again or decided is None or set(evaluation.names) > set(decided[0]):
            self.network.recognise(evaluation.parameters, type(self).__name__)
            found = self.combine(evaluation)
            self._now.decided = evaluation.names, found
            return found
        names, found = decided
        if names != evaluation.names:
            found = _part(self.about.key, names, found, evaluation.names)
        self.check_again(evaluation)
        return found

    def check_again(self, evaluation: Evaluation) -> None:
        """Raise where what was decided for a step does not fit a further evaluation of it."""

    def due(self, step: int) -> bool:
        """Whether the weights are refreshed at this step."""
        looks = self.training and self.about.needs != "nothing"
        return looks and step >= self.first and (step - self.first) % self.every == 0

    def forms_gradients(self, step: int) -> bool:
        """Whether `combine` will ask for the gradient of every term at this step."""
        return self.about.needs == "gradients" and self.due(step)

    @property
    def weights(self) -> Mapping[str, float | Tensor]:
        """Term -> the weight last applied to it; of a term whose points are weighted, the factor of each |r_j|^2."""
        return {name: shown.item() if shown.ndim == 0 else shown for name, shown in self._shown.items()}

    @property
    def skipped(self) -> Mapping[str, int]:
        """Term -> refreshes that passed it over, because its gradient (loss, residual) was zero or not finite."""
        return {name: int(fields["skipped"]) for name, fields in self.memory.terms.items() if "skipped" in fields}

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the terms.

        Args:
            losses: term -> residuals (any shape) or scalar loss, unweighted.

        Returns:
            sum_i w_i L_i with the weights that its backward pass applies; of direction schemes sum_i L_i.

        Raises:
            PinndiagError: there is nothing to weigh, or a term is not what the scheme needs.
        """
        outputs = checked(losses)
        if not torch.is_grad_enabled():
            return self._replayed(outputs)
        step, again = self._calls.place()
        apart = self.directs or self.keeps_graphs or self.forms_gradients(step)
        evaluation = self.network.evaluation(outputs, step, apart=apart)
        return joined(evaluation, self.decide(evaluation, again=again))

    def argument(self, name: str) -> Any:
        """See `Configured`."""
        if name == "parameters":  # the name of a method of every module
            return self.network.given
        if name == "optimizer":
            return self._calls.optimizer
        return super().argument(name)

    def get_extra_state(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {
            "scheme": self.about.key,
            "reference": self.reference,
            "step": self._calls.next,
            "shaping": {name: written(self.argument(name)) for name in self.shaping},
            "shown": dict(self._shown),
            "terms": {name: dict(fields) for name, fields in self.memory.terms.items()},
            "shared": dict(self.memory.shared),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            PinndiagError: it is the state of another scheme, or of one with arguments that make its memory another.
        """
        if state["scheme"] != self.about.key:
            raise PinndiagError(
                f"the state is that of the scheme {state['scheme']!r}, not of {self.about.key!r}",
                cause="the run was made with another scheme",
                fix="make the scheme that was used, or start without its state",
            )
        for name, value in state.get("shaping", {}).items():
            if value != written(self.argument(name)):
                raise PinndiagError(
                    f"the state is that of {type(self).__name__} with {name}={value!r}",
                    where=f"here {name}={self.argument(name)!r}",
                    cause="what is remembered means something else then",
                    fix=f"make the scheme with {name}={value!r}, or start without its state",
                )
        self.reference, self._last = state["reference"], dict(state["shown"])
        self.memory.terms = {name: dict(fields) for name, fields in state["terms"].items()}
        self.memory.shared = dict(state["shared"])
        self._calls.begin(state["step"])
        self.network.forget()
        self._now = _Now()

    def __getstate__(self) -> dict[str, Any]:
        """A copy belongs to no network yet, and no optimizer knows it."""
        _ = self._shown
        return {**self.__dict__, "_now": _Now()}

    def forget(self) -> None:
        """Begin anew, as if it had never been called; the settings stay."""
        self.memory, self._last, self._now = Memory(), {}, _Now()
        self.network.forget()
        self._calls.begin(0)
        self.reference = self._asked

    def anew(self, parameters: Sequence[Tensor]) -> AbstractScheme:
        """A copy that begins anew, for copies of a network.

        Args:
            parameters: the network's, in the order in which those of the copies are handed over.
        """
        found = copy.deepcopy(self)
        found.forget()
        return found

    def take_over(self, weights: Mapping[str, float]) -> None:
        """Before the first step: keep the weights of a training where the scheme leaves it as it is.

        For terms that it does not weigh, and for all where it refreshes later than at step 0 or starts from the present
        weights by its source. Weights that it was given win.
        """
        if not self.given and self._now.answered is None and not self._last:
            self.given = {name: w for name, w in weights.items() if self.first > 0 or self.leaves(name)}

    def leaves(self, name: str) -> bool:
        """Whether a training's weight of a term stays."""
        return self.continues or name in self.exclude

    def _settle(self, names: Sequence[str]) -> None:
        """At the first step: what is the reference, and are the names known?"""
        if self._now.answered is not None or self._last:
            return
        asked = [self.reference] if self.reference is not None else []
        for name in [*asked, *self.exclude, *self.given]:
            if name not in names:
                raise PinndiagError(
                    f"{type(self).__name__} was told of a term {name!r} that the first step has not",
                    where=f"terms: {', '.join(names)}; reference={self.reference!r}, exclude={list(self.exclude)}, "
                    f"weights={self.given}",
                    cause="a typing error, or a term that joins later",
                    fix="use the names of the terms as they are given",
                )
        taking_part = [name for name in names if name not in self.exclude]
        if not taking_part:
            raise PinndiagError(
                f"{type(self).__name__} has no term to weigh", where=f"every one of {', '.join(names)} is excluded"
            )
        if self.reference is None:
            self.reference = taking_part[0]

    @property
    def _shown(self) -> dict[str, Tensor]:
        """Term -> the weight last applied to it."""
        if self._now.answered is not None:
            names, combination = self._now.answered
            self._last.update(zip(names, combination.weights.unbind(), strict=True))
            self._last.update(combination.points)
            self._now.answered = None
        return self._last

    def _answer(
        self, names: tuple[str, ...], weights: Tensor, points: Mapping[str, Tensor] | None = None
    ) -> Combination:
        """What is applied, remembered for `weights`."""
        if self._now.answered is not None and self._now.answered[0] != names:
            _ = self._shown  # of terms that are away now
        combination = Combination(weights, points or {}, self.directs)
        self._now.answered = (names, combination)
        return combination

    def _replayed(self, outputs: dict[str, Tensor]) -> Tensor:
        parts = []
        for name, output in outputs.items():
            weight = self._shown.get(name, torch.tensor(self.given.get(name, 1.0))).to(output.device)
            if self.directs:
                weight = torch.ones_like(weight)
            if weight.ndim and weight.shape == output.shape:
                parts.append((weight * square(output)).mean())
            else:
                parts.append(weight.mean() * mean_square(output))
        return torch.stack(parts).sum()


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
