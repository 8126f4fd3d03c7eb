"""What every scheme is: a module that decides how the terms of a step are put together, and can be called as a loss."""

from __future__ import annotations

import inspect
import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Unpack, final

import torch
from torch import Tensor, nn

from pinndiag._engine import SCALE, Combination, Evaluation, joined
from pinndiag._engine._processes import Processes
from pinndiag._errors import PinndiagError, TermError
from pinndiag._terms._checked import checked
from pinndiag._terms._look import Look, look
from pinndiag._terms._terms import mean_square, square
from pinndiag.schemes._about import About
from pinndiag.schemes._guards import Limits
from pinndiag.schemes._memory import Memory
from pinndiag.schemes._options import Options, is_plain, no_preset, refuse_unchosen, refuse_unknown, refuse_unusable

__all__ = ["AbstractScheme"]


@final
@dataclass
class _Now:
    """Where a loop is that calls the scheme: apart, since a module is slow to set attributes.

    Attributes:
        step: of the next (or present) call.
        decided, decided_at: what is applied, at which step and to which terms.
        answered: the weights last applied, and of which terms; taken apart when somebody asks.
    """

    step: int = 0
    answered: tuple[tuple[str, ...], Combination] | None = None
    decided: Combination | None = None
    decided_at: tuple[int, tuple[str, ...]] = (-1, ())


class AbstractScheme(nn.Module, ABC):
    """A balancing scheme. Called with the terms it gives their weighted sum; `watch` and `remediate` use `combine`.

    `scheme.eval()` freezes it: the last weights are applied, nothing advances (for a final L-BFGS phase). Under
    `torch.no_grad()` a call is the weighted sum with the last weights, and nothing advances either; where another
    set of points is given there, the mean of the point weights stands for them. A term that stays away for some
    steps keeps its weight and its memory; a step without the reference refreshes nothing in schemes that measure the
    other terms against it.

    Args:
        every: steps between refreshes.
        first: step of the first refresh, -1 for the last one of the first interval; before it `weights` are applied.
        preset: settings of a paper or a code, see `presets`; arguments that are given win.
        reference: the term the others are measured against; default: the first one of the first call.
        exclude: terms that take no part; they keep their weight of `weights`.
        weights: weight of each term until the scheme sets it (default 1).
        eps_rel: a denominator D is guarded as D + eps_rel N, so that no ratio exceeds 1 / eps_rel (1e-7); 0: no guard.
        w_min, w_max, max_growth: smallest and largest weight, largest factor from one refresh to the next (no limits).
        normalise: "sum", "mean" or "ref": that figure of the weights applied is brought to 1. Point weights are
            normalised within their term.
        optimizer: its steps are the scheme's steps, so that the weights stay as they are within a step of L-BFGS and
            over micro-batches. Without it each call with grad enabled is a step.
        parameters: the trainable tensors; default: the `nn.Parameter` leaves of the graphs, or all leaves where there
            is none, as found in the graphs of the step.
    """

    about: ClassVar[About]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    directs: ClassVar[bool] = False
    """Whether its weights are the coefficients of a direction rather than those of a loss."""

    keeps_graphs: ClassVar[bool] = False
    """Whether `combine` differentiates the terms by itself: their graphs must outlive `evaluation.gradients`."""

    def __new__(cls, *given: Any, **options: Any) -> Any:
        """Words are looked at before the constructors of subclasses choose by them."""
        refuse_unchosen(cls, given, options)
        return super().__new__(cls)

    def __init__(self, *, every: int = 1, **options: Unpack[Options]) -> None:
        super().__init__()
        refuse_unknown(type(self), options)
        self.preset = options.get("preset")
        if self.preset is not None and self.preset not in self.presets:
            raise no_preset(type(self).__name__, self.preset, self.presets)
        first = options.get("first", 0)
        refuse_unusable(type(self).__name__, every, first, options.get("eps_rel", 1e-7), options.get("weights") or {})
        self.every, self.first = every, every - 1 if first == -1 else first
        self.exclude = tuple(options.get("exclude", ()))
        self.given = dict(options.get("weights") or {})
        self.eps_rel = options.get("eps_rel", 1e-7)
        self.limits = Limits(options.get("w_min"), options.get("w_max"), options.get("max_growth"))
        self.normalise = options.get("normalise")
        self.reference = options.get("reference")
        parameters = options.get("parameters")
        self._trained = None if parameters is None else list(parameters)
        self.memory = Memory()
        self._last: dict[str, Tensor] = {}
        self._now = _Now()
        self._seen: Look | None = None
        optimizer = options.get("optimizer")
        self._counted = optimizer is not None
        if optimizer is not None:
            _count_steps(optimizer, self)

    @abstractmethod
    def combine(self, evaluation: Evaluation) -> Combination:
        """Decide for a new optimizer step: refresh if it is due, advance, and say what is applied.

        To be called once for each step of the optimizer; further evaluations of the same step use the same answer.

        Cost: the evaluation's gradients on the steps where `forms_gradients`, and little arithmetic.
        """

    def due(self, step: int) -> bool:
        """Whether the weights are refreshed at this step."""
        looks = self.training and self.about.needs != "nothing"
        return looks and step >= self.first and (step - self.first) % self.every == 0

    def forms_gradients(self, step: int) -> bool:
        """Whether `combine` will ask for the gradient of every term at this step."""
        return self.about.needs == "gradients" and self.due(step)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments it was made with or has from its preset, as far as they are plain values."""
        base = {"every", "first", "preset", "reference", "exclude", "eps_rel", "normalise"}
        own = inspect.signature(type(self)).parameters.keys() - {"options", "weights"}
        limits = {name: getattr(self.limits, name) for name in ("w_min", "w_max", "max_growth")}
        found = {name: getattr(self, name) for name in sorted(base | own) if hasattr(self, name)}
        plain = {name: value for name, value in found.items() if is_plain(value)}
        return {**plain, **limits, "weights": self.given}

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
        evaluation = self._evaluation(outputs)
        now = self._now
        if not self._counted or now.decided is None or now.decided_at != (now.step, evaluation.names):
            now.decided, now.decided_at = self.combine(evaluation), (now.step, evaluation.names)
        if not self._counted:
            now.step += 1
        return joined(evaluation, now.decided)

    def get_extra_state(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {
            "scheme": self.about.key,
            "reference": self.reference,
            "step": self._now.step,
            "shown": dict(self._shown),
            "terms": {name: dict(fields) for name, fields in self.memory.terms.items()},
            "shared": dict(self.memory.shared),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            PinndiagError: it is the state of another scheme.
        """
        if state["scheme"] != self.about.key:
            raise PinndiagError(
                f"the state is that of the scheme {state['scheme']!r}, not of {self.about.key!r}",
                cause="the run was made with another scheme",
                fix="make the scheme that was used, or start without its state",
            )
        self.reference, self._last, self._now.answered = state["reference"], dict(state["shown"]), None
        self.memory.terms = {name: dict(fields) for name, fields in state["terms"].items()}
        self.memory.shared = dict(state["shared"])
        self._now.step, self._now.decided = state["step"], None

    def __getstate__(self) -> dict[str, Any]:
        """A copy looks at its graphs anew: they are not those of the original."""
        _ = self._shown
        return {**self.__dict__, "_seen": None, "_now": _Now(self._now.step)}

    def forget(self) -> None:
        """Begin anew, as if it had never been called; the settings stay."""
        self.memory, self._last, self._now, self._seen = Memory(), {}, _Now(), None

    def extra_repr(self) -> str:
        """Preset, schedule and reference."""
        preset = f", preset={self.preset!r}" if self.preset else ""
        reference = repr(self.reference) if self.reference else "the first term given"
        return f"every={self.every}, first={self.first}, reference={reference}{preset}"

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

    def _evaluation(self, outputs: dict[str, Tensor]) -> Evaluation:
        """The terms of a step of a loop that hands over nothing else."""
        given = None if self._trained is None else [p for p in self._trained if p.requires_grad]
        own = self.directs or self.keeps_graphs or self.forms_gradients(self._now.step)
        last: Sequence[Any] = ()
        if own or self._seen is None:  # else the plain loss is given, whose graph nobody takes apart
            found = look(outputs, given)
            last = found.last
            before, self._seen = self._seen, replace(found, last=())  # the graphs are not to outlive the step
            if before is not None and not set(map(id, before.parameters)) & set(map(id, self._seen.parameters)):
                raise _strangers(type(self).__name__, outputs, before)
        seen = self._seen
        if not seen.parameters:
            raise TermError(
                "no term can be changed by training",
                where=f"terms: {', '.join(outputs)}",
                cause="the losses were detached, or every parameter is frozen",
                fix="hand over the losses with their graphs, or call the scheme under torch.no_grad()",
            )
        half = torch.is_autocast_enabled(seen.parameters[0].device.type)
        return Evaluation(
            outputs,
            seen.parameters,
            step=self._now.step,
            shared=seen.shared,
            others=seen.others,
            keep=half,
            reduce=Processes.running().mean,
            seed=SCALE if half else 1.0,
            last=last,
            whole=seen.whole,
        )

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


def _strangers(name: str, outputs: Mapping[str, Tensor], before: Look) -> PinndiagError:
    return PinndiagError(
        f"no term depends on the parameters that {name} knows",
        where=f"terms: {', '.join(outputs)}; {len(before.parameters)} tensors known",
        cause="the scheme was used with another network before, or parameters= is that of another",
        fix="make a new scheme for each network",
    )


def _count_steps(optimizer: torch.optim.Optimizer, scheme: AbstractScheme) -> None:
    known = weakref.ref(scheme)

    def stepped(*_: Any) -> None:
        alive = known()
        if alive is not None:
            alive._now.step += 1

    optimizer.register_step_post_hook(stepped)
