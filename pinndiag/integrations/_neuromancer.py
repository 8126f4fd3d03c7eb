"""NeuroMancer: a tap on every objective and constraint, and on the problem that sums them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from pinndiag._errors import PinndiagError
from pinndiag._watch import Watch
from pinndiag.integrations._framework import About, AbstractFramework, Terms, Trained, unique
from pinndiag.integrations._taps import Removable, Replaced, beneath, tapped

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
        acts="the same step",
        caution="NeuroMancer's trainer puts the state of the smallest weighted loss back at the end, and stops early "
        "by it, which means little while a scheme moves the weights; give it an eval_metric of your own",
    )

    def fits(self, subject: Any) -> bool:
        """See `AbstractFramework`."""
        problem = getattr(subject, "model", None) if not isinstance(subject, nn.Module) else subject
        return hasattr(problem, "nodes") and hasattr(getattr(problem, "loss", None), "objectives")

    def trained(self) -> Trained:
        """See `AbstractFramework`."""
        optimizer = getattr(self.subject, "optimizer", None)
        return Trained(self._problem, {}, [] if optimizer is None else [optimizer])

    def attach(self, watch: Watch, *, balanced: bool) -> list[Removable]:
        """See `AbstractFramework`.

        Raises:
            PinndiagError: a scheme, where the loss is not the weighted sum of its terms.
        """
        problem, terms = self._problem, self._terms
        if balanced and type(problem.loss).__name__ != "PenaltyLoss":
            raise PinndiagError(
                f"a scheme cannot move the weights of a {type(problem.loss).__name__}",
                where="problem.loss",
                cause="it is no weighted sum of its terms",
                fix="use a PenaltyLoss, or attach without a scheme",
            )
        weights = {name: Replaced(term, "weight", term.weight) for name, term in terms.items()} if balanced else {}
        live: dict[str, Tensor] = {}

        def term_of(name: str) -> Removable:
            def forward(method: Callable[..., Any], inputs: Any) -> Any:
                found = method(inputs)
                live[name] = _unweighted(terms[name], method, inputs, found)
                return found

            return tapped(terms[name], "forward", forward)

        def forward(method: Callable[..., Any], data: Mapping[str, Any]) -> Any:
            live.clear()
            found = method(data)
            if not problem.training:
                return found
            if not balanced:
                watch.observe(live, {name: float(term.weight) for name, term in terms.items()})
                return found
            for name, weight in watch.observe(live).items():
                weights[name].set(weight)
            loss = torch.stack([terms[name].weight * term for name, term in live.items()]).sum()
            return {**found, f"{data['name']}_loss": loss}

        return [*map(term_of, terms), tapped(problem, "forward", forward), *weights.values()]

    def terms(self) -> Terms:
        """See `AbstractFramework`. They are evaluated on the first batch of the trainer's data.

        Raises:
            PinndiagError: a problem without its trainer has no data.
        """
        if self.subject is self._problem:
            raise PinndiagError(
                "a neuromancer Problem cannot be evaluated without its data",
                where="got Problem",
                cause="the data belong to the trainer",
                fix="pass the Trainer, which knows both",
            )
        data = self.subject.train_data
        batch = {**data.collate_fn([data.dataset[i] for i in range(len(data.dataset))]), "epoch": 0}
        terms = self._terms
        return Terms(
            {name: (lambda term=term: self._alone(term, batch)) for name, term in terms.items()},
            weights={name: float(term.weight) for name, term in terms.items()},
        )

    def _alone(self, term: Any, batch: Mapping[str, Any]) -> Tensor:
        device = next(self._problem.parameters()).device
        moved = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in batch.items()}
        inputs, method = self._problem.step(moved), beneath(term, "forward")
        return _unweighted(term, method, inputs, method(inputs))

    @property
    def _problem(self) -> Any:
        return self.subject if isinstance(self.subject, nn.Module) else self.subject.model

    @property
    def _terms(self) -> dict[str, Any]:
        loss = self._problem.loss
        terms = [*loss.objectives, *loss.constraints]
        return dict(zip(unique(term.name for term in terms), terms, strict=True))


def _unweighted(term: Any, method: Callable[..., Any], inputs: Any, found: Any) -> Tensor:
    """The loss of a term without its weight, which the term itself has put in."""
    weight = float(term.weight)
    if weight == 0:
        with Replaced(term, "weight", 1.0):
            found, weight = method(inputs), 1.0
    loss: Tensor = found[term.output_keys[0]] if isinstance(found, Mapping) else found
    return (loss / weight).reshape(())
