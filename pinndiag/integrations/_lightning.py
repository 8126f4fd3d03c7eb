"""Modules of Lightning, of both packages: a tap on `training_step`, which must return its terms beside the loss.

    def training_step(self, batch, batch_idx):
        pde, bc = self.pde(batch), self.bc()
        return {"loss": pde + 10 * bc, "pde": pde, "bc": bc}

A plain `pinndiag.watch` inside `training_step` works too, and needs no `attach`.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, final

import torch
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag.integrations._applied import applied, weighted_sum
from pinndiag.integrations._framework import About, AbstractFramework, Trained
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, Replaced, beneath, tapped
from pinndiag.integrations._terms import Terms, together

__all__ = ["AbstractLightning", "Lightning", "PytorchLightning"]


class AbstractLightning(AbstractFramework):
    """A LightningModule whose `training_step` returns a dictionary: "loss", and the unweighted terms by name."""

    def trained(self) -> Trained:
        """See `AbstractFramework`."""
        return Trained(self.subject)

    def attach(self, observe: Observer) -> list[Removable]:
        """See `AbstractFramework`."""
        told: list[bool] = []

        def training_step(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            found = method(*args, **kwargs)
            terms = _terms(found)
            weights = applied(found["loss"], terms)
            if not told:
                told.append(_tell_of_rest(found["loss"], terms, weights))
            asked = observe(terms, weights)
            return {**found, "loss": weighted_sum(terms, asked)} if observe.balanced else found

        return [tapped(self.subject, "training_step", training_step)]

    def terms(self) -> Terms:
        """See `AbstractFramework`. They are those of one training step on the batch given.

        Raises:
            PinndiagError: no batch was given, or the step does not return its terms.
        """
        found = self._step()
        terms = _terms(found)
        return Terms(together(self._step, terms), weights=applied(found["loss"], terms))

    def _step(self) -> Any:
        """A training step that logs nothing."""
        with ExitStack() as silent:
            for name in ("log", "log_dict"):
                silent.enter_context(Replaced(self.subject, name, lambda *_, **__: None))
            return beneath(self.subject, "training_step")(self.given(), 0)


def _terms(found: Any) -> dict[str, Tensor]:
    terms = dict(found) if isinstance(found, Mapping) else {}
    terms.pop("loss", None)
    tensors = [term for term in terms.values() if isinstance(term, Tensor)]
    if not terms or len(tensors) < len(terms) or not any(tensor.requires_grad for tensor in tensors):
        raise PinndiagError(
            "training_step does not return its terms",
            where=f"got {type(found).__name__}" + (f" with {', '.join(terms)}" if terms else ""),
            cause="only their sum leaves the step, which cannot be taken apart, or they are detached from their graphs",
            fix='return {"loss": loss, "pde": pde, "bc": bc}, with their graphs and without weights; '
            "or call pinndiag.watch in training_step",
        )
    return terms


def _tell_of_rest(loss: Tensor, terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> bool:
    total = weighted_sum(terms, weights)
    if not torch.allclose(total, loss.reshape(()), rtol=1e-4):
        warnings.warn(
            f"pinndiag: the loss of training_step is {loss.item():.4g}, the weighted sum of the terms that it returns "
            f"{total.item():.4g}: what is missing is not measured, and is left out where a scheme moves the weights",
            UserWarning,
            stacklevel=2,
        )
    return True


@final
class Lightning(AbstractLightning):
    """A module of `lightning`. The weights of a scheme act in the step that they were found in."""

    about = About(
        key="lightning",
        package="lightning",
        distribution="lightning",
        tested=("2.6.6",),
        takes="a LightningModule",
        has=("training_step", "configure_optimizers"),
        caution="a sum that training_step logs has the weights written there, and not those of the scheme; let "
        "ModelCheckpoint and EarlyStopping monitor the terms",
        data="a batch",
    )


@final
class PytorchLightning(AbstractLightning):
    """A module of `pytorch_lightning`. The weights of a scheme act in the step that they were found in."""

    about = dataclasses.replace(
        Lightning.about, key="pytorch-lightning", package="pytorch_lightning", distribution="pytorch-lightning"
    )
