"""Modules of Lightning, of both packages: a tap on `training_step`, which must return its terms beside the loss.

    def training_step(self, batch, batch_idx):
        pde, bc = self.pde(batch), self.bc()
        return {"loss": pde + 10 * bc, "pde": pde, "bc": bc}

A plain `pinndiag.watch` inside `training_step` works too, and needs no `attach`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from pinndiag._errors import PinndiagError
from pinndiag._terms import mean_square
from pinndiag._watch import Watch
from pinndiag.integrations._framework import About, AbstractFramework, Terms, Trained
from pinndiag.integrations._taps import Removable, tapped

__all__ = ["AbstractLightning", "Lightning", "PytorchLightning"]


class AbstractLightning(AbstractFramework):
    """A LightningModule whose `training_step` returns a dictionary: "loss", and the unweighted terms by name."""

    def fits(self, subject: Any) -> bool:
        """See `AbstractFramework`."""
        return isinstance(subject, nn.Module) and hasattr(subject, "training_step")

    def trained(self) -> Trained:
        """See `AbstractFramework`."""
        return Trained(self.subject)

    def attach(self, watch: Watch, *, balanced: bool) -> list[Removable]:
        """See `AbstractFramework`."""

        def training_step(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            found = method(*args, **kwargs)
            terms = _terms(found)
            if not balanced:
                watch.observe(terms, {})
                return found
            weights = watch.observe(terms)
            losses = [weights[name] * mean_square(term) for name, term in terms.items()]
            return {**found, "loss": torch.stack(losses).sum()}

        return [tapped(self.subject, "training_step", training_step)]

    def terms(self) -> Terms:
        """See `AbstractFramework`.

        Raises:
            PinndiagError: always: what a module minimises is known only inside of its training step.
        """
        raise PinndiagError(
            "the terms of a Lightning module cannot be evaluated out of band",
            where=f"got {type(self.subject).__name__}",
            cause="they are computed inside of training_step, from a batch",
            fix='name them: pinndiag.wrap(module, {"pde": module.pde_residual, "bc": module.bc_residual})',
        )


def _terms(found: Any) -> dict[str, Tensor]:
    terms = dict(found) if isinstance(found, Mapping) else {}
    terms.pop("loss", None)
    if not terms or not all(isinstance(term, Tensor) for term in terms.values()):
        raise PinndiagError(
            "training_step does not return its terms",
            where=f"got {type(found).__name__}" + (f" with {', '.join(terms)}" if terms else ""),
            cause="only the sum leaves the training step, and it cannot be taken apart again",
            fix='return {"loss": loss, "pde": pde, "bc": bc}, with their graphs and without weights; '
            "or call pinndiag.watch in training_step",
        )
    return terms


@final
class Lightning(AbstractLightning):
    """A module of `lightning`. The weights of a scheme act in the step that they were found in."""

    about: ClassVar[About] = About(
        key="lightning",
        package="lightning",
        distribution="lightning",
        tested=("2.6.6",),
        takes="a LightningModule",
        acts="the same step",
        caution="ModelCheckpoint and EarlyStopping compare what the module logs; log the terms, and not their sum, "
        "while a scheme moves the weights",
    )


@final
class PytorchLightning(AbstractLightning):
    """A module of `pytorch_lightning`. The weights of a scheme act in the step that they were found in."""

    about: ClassVar[About] = About(
        key="pytorch-lightning",
        package="pytorch_lightning",
        distribution="pytorch-lightning",
        tested=("2.6.6",),
        takes="a LightningModule",
        acts="the same step",
        caution=Lightning.about.caution,
    )
