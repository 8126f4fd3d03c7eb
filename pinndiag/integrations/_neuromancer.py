"""NeuroMancer: a forward hook at every objective and constraint, and a tap on the problem that sums them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, final

from torch import Tensor, nn

from pinndiag._errors import PinndiagError
from pinndiag.integrations._framework import About, AbstractFramework, Trained
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, Replaced, tapped
from pinndiag.integrations._terms import Terms, named
from pinndiag.integrations._weighted import WeightedTerms

__all__ = ["NeuroMancer"]


@final
class NeuroMancer(AbstractFramework):
    """A `neuromancer.Problem`, or its trainer. The weights of a scheme act in the step that they were found in."""

    about = About(
        key="neuromancer",
        package="neuromancer",
        distribution="neuromancer",
        tested=("1.5.6",),
        takes="a neuromancer Problem or Trainer",
        has=("nodes", "loss.objectives"),
        caution="NeuroMancer's trainer puts the state of the smallest weighted loss back at the end, and stops early "
        "by it, which means little while a scheme moves the weights; give it an eval_metric of your own",
        data="a batch or a DictDataset, or pass the Trainer, which knows its data",
    )

    def __init__(self, subject: Any, data: Any = None) -> None:
        self._trainer = None if isinstance(subject, nn.Module) else subject
        super().__init__(getattr(self._trainer, "model", subject), data)

    def trained(self) -> Trained:
        """See `AbstractFramework`."""
        return Trained(self.subject, {}, [] if self._trainer is None else [self._trainer.optimizer])

    def attach(self, observe: Observer) -> list[Removable]:
        """See `AbstractFramework`.

        Raises:
            PinndiagError: a scheme, where the loss is not the weighted sum of its terms.
        """
        problem, kind = self.subject, type(self.subject.loss).__name__
        if kind != "PenaltyLoss":
            what = f"a {kind} is no weighted sum of its terms"
            if observe.balanced:
                fix = "use a PenaltyLoss, or attach without a scheme"
                raise PinndiagError(what, where="problem.loss", cause="a scheme moves the weights of a sum", fix=fix)
            rest = "the terms' own figures are right, those of the total are of their weighted sum"
            warnings.warn(f"pinndiag: {what}: {rest}", UserWarning, stacklevel=3)
        weighted = WeightedTerms(self._terms, observe, lambda term, inputs, found: _unweighted(term, inputs[0], found))

        def forward(method: Callable[..., Any], data: Mapping[str, Any]) -> Any:
            if not problem.training:
                return method(data)
            found, total = weighted.evaluated(method, data)
            return found if total is None else {**found, f"{data['name']}_loss": total}

        return [tapped(problem, "forward", forward), weighted]

    def terms(self) -> Terms:
        """See `AbstractFramework`. They are evaluated on all of the trainer's training data, or on the data given."""
        terms, device = self._terms, next(self.subject.parameters()).device
        batch = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in self._batch().items()}

        def alone(term: Any) -> Tensor:
            inputs = self.subject.step({**batch, "epoch": 0})
            return _unweighted(term, inputs, term.forward(inputs))

        return Terms(
            {name: functools.partial(alone, term) for name, term in terms.items()},
            weights={name: float(term.weight) for name, term in terms.items()},
        )

    def _batch(self) -> Mapping[str, Any]:
        known = getattr(self._trainer, "train_data", None)
        source = self.given() if known is None or self.data is not None else known
        dataset = getattr(source, "dataset", source)
        return source if isinstance(source, Mapping) else source.collate_fn([dataset[i] for i in range(len(dataset))])

    @property
    def _terms(self) -> dict[str, Any]:
        terms = [*self.subject.loss.objectives, *self.subject.loss.constraints]
        return named((term.name for term in terms), terms)


def _unweighted(term: Any, inputs: Any, found: Any) -> Tensor:
    """The loss of a term without its weight, which the term itself has put in."""
    weight = float(term.weight)
    if weight == 0:
        with Replaced(term, "weight", 1.0):
            found, weight = term.forward(inputs), 1.0
    loss: Tensor = found[term.output_keys[0]] if isinstance(found, Mapping) else found
    return (loss / weight).reshape(())
