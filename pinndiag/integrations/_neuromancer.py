"""NeuroMancer: a tap on every objective and constraint, and on the problem that sums them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, final

from torch import Tensor, nn

from pinndiag._errors import PinndiagError
from pinndiag.integrations._framework import About, AbstractFramework, Terms, Trained, unique
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, Replaced, beneath, tapped
from pinndiag.integrations._weighted import WeightedTerms

__all__ = ["NeuroMancer"]


@final
class NeuroMancer(AbstractFramework):
    """A `neuromancer.Problem`, or its trainer. The weights of a scheme act in the step that they were found in."""

    about: ClassVar[About] = About(
        key="neuromancer",
        package="neuromancer",
        distribution="neuromancer",
        tested=("1.5.6",),
        takes="a neuromancer Problem or Trainer",
        has=("nodes", "loss.objectives"),
        caution="NeuroMancer's trainer puts the state of the smallest weighted loss back at the end, and stops early "
        "by it, which means little while a scheme moves the weights; give it an eval_metric of your own",
        data="a batch or a DictDataset",
    )

    def __init__(self, subject: Any, data: Any = None) -> None:
        self._trainer = None if isinstance(subject, nn.Module) else subject
        super().__init__(subject if self._trainer is None else getattr(subject, "model", subject), data)

    def trained(self) -> Trained:
        """See `AbstractFramework`."""
        return Trained(self.subject, {}, [] if self._trainer is None else [self._trainer.optimizer])

    def attach(self, observe: Observer) -> list[Removable]:
        """See `AbstractFramework`.

        Raises:
            PinndiagError: a scheme, where the loss is not the weighted sum of its terms.
        """
        problem = self.subject
        self._look_at_loss(observe.balanced)
        weighted = WeightedTerms(self._terms, observe)

        def term_of(name: str, term: Any) -> Removable:
            def forward(method: Callable[..., Any], inputs: Any) -> Any:
                found = method(inputs)
                weighted.live[name] = _unweighted(term, method, inputs, found)
                return found

            return tapped(term, "forward", forward)

        def forward(method: Callable[..., Any], data: Mapping[str, Any]) -> Any:
            weighted.live.clear()
            found = method(data)
            total = weighted.total() if problem.training else None
            return found if total is None else {**found, f"{data['name']}_loss": total}

        taps = [term_of(name, term) for name, term in self._terms.items()]
        return [*taps, tapped(problem, "forward", forward), *weighted.parts()]

    def terms(self) -> Terms:
        """See `AbstractFramework`. They are evaluated on all of the trainer's training data, or on the data given.

        Raises:
            PinndiagError: a problem without its trainer or data.
        """
        batch, terms = {**self._batch(), "epoch": 0}, self._terms
        return Terms(
            {name: functools.partial(self._alone, term, batch) for name, term in terms.items()},
            weights={name: float(term.weight) for name, term in terms.items()},
        )

    def _batch(self) -> Mapping[str, Any]:
        source = self.data if self.data is not None else getattr(self._trainer, "train_data", None)
        if source is None:
            raise PinndiagError(
                "the terms of a neuromancer Problem cannot be evaluated without data",
                where="got Problem",
                cause="the data belong to its trainer, or to the loop that trains it",
                fix="pinndiag.wrap(problem, data=dataset), or pass the Trainer, which knows both",
            )
        if isinstance(source, Mapping):
            return source
        dataset = getattr(source, "dataset", source)
        batch: Mapping[str, Any] = source.collate_fn([dataset[i] for i in range(len(dataset))])
        return batch

    def _alone(self, term: Any, batch: Mapping[str, Any]) -> Tensor:
        device = next(self.subject.parameters()).device
        moved = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in batch.items()}
        inputs, method = self.subject.step(moved), beneath(term, "forward")
        return _unweighted(term, method, inputs, method(inputs))

    @property
    def _terms(self) -> dict[str, Any]:
        loss = self.subject.loss
        terms = [*loss.objectives, *loss.constraints]
        return dict(zip(unique(term.name for term in terms), terms, strict=True))

    def _look_at_loss(self, balanced: bool) -> None:
        kind = type(self.subject.loss).__name__
        if kind == "PenaltyLoss":
            return
        if balanced:
            raise PinndiagError(
                f"a scheme cannot move the weights of a {kind}",
                where="problem.loss",
                cause="it is no weighted sum of its terms",
                fix="use a PenaltyLoss, or attach without a scheme",
            )
        warnings.warn(
            f"pinndiag: a {kind} is no weighted sum of its terms: the terms' own figures are right, those of the total "
            "are of their weighted sum",
            UserWarning,
            stacklevel=4,
        )


def _unweighted(term: Any, method: Callable[..., Any], inputs: Any, found: Any) -> Tensor:
    """The loss of a term without its weight, which the term itself has put in."""
    weight = float(term.weight)
    if weight == 0:
        with Replaced(term, "weight", 1.0):
            found, weight = method(inputs), 1.0
    loss: Tensor = found[term.output_keys[0]] if isinstance(found, Mapping) else found
    return (loss / weight).reshape(())
